from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaTenant, State, Survey, Usage
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.converge import QuotaOutcome, converge
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.id_registry import FILE
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.manual import Manual
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.rules import QuotaPolicy
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.trash import Order, trash
from hypothesis import given
from hypothesis import strategies as st

GIB = 2**30
BLOCK = 2**20
HANS = {"name": "hans", "id": 1, "uid": 200001, "gid": 200001, "limit": "100G"}
MARIA = {"name": "maria", "id": 2, "uid": 200002, "gid": 200002, "limit": "500G"}


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, tuple[float, float]]:
    """Size and use, in GiB, that statvfs tells of each directory of the appliance; without a quota, the pool's."""
    table: dict[str, tuple[float, float]] = {"nas": (1000, 300)}

    def statvfs(path: Path) -> SimpleNamespace:
        size, used = (int(gib * GIB) // BLOCK for gib in table.get(Path(path).name, table["nas"]))
        return SimpleNamespace(f_frsize=BLOCK, f_blocks=size, f_bfree=size - used, f_files=1000, f_ffree=993)

    monkeypatch.setattr(os, "statvfs", statvfs)
    return table


@pytest.fixture
def manual(tmp_path: Path, sizes: dict[str, tuple[float, float]], owners: Any) -> Manual:
    (tmp_path / "nas").mkdir()

    def nothing_is_run(argv: Any) -> Any:
        raise AssertionError(argv)

    return Manual(Mount(str(tmp_path / "nas"), "nfs4", "nas:/instances", "/", frozenset({"rw"})), nothing_is_run)


@pytest.fixture
def give(manual: Manual, sizes: dict[str, tuple[float, float]]) -> Callable[..., None]:
    """Make a directory with a quota, as somebody does on the appliance."""

    def make(name: str, size: float, used: float = 0) -> None:
        (manual.root / name).mkdir(exist_ok=True)
        sizes[name] = size, used

    return make


def run(manual: Manual, *tenants: dict[str, Any], check: bool = False) -> list[QuotaOutcome]:
    return converge(manual, tenants, QuotaPolicy(), check)


def test_reads_size_and_use_of_each_directory(manual: Manual, give: Callable[..., None]) -> None:
    give("hans", 100, 40)
    (manual.root / "file").touch()
    (manual.root / "link").symlink_to("/etc")
    manual.check()
    assert manual.read() == Survey({"hans": State(None, 100 * GIB, Usage(40 * GIB, 7))}, {})
    assert manual.pool() == 1000 * GIB


def test_a_file_system_that_counts_no_inodes_has_none(manual: Manual, monkeypatch: pytest.MonkeyPatch) -> None:
    (manual.root / "hans").mkdir()
    status = SimpleNamespace(f_frsize=4096, f_blocks=10, f_bfree=4, f_files=0, f_ffree=0)
    monkeypatch.setattr(os, "statvfs", lambda _: status)
    assert manual.read().directories["hans"] == State(None, 40960, Usage(24576, None))


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("size", [98, 99.9, 100, 100.1, 102])
def test_what_was_promised_is_there(manual: Manual, give: Callable[..., None], size: float, check: bool) -> None:
    give("hans", size)
    (outcome,) = run(manual, HANS, check=check)
    assert outcome.error == ""
    assert outcome.limit == 100 * GIB
    assert not any(change.startswith("limit") for change in outcome.changes())
    assert not (manual.root / FILE).exists()
    assert (manual.root / "hans" / "uploads").exists() is not check


def test_a_second_run_changes_nothing(manual: Manual, give: Callable[..., None]) -> None:
    give("hans", 99)
    assert run(manual, HANS)[0].changed
    assert [(outcome.changed, outcome.error) for outcome in run(manual, HANS)] == [(False, "")]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(("size", "found"), [(97, "97G"), (103, "103G"), (50.5, "50.5G"), (0, "0B")])
def test_too_little_and_too_much_are_refused(
    manual: Manual, give: Callable[..., None], size: float, found: str, check: bool
) -> None:
    give("hans", size)
    (outcome,) = run(manual, HANS, check=check)
    path = manual.root / "hans"
    assert outcome.error == (
        f"{path} has room for {found} and not for 100G; set its quota on the appliance, and run this again"
    )
    assert list(path.iterdir()) == []


@pytest.mark.parametrize("check", [True, False])
def test_what_is_missing_is_refused_and_the_others_are_served(
    manual: Manual, give: Callable[..., None], check: bool
) -> None:
    give("maria", 500)
    hans, maria = run(manual, HANS, MARIA, check=check)
    path = manual.root / "hans"
    assert hans.error == f"{path} is missing; create it on the appliance, with a quota of 100G, and run this again"
    assert maria.changed
    assert not path.exists()


def test_a_directory_without_a_quota_has_the_size_of_the_pool(manual: Manual) -> None:
    (manual.root / "hans").mkdir()
    assert "has room for 1000G and not for 100G" in run(manual, HANS)[0].error


def test_the_appliance_may_promise_what_it_likes(manual: Manual, give: Callable[..., None]) -> None:
    # What is there is not growth, even where it is a little less than the promise and more than the pool.
    give("hans", 99)
    give("maria", 495)
    give("archive", 900)
    (manual.root / "lost+found").mkdir()
    assert [outcome.error for outcome in run(manual, HANS, MARIA)] == ["", ""]


def test_applies_nothing(manual: Manual) -> None:
    manual.apply(QuotaTenant("hans", 1, 200001, 200001, 100 * GIB), Survey({}, {}))
    assert list(manual.root.iterdir()) == []


@given(st.integers(0, 2**60), st.integers(1, 2**60))
def test_grants_what_is_within_two_percent_and_nothing_else(found: int, limit: int) -> None:
    backend = Manual(Mount("/nas", "nfs4", "nas:/", "/", frozenset()), lambda _: pytest.fail("nothing is run"))
    assert backend.grants(limit, limit)
    assert not backend.grants(None, limit)
    thousandths = 1000 * abs(found - limit) / limit
    if not 19.9 < thousandths < 20.1:
        assert backend.grants(found, limit) is (thousandths < 20)


PLACE = ".trash/20261123T165705Z-hans-1"


def step(manual: Manual, state: str, check: bool = False, mounted: str = "") -> Any:
    mounts = [Mount(str(manual.root / mounted), "nfs4", "nas:/hans", "/", frozenset())] if mounted else []
    (moved,) = trash(manual, Order(state), [{"name": "hans", "id": 1, "when": "2026-11-23T16:57:05Z"}], mounts, check)
    return moved


def test_a_plain_directory_is_deleted_restored_and_removed(manual: Manual, give: Callable[..., None]) -> None:
    give("hans", 100, 5)
    (manual.root / "hans" / "photo").touch()
    gone = step(manual, "trashed")
    assert (gone.error, gone.files, gone.limit) == ("", 2, 100 * GIB)
    assert (manual.root / PLACE / "photo").exists()
    assert "restore it first" in run(manual, HANS)[0].error
    assert step(manual, "restored").changed
    assert not step(manual, "restored").changed
    assert step(manual, "trashed").changed
    # A new tenant of the same name is none of its business.
    give("hans", 100)
    assert not step(manual, "trashed").changed
    assert step(manual, "purged").changed
    assert not step(manual, "purged").changed
    assert sorted(path.name for path in manual.root.iterdir()) == [".trash", "hans"]
    assert list((manual.root / ".trash").iterdir()) == []


@pytest.mark.parametrize("check", [True, False])
def test_a_share_of_its_own_is_for_the_appliance(manual: Manual, give: Callable[..., None], check: bool) -> None:
    give("hans", 100, 5)
    hans, place = manual.root / "hans", manual.root / PLACE
    step_there = "on the appliance, and run this again"
    share = "is a share of its own"
    assert step(manual, "trashed", check, "hans").error == f"{hans} {share}; rename it to {place} {step_there}"
    # Somebody does so.
    (manual.root / ".trash").mkdir()
    hans.rename(place)
    done = step(manual, "trashed", check, PLACE)
    assert (done.error, done.changed, done.after) == ("", False, str(place))
    assert step(manual, "restored", check, PLACE).error == f"{place} {share}; rename it to {hans} {step_there}"
    assert step(manual, "purged", check, PLACE).error == f"{place} {share}; remove it {step_there}"
    place.rmdir()
    assert step(manual, "purged", check).error == ""


def test_a_share_is_known_by_its_file_system_too(
    manual: Manual, give: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    give("hans", 100)
    found = Path.stat

    def stat(path: Path, **options: Any) -> Any:
        status = found(path, **options)
        return SimpleNamespace(st_dev=-1) if path == manual.root / "hans" and options else status

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", stat)
        assert "is a share of its own" in step(manual, "trashed").error
    assert step(manual, "trashed").changed
