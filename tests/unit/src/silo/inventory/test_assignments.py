"""The words KEY=VALUE of 'silo set'."""

import pytest

from silo.inventory import InventoryError, assignments
from silo.inventory.validation import NOT_BY_HAND, SETTINGS, new_values
from silo.tenant.schema import options


def refused(*words):
    with pytest.raises(InventoryError) as error:
        assignments.parse("hans", words)
    return error.value.problems


def test_a_key_is_a_setting_with_or_without_its_prefix():
    assert assignments.parse("hans", ["quota=1T", "tenant_log_level=debug", "app-quota-share=0.9", "plan="]) == {
        "quota": "1T",
        "log_level": "debug",
        "app_quota_share": "0.9",
        "plan": None,
    }


def test_every_option_of_the_schema_can_be_set_or_says_what_is_right():
    for key, option in options().items():
        if key in NOT_BY_HAND:
            assert "cannot be set by hand: " in refused(f"{key}=1")[0]
        elif option["type"] == "dict":
            assert f"write {key} in host_vars/hans/overrides.yml, then 'silo apply hans'" in refused(f"{key}=1")[0]
        else:
            assert key in SETTINGS, key
            assert assignments.parse("hans", [f"{key}=1"])


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("qouta=1T", "unknown setting 'qouta'. Did you mean 'quota'?"),
        ("state=stopped", "use 'silo start hans', 'silo stop hans' or 'silo delete hans'"),
        ("index=7", "setting 'index' cannot be set by hand: it is given once"),
        ("domain=x.ch", "it is the same for all tenants; set it in group_vars of the inventory"),
        ("extended_until=2027-01-15", "use 'silo extend hans --until DAY --reason TEXT'"),
        ("secrets=x", "'silo reset-access hans' sends the customer a new link"),
        ("quota", "'quota': it must be KEY=VALUE, such as quota=500G"),
        ("=", "unknown setting ''. There are email, plan, quota,"),
    ],
)
def test_what_cannot_be_set_is_a_sentence(word, sentence):
    (problem,) = refused(word)
    assert sentence in problem


def test_a_key_is_there_once():
    assert refused("quota=1T", "tenant_quota=2T") == ("setting 'tenant_quota' is there twice; give it once",)


@pytest.mark.parametrize(
    ("keyword", "text", "value"),
    [
        ("slice", "false", False),
        ("machine_learning_requests", "6", 6),
        ("app_quota_share", "0.9", 0.9),
        ("quota", "1T", "1T"),
    ],
)
def test_a_value_has_the_type_of_the_schema(keyword, text, value):
    assert new_values("hans", {keyword: text}, ()) == {f"tenant_{keyword}": value}


@pytest.mark.parametrize(
    ("keyword", "text", "right"),
    [
        ("slice", "perhaps", "it must be true or false"),
        ("machine_learning_requests", "many", "it must be a whole number"),
        ("app_quota_share", "much", "it must be a number"),
        ("log_level", "loud", "it must be one of verbose, debug, log, warn, error, fatal"),
    ],
)
def test_a_value_of_another_type_is_refused(keyword, text, right):
    with pytest.raises(InventoryError, match=f"hans: tenant_{keyword} is '{text}'; {right}"):
        new_values("hans", {keyword: text}, ())
