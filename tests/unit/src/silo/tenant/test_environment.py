"""Variables of a tenant's photo server: those that a setting gives, those passed through, and what is refused."""

import json
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from silo.tenant import environment, schema, services
from silo.tenant.model import derive
from silo.tenant.render import render
from silo.tenant.schema import TenantError
from tests import templates

SECRETS = {"database_password": "Dsecret", "cache_password": "Csecret", "admin_password": "Asecret"}


def rendered(**changes):
    return render(derive("hans", {**templates.HANS, **changes}), SECRETS)


def variables(**changes):
    """The variables of the photo server beyond those that all have."""
    found = yaml.safe_load(rendered(**changes).compose)["services"]["server"]["environment"]
    common = services.services()["server"].section["environment"]
    assert found.items() >= common.items()
    return {key: value for key, value in found.items() if key not in common}


def refused(**given):
    with pytest.raises(TenantError) as error:
        derive("hans", {**templates.HANS, "tenant_environment": given})
    return error.value.problems


def test_who_says_nothing_has_the_compose_file_of_all():
    assert rendered().compose == ""
    assert rendered(tenant_environment={}).compose == ""


def test_a_variable_that_nobody_declared_is_passed_through():
    given = {"IMMICH_LOG_FORMAT": "json", "UV_THREADPOOL_SIZE": 8, "NO_COLOR": True, "A_B": 0.5, "SIGN": "$HOME ${X}"}
    assert variables(tenant_environment=given) == {
        "IMMICH_LOG_FORMAT": "json",
        "UV_THREADPOOL_SIZE": "8",
        "NO_COLOR": "true",
        "A_B": "0.5",
        "SIGN": "$$HOME $${X}",
    }


def test_a_declared_setting_is_a_variable():
    assert variables(tenant_log_level="debug") == {"IMMICH_LOG_LEVEL": "debug"}


def test_a_declared_setting_is_an_edit_of_the_schema_and_of_the_compose_file(tmp_path, monkeypatch):
    role = tmp_path / "tenant"
    for name in ("meta/argument_specs.yml", "files/compose.yaml", "defaults/main.yml"):
        file = role / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((schema.role() / name).read_text())
    specs, compose = role / "meta" / "argument_specs.yml", role / "files" / "compose.yaml"
    specs.write_text(specs.read_text() + "      tenant_thumbnails:\n        type: bool\n        description: Some.\n")
    mark = "IMMICH_LOG_LEVEL: tenant_log_level\n"
    compose.write_text(compose.read_text().replace(mark, f"{mark}        IMMICH_THUMBNAILS: tenant_thumbnails\n"))
    monkeypatch.setattr(schema, "role", lambda: role)
    monkeypatch.setattr(services, "compose_path", lambda: compose)
    schema.options.cache_clear()
    try:
        assert variables(tenant_thumbnails=False) == {"IMMICH_THUMBNAILS": "false"}
        assert rendered().compose == ""
    finally:
        schema.options.cache_clear()


