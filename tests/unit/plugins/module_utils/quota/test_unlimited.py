"""A disk whose operator wants no quotas: directories like those of the others, and nothing is promised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.converge import QuotaOutcome, converge
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.rules import QuotaPolicy
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.trash import Order, trash
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.unlimited import Unlimited

HANS = {"name": "hans", "id": 1, "uid": 200001, "gid": 200000, "limit": "100000T", "inodes": 10}
WHEN = {"name": "hans", "id": 1, "when": "2026-11-23T16:57:05Z"}


@pytest.fixture
def disk(tmp_path: Path, owners: Any) -> Unlimited:
    (tmp_path / "disk").mkdir()
    return Unlimited(Mount(str(tmp_path / "disk"), "ext4", "/dev/sdb", "/", frozenset()), lambda _: Completed(0))


def run(disk: Unlimited, check: bool = False) -> QuotaOutcome:
    (outcome,) = converge(disk, [HANS], QuotaPolicy(uploads=False), check)
    return outcome


def test_it_makes_a_directory_and_says_that_it_has_no_limit(disk: Unlimited) -> None:
    assert run(disk, check=True).changes() == ["new, without a limit"]
    assert not (disk.root / "hans").exists()
    outcome = run(disk)
    assert (outcome.error, outcome.limit, outcome.changes()) == ("", None, ["new, without a limit"])
    assert (disk.root / "hans").is_dir()
    assert not run(disk).changed


def test_it_is_deleted_restored_and_removed(disk: Unlimited) -> None:
    run(disk)
    (disk.root / "hans" / "database").mkdir()
    for state, left in (("trashed", False), ("restored", True), ("trashed", False), ("purged", False)):
        (moved,) = trash(disk, Order(state), [WHEN], [], False)
        assert (moved.error, moved.changed) == ("", True)
        assert (disk.root / "hans" / "database").exists() is left
    assert list((disk.root / ".trash").iterdir()) == []
