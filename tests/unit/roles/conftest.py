"""Templates of roles, rendered with Ansible's filters and without a server."""

import itertools
from pathlib import Path

import jinja2
import pytest
import yaml
from ansible.plugins.filter import core, mathstuff

ROLES = Path(__file__).parents[3] / "roles"


@pytest.fixture(scope="session")
def render():
    """Gives a function: role, template and changed variables to the text, with the role's own variables else."""
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701
    environment.filters |= core.FilterModule().filters() | mathstuff.FilterModule().filters()
    environment.filters["product"] = itertools.product

    def of(role, template, **changes):
        files = [ROLES / role / part / "main.yml" for part in ("defaults", "vars")]
        variables = {"ansible_managed": "Ansible managed"}
        for file in files:
            variables |= yaml.safe_load(file.read_text()) if file.exists() else {}
        return environment.from_string((ROLES / role / "templates" / template).read_text()).render(variables | changes)

    return of
