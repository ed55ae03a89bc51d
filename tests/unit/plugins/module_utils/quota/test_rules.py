from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError, State, Usage
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.converge import QuotaOutcome, converge
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.id_registry import read_register, write_register
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.rules import QuotaPolicy, parse_tenant
from hypothesis import given
from hypothesis import strategies as st

GIB = 2**30


def wanted(name: str, number: int, limit: str | int = "100G") -> dict[str, Any]:
    return {"name": name, "id": number, "uid": 200000 + number, "gid": 200000 + number, "limit": str(limit)}


def run(backend: Any, *tenants: dict[str, Any], check: bool = False, **policy: Any) -> dict[str, QuotaOutcome]:
    return {outcome.name: outcome for outcome in converge(backend, tenants, QuotaPolicy(**policy), check)}


def errors(backend: Any, *tenants: dict[str, Any], check: bool = False, **policy: Any) -> dict[str, str]:
    return {name: outcome.error for name, outcome in run(backend, *tenants, check=check, **policy).items()}


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "../etc"}, "the name must be 2 to 31 lower-case letters and digits, and begin with a letter"),
        ({"name": "Hans"}, "the name must be 2 to 31 lower-case letters and digits, and begin with a letter"),
        ({"name": "hans\n"}, "the name must be 2 to 31 lower-case letters and digits, and begin with a letter"),
        ({"limit": "lots"}, "the limit 'lots' is not a size; write a number with K, M, G or T, such as 100G"),
        ({"limit": "-1G"}, "the limit '-1G' is not a size; write a number with K, M, G or T, such as 100G"),
        ({"limit": "0"}, "the limit is 0, which means no limit to some file systems"),
        ({"id": 0}, "the id is 0; it must be 1 or more, and fit into 32 bits"),
        ({"id": -1}, "the id is -1; it must be 1 or more, and fit into 32 bits"),
        ({"id": 2**32 - 1}, "the id is 4294967295; it must be 1 or more, and fit into 32 bits"),
        ({"id": 2**32}, "the id is 4294967296; it must be 1 or more, and fit into 32 bits"),
        ({"inodes": -1}, "inodes is -1; it must be 0 for no limit, or the number of files, such as 100000"),
        ({"uid": 0}, "the uid is 0; it must be 1 or more, and fit into 32 bits"),
        ({"gid": 2**32}, "the gid is 4294967296; it must be 1 or more, and fit into 32 bits"),
        ({"id": 2}, "its quota id 2 already counts maria"),
        ({"name": "maria", "id": 9}, "is already counted under the quota id 2, not 9"),
    ],
)
def test_refuses_with_a_sentence(memory: Any, change: dict[str, Any], sentence: str, check: bool) -> None:
    run(memory, wanted("maria", 2))
    tenant = wanted("hans", 1) | change
    assert errors(memory, tenant, check=check) == {tenant["name"]: sentence}
    assert list(memory.states) == ["maria"]
    assert read_register(memory.root) == {2: "maria"}


@given(st.integers(), st.integers(), st.text(max_size=40), st.text(max_size=20))
def test_any_values_are_a_tenant_or_a_sentence(number: int, uid: int, name: str, limit: str) -> None:
    values = {"name": name, "id": number, "uid": uid, "gid": 1, "limit": limit}
    try:
        tenant = parse_tenant(values)
    except QuotaError as error:
        assert str(error).startswith("the ")
    else:
        assert 0 < tenant.id < 2**32 - 1 > tenant.uid > 0 < tenant.limit
        assert Path("/instances", tenant.name).name == tenant.name


def test_the_largest_id_is_taken(memory: Any) -> None:
    assert run(memory, wanted("hans", 1) | {"id": 2**32 - 2})["hans"].changed


@pytest.mark.parametrize(("key", "other"), [("id", {"name": "maria"}), ("name", {"id": 2})])
def test_refuses_all_that_share_a_name_or_an_id(memory: Any, key: str, other: dict[str, Any]) -> None:
    hans = wanted("hans", 1)
    outcomes = converge(memory, [hans, hans | other, wanted("peter", 3)], QuotaPolicy(), False)
    assert [outcome.error for outcome in outcomes] == [f"the {key} {hans[key]} was given to 2 tenants"] * 2 + [""]
    assert list(memory.states) == ["peter"]


@pytest.mark.parametrize("check", [True, False])
def test_a_limit_below_what_is_used_is_refused_unless_forced(memory: Any, check: bool) -> None:
    run(memory, wanted("hans", 1))
    memory.states["hans"] = replace(memory.states["hans"], usage=Usage(60 * GIB))
    sentence = "60G are in use, more than the new limit of 50G; nothing was changed"
    assert errors(memory, wanted("hans", 1, "50G"), check=check) == {"hans": sentence}
    assert memory.states["hans"].limit == 100 * GIB
    assert run(memory, wanted("hans", 1, "50G"), check=check, force=True)["hans"].changes() == ["limit 100G -> 50G"]
    assert memory.states["hans"].limit == (100 if check else 50) * GIB


