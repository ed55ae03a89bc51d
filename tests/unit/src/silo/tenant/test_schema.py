"""The schema refuses what cannot be, in sentences that name the field, the value and what is right."""

import pytest

from silo.tenant import schema


@pytest.fixture
def problems(tenant_values):
    def of(name="hans", **changes):
        with pytest.raises(schema.TenantError) as caught:
            schema.validate(name, {**tenant_values, **changes})
        return caught.value.problems

    return of


def test_defaults_are_filled_in_and_values_typed(tenant_values):
    settings = schema.validate("hans", {**tenant_values, "tenant_index": "7"})
    assert settings["tenant_index"] == 7
    assert settings["tenant_state"] == "running"


@pytest.mark.parametrize(
    "name", ["Hans", "h", "1hans", "hans-peter", "hans_pe", "a" * 32, "hans ", "h\u0430ns", "../x", ""]
)
def test_a_name_that_cannot_be_a_host_name_a_project_and_a_slice_is_refused(problems, name):
    assert f"tenant {name!r}: this name cannot be used" in problems(name)[0]


@pytest.mark.parametrize("name", ["www", "api", "admin", "mail", "traefik"])
def test_a_reserved_name_is_refused(problems, name):
    assert problems(name) == (f"tenant {name!r}: this name is reserved for the platform; choose another",)


def test_an_unknown_setting_is_refused_with_what_was_meant(problems):
    assert problems(tenant_qouta="1T") == ("hans: unknown setting 'tenant_qouta'. Did you mean 'tenant_quota'?",)


def test_a_missing_setting_is_named(tenant_values):
    values = {key: value for key, value in tenant_values.items() if key != "tenant_email"}
    with pytest.raises(schema.TenantError, match="^hans: tenant_email is missing$"):
        schema.validate("hans", values)


@pytest.mark.parametrize("email", ["hans", "hans@", "@example.ch", "a b@example.ch", "hans@example", "x@e.ch\nBcc: y"])
def test_an_address_that_is_none_is_refused(problems, email):
    (problem,) = problems(tenant_email=email)
    assert problem.startswith(f"hans: tenant_email is {email!r}; it must be an address such as hans@example.ch: ")


def test_a_state_that_does_not_exist_is_refused_with_those_that_do(problems):
    (problem,) = problems(tenant_state="paused")
    assert problem.startswith("hans: value of tenant_state must be one of: running, stopped, suspended, absent")


def test_every_problem_is_told_not_the_first_alone(problems):
    assert len(problems("Hans", tenant_email="x", tenant_state="y", tenant_qouta="z")) == 4


def test_every_default_is_a_setting_and_every_setting_has_a_default_or_is_required_or_optional():
    assert set(schema.defaults()) < set(schema.options())
    assert not [name for name in schema.defaults() if schema.options()[name].get("required")]


def test_every_setting_is_described():
    assert not [name for name, option in schema.options().items() if not option.get("description")]
