"""What servers read, without a server: templates of roles, by Ansible's filters, and a tenant of whom to render it."""

from __future__ import annotations

import functools
import itertools
import typing as t
from pathlib import Path

import jinja2
import yaml
from ansible.plugins.filter import core, mathstuff
from ansible_collections.swissphoto.silo.plugins.filter.brand import brand
from ansible_collections.swissphoto.silo.plugins.filter.systemd import systemd_path, systemd_word

# The settings of hans as an inventory gives them: what is required, and nothing else.
HANS = {
    "tenant_email": "hans@example.ch",
    "tenant_index": 1,
    "tenant_quota": "100G",
    "tenant_server": "silo1",
    "tenant_nas": "silo1",
    "tenant_domain": "swissphoto.ch",
    "tenant_routes_directory": "/srv/silo/traefik/routes",
    "tenant_storage_root": "/instances",
    "tenant_storage_sentinel": "/instances/.silo-nas",
    "tenant_machine_learning_port": 3003,
    "tenant_images": {"server": "server:1", "database": "database:1", "cache": "cache:1"},
}
ROLES = Path(__file__).parents[1] / "roles"


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701
    environment.filters |= core.FilterModule().filters() | mathstuff.FilterModule().filters()
    environment.filters["product"] = itertools.product
    environment.globals["lookup"] = _lookup
    own = {"brand": brand, "systemd_path": systemd_path, "systemd_word": systemd_word}
    environment.filters |= {f"swissphoto.silo.{name}": one for name, one in own.items()}
    return environment


def _lookup(plugin: str, path: str, template_vars: dict[str, t.Any] | None = None) -> str:
    text = Path(path).read_text(encoding="utf-8")
    if plugin == "ansible.builtin.template":
        return _environment().from_string(text).render(template_vars or {})
    assert plugin == "ansible.builtin.file", plugin
    return text.rstrip()


def render(role: str, template: str, **changes: t.Any) -> str:
    """Return the text of a template, with the role's own variables but for `changes`."""
    variables: dict[str, t.Any] = {"ansible_managed": "Ansible managed", "role_path": str(ROLES / role)}
    for file in (ROLES / role / part / "main.yml" for part in ("defaults", "vars")):
        variables |= yaml.safe_load(file.read_text()) if file.exists() else {}
    text = (ROLES / role / "templates" / template).read_text()
    return _environment().from_string(text).render(variables | changes)


def text(template: str, **variables: t.Any) -> str:
    """Return the text of a template that is a value of a role."""
    return _environment().from_string(template).render(variables)