def test_a_limit_that_was_forced_is_no_error_afterwards(memory: Any) -> None:
    run(memory, wanted("hans", 1))
    memory.states["hans"] = replace(memory.states["hans"], usage=Usage(60 * GIB))
    run(memory, wanted("hans", 1, "50G"), force=True)
    outcome = run(memory, wanted("hans", 1, "50G"))["hans"]
    assert (outcome.error, outcome.changed, outcome.limit) == ("", False, 50 * GIB)


def test_an_id_is_never_given_twice_even_when_its_directory_is_gone(memory: Any) -> None:
    run(memory, wanted("hans", 1))
    (memory.root / "hans" / "uploads").rmdir()
    (memory.root / "hans").rmdir()
    memory.states.clear()
    sentence = "its quota id 1 was given to hans, and an id is never given twice"
    assert errors(memory, wanted("maria", 1)) == errors(memory, wanted("maria", 1), check=True) == {"maria": sentence}
    assert run(memory, wanted("maria", 2), wanted("hans", 1))["hans"].changed
    assert read_register(memory.root) == {1: "hans", 2: "maria"}


def test_an_id_on_record_is_refused_though_nothing_counts_under_it(memory: Any) -> None:
    write_register(memory.root, {1: "hans"})
    assert "was given to hans" in errors(memory, wanted("maria", 1))["maria"]


def refused(limit: str, total: str, allowed: str = "1000G", overcommit: str = "1") -> str:
    return (
        f"with its {limit}, {total} would be promised on a pool of 1000G, of which {allowed} may be promised "
        f"(overcommit {overcommit}); nothing was changed"
    )


@pytest.mark.parametrize("check", [True, False])
def test_a_pool_is_not_promised_twice(memory: Any, check: bool) -> None:
    # One that is not in the call counts, even one that is no tenant.
    memory.states["archive"] = State(None, 600 * GIB)
    assert errors(memory, wanted("hans", 1, "400G"), check=True) == {"hans": ""}
    assert errors(memory, wanted("hans", 1, "401G"), check=check) == {"hans": refused("401G", "1001G")}
    assert list(memory.states) == ["archive"]


@pytest.mark.parametrize("check", [True, False])
def test_the_tenants_of_one_call_add_up(memory: Any, check: bool) -> None:
    tenants = [wanted("hans", 1, "400G"), wanted("maria", 2, "500G"), wanted("peter", 3, "200G"), wanted("anna", 4)]
    assert errors(memory, *tenants, check=check) == {
        "hans": "",
        "maria": "",
        "peter": refused("200G", "1.1T"),
        "anna": "",
    }


@pytest.mark.parametrize("check", [True, False])
def test_where_too_much_is_promised_already_only_growth_is_refused(memory: Any, check: bool) -> None:
    tenants = [wanted("hans", 1, "500G"), wanted("maria", 2, "500G"), wanted("peter", 3, "500G")]
    assert not any(errors(memory, *tenants, overcommit=1.5).values())
    change = [wanted("hans", 1, "500G"), wanted("maria", 2, "490G"), wanted("peter", 3, "510G")]
    outcomes = run(memory, *change, check=check)
    assert outcomes["hans"].changes() == []
    assert outcomes["maria"].changes() == ["limit 500G -> 490G"]
    assert outcomes["peter"].error == refused("510G", "1.5T")
    assert outcomes["hans"].error == outcomes["maria"].error == ""


def test_as_much_may_be_promised_as_the_operator_allows(memory: Any) -> None:
    assert errors(memory, wanted("hans", 1, "1500G"), overcommit=1.5) == {"hans": ""}
    sentence = refused("1T", "2.5T", "1.5T", "1.5")
    assert errors(memory, wanted("maria", 2, "1T"), overcommit=1.5) == {"maria": sentence}
    assert errors(memory, wanted("maria", 2, "1T"), overcommit=3) == {"maria": ""}


def test_a_limit_where_none_was_is_growth(memory: Any) -> None:
    memory.states |= {"hans": State(1, None), "maria": State(2, 1000 * GIB)}
    assert errors(memory, wanted("hans", 1)) == {"hans": refused("100G", "1.1T")}


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_refuses_an_overcommit_that_is_no_factor(value: float) -> None:
    with pytest.raises(QuotaError, match=f"the overcommit is {value:g}; it must be more than 0"):
        QuotaPolicy(overcommit=value)


@pytest.mark.parametrize("name", ["../backups", "/etc", "a/b", "..", ".", "", "back ups", "backups\n"])
def test_refuses_a_mount_point_that_leads_elsewhere(name: str) -> None:
    with pytest.raises(QuotaError, match="must be the plain name of one directory, such as backups"):
        QuotaPolicy(mount_points=(name,))