def test_only_the_photo_server_of_this_tenant_is_made_anew():
    before, after = rendered(), rendered(tenant_environment={"IMMICH_LOG_FORMAT": "json"})
    assert {name for name in before.digests if before.digests[name] != after.digests[name]} == {"server"}
    assert (before.env.splitlines()[:-4], before.route) == (after.env.splitlines()[:-4], after.route)
    found = yaml.safe_load(after.compose)
    others = yaml.safe_load(services.compose_file())
    assert found["services"]["database"] == others["services"]["database"]
    assert {key: found[key] for key in found if key != "services"} == {
        key: others[key] for key in others if key != "services"
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("TZ", "tenant_time_zone is the setting for it"),
        ("IMMICH_LOG_LEVEL", "tenant_log_level is the setting for it"),
        ("IMMICH_ALLOW_SETUP", "this project sets it in the Compose file"),
        ("IMMICH_CONFIG_FILE", "this project sets it in the Compose file"),
        ("IMMICH_MEDIA_LOCATION", "this project sets it in the Compose file"),
        ("IMMICH_TRUSTED_PROXIES", "this project sets it in the Compose file"),
        ("DB_PASSWORD_FILE", "this project sets it in the Compose file"),
        ("MIMALLOC_PURGE_DELAY", "this project sets it in the Compose file"),
        ("IMMICH_PORT", "the route leads to the port of the Compose file"),
        ("IMMICH_IGNORE_MOUNT_CHECK_ERRORS", "a photo server without its folders must not start"),
        ("DB_URL", "the photo server finds its database by the settings of this project"),
        ("DB_PASSWORD", "the photo server finds its database by the settings of this project"),
        ("PGHOST", "the photo server finds its database by the settings of this project"),
        ("REDIS_URL", "the photo server finds its cache by the settings of this project"),
        ("COMPOSE_FILE", "only this project calls Docker Compose"),
        ("TENANT_UID", "it is a variable of this project's own; use the tenant_* settings"),
        ("SERVER_IMAGE", "it is a variable of this project's own; use the tenant_* settings"),
        ("DATABASE_ADDRESS", "it is a variable of this project's own; use the tenant_* settings"),
        ("NODE_OPTIONS", "it would change how Node.js runs the photo server's code"),
        ("NODE_EXTRA_CA_CERTS", "it would change how Node.js runs the photo server's code"),
        ("LD_PRELOAD", "it would load other code into the photo server's process"),
        ("ld_preload", "it would load other code into the photo server's process"),
        ("BASH_ENV", "it would run code in the photo server's shell"),
        ("ENV", "it would run code in the photo server's shell"),
        ("PERL5LIB", "it would load other code into a program of the photo server"),
        ("PATH", "the container's image sets it"),
        ("tz", "tenant_time_zone is the setting for it"),
    ],
)
def test_what_is_managed_or_dangerous_is_refused_with_the_reason(name, reason):
    assert refused(**{name: "x"}) == (f"hans: tenant_environment.{name} is 'x', and cannot be set: {reason}",)


def test_whatever_the_compose_file_gives_a_container_is_refused():
    names = {name for one in services.services().values() for name in one.section.get("environment", {})}
    for name in names | set(services.VARIABLE.findall(services.compose_file())):
        assert "cannot be set" in refused(**{name: "x"})[0], name


@pytest.mark.parametrize("name", ["", "A B", "A=B", "1A", "A-B", "A\nB", "É", "${A}", "A" * 65, 7, None, True])
def test_what_is_no_name_is_refused(name):
    (problem,) = _refused({name: "x"})
    assert problem.startswith("hans: tenant_environment names ")
    assert problem.endswith("it must be a name of letters, digits and _, such as IMMICH_LOG_LEVEL")


def _refused(given):
    with pytest.raises(TenantError) as error:
        environment.environments("hans", {environment.SETTING: given})
    return error.value.problems


@pytest.mark.parametrize(
    "value",
    [
        "a\nb",
        "a\rb",
        "a\0b",
        "\x1b[1m",
        "x" * 4097,
        ["a"],
        {"a": "b"},
        None,
        math.inf,
        math.nan,
        pytest.param(16**5000, id="digits"),
    ],
)
def test_what_is_no_value_is_refused(value):
    (problem,) = _refused({"IMMICH_LOG_FORMAT": value})
    assert problem.startswith("hans: tenant_environment.IMMICH_LOG_FORMAT is ")
    assert "it must be a line of at most 4096 printable characters, a number, true or false" in problem
    assert "\n" not in problem


def test_every_problem_is_told_and_a_long_value_is_not():
    problems = refused(DB_URL="s" * 200, IMMICH_ENV="development", **{"A B": "x"})
    assert len(problems) == 3
    assert "s" * 70 not in problems[0]


def test_the_same_name_in_other_letters_is_refused():
    assert "HTTP_X is there too; keep one of them" in refused(HTTP_X="1", http_x="2")[0]


@given(st.dictionaries(st.text(max_size=12), st.one_of(st.text(max_size=20), st.integers(), st.booleans()), max_size=4))
def test_no_variable_says_more_than_itself(given_variables):
    try:
        stack = rendered(tenant_environment=given_variables)
    except TenantError:
        return
    if not given_variables:
        return
    found = yaml.safe_load(stack.compose)
    assert found == json.loads(stack.compose.split("\n", 1)[1])
    found["services"]["server"]["environment"] = services.services()["server"].section["environment"]
    assert found == yaml.safe_load(services.compose_file())
