from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.quota import converge as module
from ansible_collections.swissphoto.silo.plugins.module_utils.quota import id_registry
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError, QuotaTenant, State, Survey
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.converge import QuotaOutcome, converge
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.folder import Folder
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.id_registry import only_one, read_register
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.rules import QuotaPolicy

GIB = 2**30
BACKUPS = QuotaPolicy(mount_points=("backups",))


def wanted(name: str, number: int, limit: str | int = "100G") -> dict[str, Any]:
    return {"name": name, "id": number, "uid": 200000 + number, "gid": 200000 + number, "limit": str(limit)}


def run(
    backend: Any, *tenants: Mapping[str, Any], check: bool = False, policy: QuotaPolicy = BACKUPS
) -> dict[str, QuotaOutcome]:
    return {outcome.name: outcome for outcome in converge(backend, tenants, policy, check)}


def test_a_new_tenant_has_directories_and_a_limit(memory: Any) -> None:
    outcome = run(memory, wanted("hans", 1))["hans"]
    assert outcome.changes() == ["new, with a limit of 100G"]
    hans = memory.root / "hans"
    assert module.read_folder(hans) == Folder(0, 0, 0o711)
    assert module.read_folder(hans / "uploads") == Folder(200001, 200001, 0o710)
    assert module.read_folder(hans / "uploads" / "backups") == Folder(200001, 200001, 0o700)
    assert memory.states["hans"] == State(1, 100 * GIB)
    assert read_register(memory.root) == {1: "hans"}


def test_a_disk_has_no_uploads(memory: Any) -> None:
    policy = QuotaPolicy(uploads=False)
    assert run(memory, wanted("hans", 1), policy=policy)["hans"].changes() == ["new, with a limit of 100G"]
    assert module.read_folder(memory.root / "hans") == Folder(0, 0, 0o711)
    assert list((memory.root / "hans").iterdir()) == []
    assert not run(memory, wanted("hans", 1), policy=policy)["hans"].changed


def test_mount_points_need_uploads() -> None:
    with pytest.raises(QuotaError, match="mount_points are directories in uploads, and uploads is off"):
        QuotaPolicy(mount_points=("backups",), uploads=False)


def test_inodes_are_nothing_to_a_file_system_that_does_not_limit_them(memory: Any) -> None:
    hans = wanted("hans", 1) | {"inodes": 1000}
    outcome = run(memory, hans)["hans"]
    assert (outcome.error, outcome.inodes) == ("", None)
    assert not run(memory, hans)["hans"].changed


def test_check_mode_says_the_same_and_does_nothing(memory: Any) -> None:
    outcome = run(memory, wanted("hans", 1), check=True)["hans"]
    assert outcome.changes() == ["new, with a limit of 100G"]
    assert list(memory.root.iterdir()) == []


def test_nothing_to_do_is_one_reading(memory: Any) -> None:
    tenants = [wanted(f"tenant{number}", number, "10G") for number in range(1, 11)]
    assert all(outcome.changed for outcome in run(memory, *tenants).values())
    memory.reads = 0
    again = run(memory, *tenants)
    assert [(outcome.changed, outcome.error) for outcome in again.values()] == [(False, "")] * 10
    assert memory.reads == 1


def test_a_new_limit_is_shown_before_and_after(memory: Any) -> None:
    run(memory, wanted("hans", 1))
    assert run(memory, wanted("hans", 1, "200G"), check=True)["hans"].changes() == ["limit 100G -> 200G"]
    difference = run(memory, wanted("hans", 1, 100 * GIB + 1), check=True)["hans"].changes()
    assert difference == ["limit 100G -> 100.0G (107374182401 bytes)"]


def test_a_tenant_of_before_the_register_is_put_on_record(memory: Any) -> None:
    run(memory, wanted("hans", 1))
    (memory.root / id_registry.FILE).unlink()
    assert run(memory, wanted("hans", 1))["hans"].changes() == ["quota id 1, not on record -> 1"]
    assert read_register(memory.root) == {1: "hans"}
    assert not run(memory, wanted("hans", 1))["hans"].changed


def test_a_mount_point_is_made_once_and_never_touched_again(memory: Any, owners: dict[int, tuple[int, int]]) -> None:
    run(memory, wanted("hans", 1), policy=QuotaPolicy())
    backups = memory.root / "hans" / "uploads" / "backups"
    for check in (True, False):
        assert run(memory, wanted("hans", 1), check=check)["hans"].changes() == ["backups none -> there"]
    # What is mounted on it has an owner and a mode of its own.
    backups.chmod(0o755)
    owners[backups.stat().st_ino] = 0, 0
    assert not run(memory, wanted("hans", 1))["hans"].changed
    assert run(memory, wanted("hans", 1, "200G"))["hans"].changed
    assert module.read_folder(backups) == Folder(0, 0, 0o755)


def test_a_run_that_was_cut_off_after_the_quota_is_completed(memory: Any) -> None:
    memory.apply(QuotaTenant("hans", 1, 200001, 200001, 100 * GIB), Survey({}, {}))
    changes = run(memory, wanted("hans", 1))["hans"].changes()
    assert "uploads none -> 200001:200001 0710" in changes
    assert not run(memory, wanted("hans", 1))["hans"].changed


