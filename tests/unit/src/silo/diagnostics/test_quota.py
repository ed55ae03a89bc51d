"""The hard limit of a tenant's storage, as the NAS has it."""

import pytest

from silo.capacity import GIB
from silo.diagnostics import quota

FACTS = {"quota_bytes": 100 * GIB, "index": 1}
FOUND = {"limit": 100 * GIB, "id": 1, "problem": ""}


def test_a_limit_that_holds():
    check = quota.compare_limit("hans", FACTS, "btrfs", FOUND)
    assert (check.ok, check.subject, check.seen) == (True, "hans", "100 GiB, counted under 1")


@pytest.mark.parametrize(
    ("found", "seen"),
    [
        (None, "no directory on the NAS"),
        (FOUND | {"limit": None}, "no limit"),
        (FOUND | {"limit": 101 * GIB}, "101 GiB, counted under 1"),
        (FOUND | {"id": 2}, "100 GiB, counted under 2"),
        (FOUND | {"problem": "is a plain directory", "limit": None}, "no limit holds: it is a plain directory"),
    ],
)
def test_a_limit_that_does_not(found, seen):
    check = quota.compare_limit("hans", FACTS, "btrfs", found)
    assert (check.ok, check.seen) == (False, seen)


@pytest.mark.parametrize(("limit", "ok"), [(99 * GIB, True), (101 * GIB, True), (90 * GIB, False)])
def test_an_appliance_rounds(limit, ok):
    assert quota.compare_limit("hans", FACTS, "manual", {"limit": limit, "id": None, "problem": ""}).ok is ok
