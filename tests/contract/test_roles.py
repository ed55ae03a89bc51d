"""What each role says of its variables, in meta/argument_specs.yml, is what it has and what it uses."""

import functools
import re

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .world import ROOT

ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
# What a tenant may have, and none has where its files do not say so.
UNSET = {
    "tenant_database_image",
    "tenant_environment",
    "tenant_extended_until",
    "tenant_extension_reason",
    "tenant_file",
    "tenant_images",
    "tenant_log_level",
    "tenant_plan",
    "tenant_state_reason",
    "tenant_state_since",
    "tenant_secrets",
    "tenant_subnet",
    "tenant_subscription",
}
# Those of the tenant for whom a play runs, which is its host.
OF_THE_HOST = {"tenant_server"}


def read(role, path):
    file = ROOT / "roles" / role / path
    return (yaml.safe_load(file.read_text()) or {}) if file.exists() else {}


@functools.cache
def entry_points(role):
    return read(role, "meta/argument_specs.yml")["argument_specs"]


def options(role):
    return {name: one for point in entry_points(role).values() for name, one in point.get("options", {}).items()}


def defaults(role):
    return read(role, "defaults/main.yml")


def words(role, *parts):
    """The words of a role's files, but for comments."""
    files = [file for part in parts for file in (ROOT / "roles" / role / part).rglob("*") if file.is_file()]
    lines = [line for file in files for line in file.read_text().splitlines() if not line.lstrip().startswith("#")]
    return set(re.findall(r"(?<![\w.$/-])[a-z]\w+\b(?![\w/.(=-])", "\n".join(lines)))


def described(options, path=""):
    for name, option in options.items():
        yield f"{path}{name}", option
        yield from described(option.get("options", {}), f"{path}{name}.")


@pytest.mark.parametrize("role", ROLES)
def test_every_option_says_what_it_is_and_of_which_type(role):
    assert all(point.get("short_description") for point in entry_points(role).values())
    unsaid = [name for name, one in described(options(role)) if not (one.get("description") and one.get("type"))]
    assert unsaid == []


@pytest.mark.parametrize("role", ROLES)
def test_every_default_is_that_of_an_option(role):
    assert sorted(defaults(role).keys() - options(role).keys()) == []


@pytest.mark.parametrize("role", ROLES)
def test_every_option_is_required_or_has_a_default(role):
    free = {name for name, option in options(role).items() if not option.get("required")}
    assert free - defaults(role).keys() == (UNSET if role == "tenant" else set())


@pytest.mark.parametrize("role", ROLES)
def test_the_defaults_that_are_documented_are_those_of_the_role(role):
    """What argument_specs call a default, Ansible does not set; `python tools/reference.py` copies it there."""
    documented = {name: one["default"] for name, one in options(role).items() if "default" in one}
    free = {name for name, one in options(role).items() if not one.get("required")}
    assert documented == {name: value for name, value in defaults(role).items() if name in free}


@pytest.mark.parametrize("role", ROLES)
def test_every_default_is_of_the_type_of_its_option(role):
    # What is a template is of the type that it gives in a play.
    plain = {name: value for name, value in defaults(role).items() if "{{" not in str(value)}
    specification = {name: option for name, option in options(role).items() if name in plain}
    assert ArgumentSpecValidator(specification).validate(plain).error_messages == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_uses_no_variable_of_its_name_that_is_no_option(role):
    used = words(role, "tasks", "handlers", "templates", "vars", "defaults")
    assert sorted(word for word in used - options(role).keys() if word.startswith(f"{role}_")) == []


@pytest.mark.parametrize("role", [role for role in ROLES if role != "tenant"])
def test_a_role_has_no_option_that_nothing_uses(role):
    # What it gives to a role on which it depends is used as well.
    values = yaml.safe_dump([list(defaults(role).values()), read(role, "meta/main.yml").get("dependencies")])
    used = words(role, "tasks", "handlers", "templates", "vars") | set(re.findall(r"\w+", values))
    assert sorted(options(role).keys() - used) == []


def test_a_tenant_has_no_option_that_nothing_reads():
    folders = ("plugins", "src", "roles/tenant/tasks", "roles/tenant/files")
    files = [
        file for folder in folders for file in (ROOT / folder).rglob("*") if file.suffix in (".py", ".yml", ".yaml")
    ]
    read_by_us = set(re.findall(r"\w+", "\n".join(file.read_text() for file in files)))
    assert sorted(options("tenant").keys() - read_by_us) == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_knows_nothing_of_another(role):
    """Roles meet in group_vars/ alone."""
    others = {name for other in ROLES if other != role for name in options(other)}
    used = words(role, "tasks", "handlers", "templates", "vars", "defaults")
    assert sorted(used & others - OF_THE_HOST) == []


@pytest.mark.parametrize("role", ROLES)
def test_every_notified_handler_exists(role):
    tasks = [
        one for file in (ROOT / "roles" / role / "tasks").glob("*.yml") for one in yaml.safe_load(file.read_text())
    ]
    notified = {name for one in tasks for name in listed(one.get("notify", []))}
    handlers = read(role, "handlers/main.yml") or []
    assert notified <= {name for one in handlers for name in [one["name"], *listed(one.get("listen", []))]}


def listed(value):
    return [value] if isinstance(value, str) else value