@pytest.mark.parametrize("place", ["hans", "hans/uploads", "hans/uploads/backups"])
def test_a_symbolic_link_is_refused_and_never_followed(memory: Any, tmp_path: Path, place: str) -> None:
    run(memory, wanted("hans", 1))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    path = memory.root / place
    path.rename(tmp_path / "before")
    path.symlink_to(elsewhere)
    outcomes = run(memory, wanted("hans", 1, "200G"), wanted("maria", 2))
    assert outcomes["hans"].error == f"{path} is a symbolic link"
    assert outcomes["maria"].changed
    assert memory.states["hans"].limit == 100 * GIB
    assert list(elsewhere.iterdir()) == []


def test_a_file_in_place_of_a_directory_is_refused(memory: Any) -> None:
    (memory.root / "maria").touch()
    assert run(memory, wanted("maria", 2))["maria"].error.endswith("maria is not a directory")


def test_one_that_is_refused_does_not_hold_up_the_others(memory: Any) -> None:
    outcomes = run(memory, wanted("hans", 1) | {"limit": "lots"}, wanted("peter", 3))
    assert "the limit 'lots' is not a size" in outcomes["hans"].error
    assert not outcomes["hans"].changed
    assert outcomes["peter"].changed
    assert list(memory.states) == ["peter"]


def test_a_command_that_fails_is_one_tenants_failure(memory: Any) -> None:
    memory.broken = "hans"
    outcomes = run(memory, wanted("hans", 1), wanted("maria", 2))
    assert outcomes["hans"].error == "'btrfs subvolume create' failed (code 1): ERROR: no space left"
    assert outcomes["hans"].result()["failed"]
    assert outcomes["maria"].changed


def test_the_id_of_a_run_that_failed_is_kept_for_the_same_name(memory: Any) -> None:
    memory.broken = "hans"
    run(memory, wanted("hans", 1))
    assert "quota id 1 was given to hans" in run(memory, wanted("maria", 1))["maria"].error
    memory.broken = ""
    assert run(memory, wanted("hans", 1))["hans"].changed


def test_an_id_is_not_in_use_before_it_is_on_record(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(root: Path, owners: Mapping[int, str]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_register", full)
    assert "No space left" in run(memory, wanted("hans", 1))["hans"].error
    assert memory.states == {}


@pytest.mark.parametrize("state", [State(1, None), State(1, GIB), State(1, 100 * GIB, uncounted=("0/260",))])
def test_a_limit_that_did_not_take_is_an_error(memory: Any, monkeypatch: pytest.MonkeyPatch, state: State) -> None:
    def forget(tenant: QuotaTenant, survey: Survey) -> None:
        (memory.root / tenant.name).mkdir()
        memory.states[tenant.name] = state

    monkeypatch.setattr(memory, "apply", forget)
    assert "not there when read again" in run(memory, wanted("hans", 1))["hans"].error


def test_what_cannot_be_limited_after_all_says_why(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def astray(tenant: QuotaTenant, survey: Survey) -> None:
        memory.states[tenant.name] = State(tenant.id, tenant.limit, problem="its dataset is not mounted")

    monkeypatch.setattr(memory, "apply", astray)
    assert run(memory, wanted("hans", 1))["hans"].error == "its dataset is not mounted"


def test_the_use_is_the_one_after_the_change(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = memory.apply

    def fill(tenant: QuotaTenant, survey: Survey) -> None:
        apply(tenant, survey)
        state = memory.states[tenant.name]
        memory.states[tenant.name] = replace(state, usage=replace(state.usage, bytes=16384, inodes=3))

    monkeypatch.setattr(memory, "apply", fill)
    result = run(memory, wanted("hans", 1))["hans"].result()
    assert (result["used"], result["inodes"], result["limit"]) == (16384, 3, 100 * GIB)
    assert result["found"] == {"id": 1, "limit": 100 * GIB, "inode_limit": None, "problem": ""}
    assert run(memory, wanted("hans", 1))["hans"].result()["found"] is None


def test_another_run_is_waited_for_and_then_named(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "only_one", lambda root: only_one(root, 0.3))
    with only_one(memory.root):
        with pytest.raises(QuotaError, match=r"another run is changing quotas below .*nas, and did not end within 0 s"):
            run(memory, wanted("hans", 1))
        assert run(memory, wanted("hans", 1), check=True)["hans"].changed
    assert memory.states == {}
    assert run(memory, wanted("hans", 1))["hans"].changed


def test_the_root_is_free_again_after_a_run_that_failed(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def hang_up() -> Survey:
        raise QuotaError("the quotas cannot be read")

    with monkeypatch.context() as broken, pytest.raises(QuotaError):
        broken.setattr(memory, "read", hang_up)
        run(memory, wanted("hans", 1))
    with only_one(memory.root, 0):
        assert list(memory.root.iterdir()) == []
