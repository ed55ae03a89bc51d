from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.seccomp import (
    BITS,
    ESCAPES,
    ProfileError,
    complement,
    narrow,
)
from hypothesis import given
from hypothesis import strategies as st

DENIED = sorted(ESCAPES.values())
PAIRS = list(complement(DENIED))
NUMBERS = st.integers(0, 2**BITS - 1)


def matches(number: int, pairs: list[tuple[int, int]]) -> int:
    """How many pairs a filter with SCMP_CMP_MASKED_EQ finds true, for a request as the kernel's filter sees it."""
    return sum(number & mask == value for mask, value in pairs)


def profile(**changes: Any) -> dict[str, Any]:
    """A profile in the form in which containerd tells it, of much fewer calls."""
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "syscalls": [
            {"names": ["accept", "ioctl", "write"], "action": "SCMP_ACT_ALLOW"},
            {
                "names": ["personality"],
                "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}],
            },
        ],
        **changes,
    }


@pytest.mark.parametrize("number", DENIED)
def test_what_is_denied_matches_nothing_and_its_neighbours_one(number: int) -> None:
    assert matches(number, PAIRS) == 0
    near = {number ^ 1 << bit for bit in range(BITS)} | {number - 1, number + 1}
    assert {matches(other, PAIRS) for other in near - set(DENIED)} == {1}


@given(NUMBERS)
def test_every_other_number_matches_exactly_one_pair(number: int) -> None:
    assert matches(number, PAIRS) == (0 if number in DENIED else 1)


@given(st.sampled_from(DENIED), st.integers(1, 2**32 - 1))
def test_a_higher_bit_does_not_hide_what_is_denied(number: int, high: int) -> None:
    assert matches(high << BITS | number, PAIRS) == 0


@given(st.frozensets(st.integers(0, 255), max_size=20))
def test_small_numbers_are_all_tried(denied: frozenset[int]) -> None:
    pairs = list(complement(denied, bits=8))
    assert {number for number in range(256) if matches(number, pairs) == 0} == denied
    assert all(matches(number, pairs) <= 1 for number in range(256))


def test_all_else_is_as_the_engine_has_it() -> None:
    narrowed = narrow(profile())
    assert narrowed["syscalls"][0] == {"names": ["accept", "write"], "action": "SCMP_ACT_ALLOW"}
    assert narrowed["syscalls"][1] == profile()["syscalls"][1]
    assert {key: narrowed[key] for key in ("defaultAction", "defaultErrnoRet", "architectures")} == {
        key: profile()[key] for key in ("defaultAction", "defaultErrnoRet", "architectures")
    }
    rules = narrowed["syscalls"][2:]
    assert [(rule["args"][0]["value"], rule["args"][0]["valueTwo"]) for rule in rules] == PAIRS
    assert {(rule["names"][0], rule["args"][0]["index"], rule["args"][0]["op"]) for rule in rules} == {
        ("ioctl", 1, "SCMP_CMP_MASKED_EQ")
    }
    assert json.loads(json.dumps(narrowed)) == narrowed


def test_a_call_that_does_the_same_by_another_name_is_closed_too() -> None:
    allowed = [
        {"names": ["file_setattr", "read"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["file_setattr"], "action": "SCMP_ACT_ALLOW"},
    ]
    rules = narrow(profile(syscalls=[*profile()["syscalls"], *allowed]))["syscalls"]
    assert {"names": ["read"], "action": "SCMP_ACT_ALLOW"} in rules
    assert not any("file_setattr" in rule["names"] or not rule["names"] for rule in rules)


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        ({}, "its default action is None"),
        (profile(defaultAction="SCMP_ACT_ALLOW"), "its default action is 'SCMP_ACT_ALLOW'"),
        (profile(syscalls=[]), "no single rule that allows ioctl"),
        (profile(syscalls=None), "no single rule that allows ioctl"),
        (profile(syscalls=[*profile()["syscalls"], profile()["syscalls"][0]]), "no single rule that allows ioctl"),
        (profile(syscalls=[{"names": ["ioctl"], "action": "SCMP_ACT_LOG"}]), "no single rule that allows ioctl"),
    ],
)
def test_a_profile_that_cannot_be_narrowed_is_refused(broken: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ProfileError, match=sentence):
        narrow(broken)


def test_the_profile_of_the_engine_is_not_changed_in_place() -> None:
    original = profile()
    narrow(original)
    assert original == profile()
