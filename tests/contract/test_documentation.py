"""What `ansible-doc` says of this collection is what it has: each default, each filter, each module."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.swissphoto.silo.plugins.filter.tenant_report import FilterModule

from .world import ROOT

ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def documented(kind, *names):
    """Return name without that of the collection to what `ansible-doc` says of it."""
    command = [str(Path(sys.executable).with_name("ansible-doc")), "--json", "--type", kind]
    full = [f"swissphoto.silo.{name}" for name in names]
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run([*command, *full], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return {name.rpartition(".")[2]: found for name, found in json.loads(done.stdout).items()}


@pytest.fixture(scope="module")
def roles():
    return documented("role", *ROLES)


def defaults(role):
    path = ROOT / "roles" / role / "defaults" / "main.yml"
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


@pytest.mark.parametrize("role", ROLES)
def test_each_option_of_a_role_is_shown_with_its_default(roles, role):
    points = roles[role]["entry_points"].values()
    shown = {name: one for point in points for name, one in point.get("options", {}).items()}
    free = {name: one.get("default") for name, one in shown.items() if not one.get("required")}
    assert {name: value for name, value in free.items() if name in defaults(role)} == {
        name: value for name, value in defaults(role).items() if name in free
    }
    assert not [name for name, one in shown.items() if not one["description"]]


def test_each_filter_is_documented():
    names = FilterModule().filters()
    assert {name: bool(one["doc"]["short_description"]) for name, one in documented("filter", *names).items()} == (
        dict.fromkeys(names, True)
    )


@pytest.mark.parametrize("kind", ["module", "inventory"])
def test_each_plugin_is_documented(kind):
    folder = "modules" if kind == "module" else kind
    names = sorted(path.stem for path in (ROOT / "plugins" / folder).glob("*.py"))
    assert documented(kind, *names).keys() == set(names)
