"""What the registry makes of a function."""

import dataclasses

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.finding import Finding, none_of, same
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.registry import BOTH, Registry


@dataclasses.dataclass
class Machine:
    name: str = "silo1"
    fix: str = "start it"


def registered(function, **options):
    return Registry().check("engine", scope="server", **options)(function)


def test_a_finding_is_completed_with_id_subject_and_fix():
    (found,) = registered(lambda _subject: same("off", "on"))(Machine())
    assert found == Finding("engine", "silo1", "wrong", "off; expected: on", "start it", "on", "off")
    (found,) = registered(lambda _subject: same("on", "on"))(Machine())
    assert found == Finding("engine", "silo1", "ok", "on", "", "on", "on")


def test_what_a_finding_says_of_itself_stays():
    own = Finding("", "hans", "warning", "it is slow", "wait")
    assert registered(lambda _subject: [own], fix="stop it")(Machine()) == [dataclasses.replace(own, id="engine")]


def test_the_fix_of_a_check_counts_more_than_that_of_its_subject():
    (found,) = registered(lambda _subject: same("off", "on"), fix="turn it on")(Machine())
    assert found.fix == "turn it on"


def test_a_check_that_does_not_apply():
    assert registered(lambda _subject: None)(Machine()) == []


def test_an_id_is_taken_once_in_each_selection():
    registry = Registry()
    registry.check("quota", scope="nas")(lambda _subject: None)
    registry.check("quota", scope="nas", selections=("preflight",))(lambda _subject: None)
    registry.check("quota", scope="tenant")(lambda _subject: None)
    with pytest.raises(ValueError, match="two checks quota of scope nas"):
        registry.check("quota", scope="nas", selections=BOTH)(lambda _subject: None)
    assert [len(list(registry.of(one, "nas"))) for one in BOTH] == [1, 1]


def test_a_finding_goes_there_and_back():
    found = Finding("memory", "hans/server", "wrong", "2G", "run 'silo apply hans'", "1G", "2G")
    assert Finding.from_dict(found.as_dict()) == found


def test_a_long_list_is_cut():
    assert none_of(map(str, range(7)), "none", "none").seen == "0, 1, 2, 3, 4 and 2 more"
