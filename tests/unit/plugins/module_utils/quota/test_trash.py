from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota import trash as module
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError, State, Usage
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.converge import converge
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.folder import Folder, read_folder
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.id_registry import (
    FILE,
    only_one,
    read_register,
    write_register,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.rules import QuotaPolicy
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.trash import Moved, Order, trash
from hypothesis import given
from hypothesis import strategies as st

GIB = 2**30
WHEN = "2026-11-23T16:57:05+00:00"
STEPS = ["trashed", "restored", "purged"]


def wanted(name: str, number: int, limit: str = "100G") -> dict[str, Any]:
    return {"name": name, "id": number, "uid": 200000 + number, "gid": 200000 + number, "limit": limit}


def deleted(name: str, number: int, when: str = WHEN) -> dict[str, Any]:
    return {"name": name, "id": number, "when": when}


def place(name: str, number: int) -> str:
    return f".trash/20261123T165705Z-{name}-{number}"


def run(
    backend: Any, state: str, *tenants: dict[str, Any], check: bool = False, purges: int = 3, mounts: Any = ()
) -> list[Moved]:
    return trash(backend, Order(state, purges), tenants, mounts, check)


@pytest.fixture
def nas(memory: Any) -> Any:
    """hans and maria, with a photo each."""
    converge(memory, [wanted("hans", 1), wanted("maria", 2)], QuotaPolicy(), False)
    for name in ("hans", "maria"):
        (memory.root / name / "uploads" / "photo").write_text(name, encoding="ascii")
        memory.states[name] = replace(memory.states[name], usage=Usage(5 * GIB))
    return memory


def error(moved: list[Moved]) -> str:
    return moved[0].error


def test_goes_to_the_trash_and_comes_back(nas: Any) -> None:
    (gone,) = run(nas, "trashed", deleted("hans", 1))
    path = nas.root / place("hans", 1)
    assert gone.result() == {
        **deleted("hans", 1),
        "path": str(path),
        # The directory, its uploads and the photo.
        "files": 3,
        "bytes": 5 * GIB,
        "limit": 100 * GIB,
        "changed": True,
        "changes": [f"{nas.root / 'hans'} -> {path}"],
        "failed": False,
    }
    assert (path / "uploads" / "photo").read_text(encoding="ascii") == "hans"
    assert module.read_folder(nas.root / ".trash") == Folder(0, 0, 0o700)
    assert not run(nas, "trashed", deleted("hans", 1))[0].changed
    (back,) = run(nas, "restored", deleted("hans", 1))
    assert back.changes() == [f"{path} -> {nas.root / 'hans'}"]
    assert (nas.root / "hans" / "uploads" / "photo").read_text(encoding="ascii") == "hans"
    assert not run(nas, "restored", deleted("hans", 1))[0].changed
    assert nas.states["hans"] == State(1, 100 * GIB, Usage(5 * GIB))


@pytest.mark.parametrize("state", STEPS)
def test_check_mode_says_the_same_and_does_nothing(nas: Any, state: str) -> None:
    if state != "trashed":
        run(nas, "trashed", deleted("hans", 1))
    before = sorted(nas.root.rglob("*"))
    (planned,) = run(nas, state, deleted("hans", 1), check=True)
    assert planned.changed
    assert sorted(nas.root.rglob("*")) == before
    assert run(nas, state, deleted("hans", 1)) == [planned]


def test_a_trash_that_others_could_enter_is_closed_again(nas: Any) -> None:
    (nas.root / ".trash").mkdir(mode=0o755)
    run(nas, "trashed", deleted("hans", 1))
    assert (nas.root / ".trash").stat().st_mode & 0o777 == 0o700


def test_a_tenant_without_a_directory_is_no_error(nas: Any) -> None:
    for state in ("trashed", "purged"):
        (nothing,) = run(nas, state, deleted("peter", 9))
        assert (nothing.result()["path"], nothing.files, nothing.changed, nothing.error) == ("", None, False, "")
    assert error(run(nas, "restored", deleted("peter", 9))) == (
        f"{nas.root / place('peter', 9)} does not exist, so nothing can be restored"
    )


def test_a_purge_removes_all_but_the_record_of_the_id(nas: Any) -> None:
    run(nas, "trashed", deleted("hans", 1))
    (gone,) = run(nas, "purged", deleted("hans", 1))
    assert gone.changes() == [f"{nas.root / place('hans', 1)} -> removed for good"]
    assert list((nas.root / ".trash").iterdir()) == []
    assert nas.left == []
    assert read_register(nas.root) == {1: "hans", 2: "maria"}
    assert not run(nas, "purged", deleted("hans", 1))[0].changed
    assert (nas.root / "maria" / "uploads" / "photo").exists()


@pytest.mark.parametrize("step", ["move", "remove", "forget"])
@pytest.mark.parametrize("is_done", [False, True])
def test_a_purge_that_was_cut_off_is_completed(
    nas: Any, monkeypatch: pytest.MonkeyPatch, step: str, is_done: bool
) -> None:
    run(nas, "trashed", deleted("hans", 1))
    does = getattr(nas, step)

    def die(*arguments: Any) -> None:
        if is_done:
            does(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(nas, step, die)
        run(nas, "purged", deleted("hans", 1))
    complete = run(nas, "purged", deleted("hans", 1))
    assert [(moved.error, moved.changed) for moved in complete] == [("", not (step == "forget" and is_done))]
    assert list((nas.root / ".trash").iterdir()) == []
    assert nas.left == []


@pytest.mark.parametrize("state", ["trashed", "restored"])
def test_what_is_half_removed_is_never_given_back(nas: Any, state: str) -> None:
    run(nas, "trashed", deleted("hans", 1))
    nas.move(place("hans", 1), f"{place('hans', 1)}.purging")
    path = nas.root / f"{place('hans', 1)}.purging"
    assert error(run(nas, state, deleted("hans", 1))) == (
        f"{path} is being removed for good, and a part of it may be gone; only a purge completes it"
    )
    refused = converge(nas, [wanted("hans", 1)], QuotaPolicy(), False)[0].error
    assert refused.endswith("it is being removed for good, and an id is never given twice")
    assert error(run(nas, "purged", deleted("hans", 1))) == ""
    assert not path.exists()


def test_a_half_removed_one_beside_a_whole_one_is_looked_at_by_a_person(nas: Any) -> None:
    run(nas, "trashed", deleted("hans", 1))
    (nas.root / f"{place('hans', 1)}.purging").mkdir()
    nas.states[f"{place('hans', 1)}.purging"] = State(1, 100 * GIB)
    assert "there are both " in error(run(nas, "purged", deleted("hans", 1)))
    assert (nas.root / place("hans", 1) / "uploads" / "photo").exists()


@pytest.mark.parametrize("check", [True, False])
def test_no_more_are_purged_than_allowed_and_nothing_is_lost(nas: Any, check: bool) -> None:
    converge(nas, [wanted("peter", 3)], QuotaPolicy(), False)
    gone = [deleted("hans", 1), deleted("maria", 2), deleted("peter", 3)]
    run(nas, "trashed", *gone)
    # What is gone already, or is refused, takes no place of another's.
    asked = [deleted("nobody", 9), deleted("hans", 1, "2020-01-01T00:00:00Z") | {"id": 2}, *gone[:1], *gone[2:]]
    outcomes = run(nas, "purged", *asked, purges=1, check=check)
    assert [outcome.changed for outcome in outcomes] == [False, False, True, False]
    assert outcomes[3].error == (
        "no more than 1 are removed for good in one call (max_purges); this one stays in the trash for the next"
    )
    lying = [nas.root / place("maria", 2), nas.root / place("peter", 3)]
    assert all((path / "uploads").is_dir() for path in lying)
    assert (nas.root / place("hans", 1)).exists() == check


@pytest.mark.parametrize("purges", [0, -1])
def test_refuses_a_number_that_makes_no_sense(purges: int) -> None:
    with pytest.raises(QuotaError, match=f"max_purges is {purges}; it must be 1 or more"):
        Order("purged", purges)


@pytest.mark.parametrize("state", STEPS)
@pytest.mark.parametrize(
    ("tenant", "sentence"),
    [
        (deleted("../etc", 1), "the name must be 2 to 31 lower-case letters and digits, and begin with a letter"),
        (deleted("hans\n", 1), "the name must be 2 to 31 lower-case letters and digits, and begin with a letter"),
        (deleted("", 1), "the name must be 2 to 31 lower-case letters and digits, and begin with a letter"),
        (deleted("hans", 0), "the id is 0; it must be 1 or more, and fit into 32 bits"),
        (deleted("hans", 2**32), "the id is 4294967296; it must be 1 or more, and fit into 32 bits"),
        (
            deleted("hans", 1, "today"),
            "the time of deletion 'today' must be UTC in ISO 8601, such as 2026-11-23T16:57:05+00:00",
        ),
        (deleted("hans", 2), "the quota id 2 was given to maria; nothing was touched"),
        (deleted("maria", 1), "the quota id 1 was given to hans; nothing was touched"),
        (
            deleted("maria", 2, "2026-11-24T00:00:00+00:00"),
            "what was deleted under the id 2 is maria of 2026-11-23T16:57:05+00:00, "
            "and not maria of 2026-11-24T00:00:00+00:00; nothing was touched",
        ),
    ],
)
def test_refuses_what_does_not_match(nas: Any, state: str, tenant: dict[str, Any], sentence: str) -> None:
    run(nas, "trashed", deleted("maria", 2))
    before = sorted(nas.root.rglob("*"))
    assert error(run(nas, state, tenant)) == sentence
    assert sorted(nas.root.rglob("*")) == before


def test_a_live_directory_is_never_purged(nas: Any) -> None:
    sentence = f"{nas.root / 'hans'} is counted under the id 1, so it is not deleted; nothing was touched"
    assert error(run(nas, "purged", deleted("hans", 1))) == sentence
    # Nor what lies beside it under the same id.
    (nas.root / place("hans", 1)).mkdir(parents=True)
    nas.states[place("hans", 1)] = State(1, GIB)
    for state in ("purged", "trashed"):
        assert error(run(nas, state, deleted("hans", 1))) == sentence
    assert (nas.root / place("hans", 1)).is_dir()


@pytest.mark.parametrize(("found", "words"), [(None, "no quota id"), (7, "the quota id 7")])
def test_a_directory_of_somebody_else_stays_where_it_is(nas: Any, found: int | None, words: str) -> None:
    nas.states["hans"] = State(found, GIB)
    path = nas.root / "hans"
    assert error(run(nas, "trashed", deleted("hans", 1))) == (
        f"{path} is counted under {words}, and not under 1; nothing was touched"
    )
    nas.states["hans"] = State(1, GIB)
    run(nas, "trashed", deleted("hans", 1))
    path = nas.root / place("hans", 1)
    nas.states[place("hans", 1)] = State(found, GIB)
    for state in ("purged", "restored"):
        assert error(run(nas, state, deleted("hans", 1))) == (
            f"{path} is counted under {words}, and not under 1; nothing was touched"
        )
    assert (path / "uploads" / "photo").exists()


def test_what_holds_no_limit_is_not_taken_for_a_tenants(nas: Any) -> None:
    nas.states["hans"] = State(problem="is a plain directory and not a subvolume")
    assert error(run(nas, "trashed", deleted("hans", 1))) == "is a plain directory and not a subvolume"


def test_a_link_or_a_file_in_place_of_the_directory_is_refused(nas: Any, tmp_path: Path) -> None:
    (nas.root / "hans").rename(tmp_path / "before")
    (nas.root / "hans").symlink_to(tmp_path)
    assert error(run(nas, "trashed", deleted("hans", 1))) == f"{nas.root / 'hans'} is a symbolic link"
    (nas.root / "hans").unlink()
    (nas.root / "hans").touch()
    assert error(run(nas, "trashed", deleted("hans", 1))) == f"{nas.root / 'hans'} is not a directory"


def test_a_trash_that_is_a_link_cannot_be_read(nas: Any, tmp_path: Path) -> None:
    (nas.root / ".trash").symlink_to(tmp_path)
    with pytest.raises(QuotaError, match=r"\.trash is a symbolic link"):
        nas.names()


@pytest.mark.parametrize("state", STEPS)
def test_a_mount_in_it_is_refused(nas: Any, state: str) -> None:
    path = nas.root / "hans"
    if state != "trashed":
        run(nas, "trashed", deleted("hans", 1))
        path = nas.root / place("hans", 1)
    elsewhere = Mount(f"{path}2/uploads", "tmpfs", "none", "/", frozenset())
    for point in (path, path / "uploads" / "deep"):
        mounts = [elsewhere, Mount(str(point), "tmpfs", "none", "/", frozenset())]
        assert error(run(nas, state, deleted("hans", 1), mounts=mounts)) == (
            f"{point} is a mount of its own; unmount it, and run this again"
        )
    assert path.is_dir()
    assert run(nas, state, deleted("hans", 1), mounts=[elsewhere])[0].changed


def test_nothing_is_restored_over_what_is_there_by_now(nas: Any) -> None:
    run(nas, "trashed", deleted("hans", 1))
    converge(nas, [wanted("hans", 4)], QuotaPolicy(), False)
    assert error(run(nas, "restored", deleted("hans", 1))) == (
        f"{nas.root / 'hans'} exists by now, counted under the id 4; nothing was restored, and nothing is lost"
    )
    run(nas, "trashed", deleted("hans", 4))
    (nas.root / "hans").symlink_to("/no/such/directory")
    assert "exists by now; nothing was restored" in error(run(nas, "restored", deleted("hans", 1)))


def test_a_name_is_used_again_meanwhile_and_the_second_is_deleted_too(nas: Any) -> None:
    run(nas, "trashed", deleted("hans", 1))
    assert converge(nas, [wanted("hans", 4)], QuotaPolicy(), False)[0].error == ""
    assert not run(nas, "trashed", deleted("hans", 1))[0].changed
    assert run(nas, "trashed", deleted("hans", 4))[0].changed
    both = run(nas, "restored", deleted("hans", 1), deleted("hans", 4))
    assert [bool(moved.error) for moved in both] == [False, True]
    assert run(nas, "purged", deleted("hans", 4))[0].changed
    assert (nas.root / "hans" / "uploads" / "photo").exists()


def test_two_of_one_id_in_a_call_are_both_refused(nas: Any) -> None:
    outcomes = run(nas, "trashed", deleted("hans", 1), deleted("hans", 1, "2020-01-01T00:00:00Z"), deleted("maria", 2))
    assert [outcome.error for outcome in outcomes] == ["the id 1 was given to 2 tenants"] * 2 + [""]


def test_a_tenant_of_before_the_register_is_put_on_record(nas: Any) -> None:
    (nas.root / FILE).unlink()
    run(nas, "trashed", deleted("hans", 1), check=True)
    assert read_register(nas.root) == {}
    run(nas, "trashed", deleted("hans", 1))
    assert read_register(nas.root) == {1: "hans"}


def test_another_file_system_is_told(nas: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(number: int) -> Callable[..., None]:
        def move(source: str, target: str) -> None:
            raise OSError(number, os.strerror(number), source)

        return move

    monkeypatch.setattr(nas, "move", fail(errno.EXDEV))
    assert "are on different file systems; nothing was moved" in error(run(nas, "trashed", deleted("hans", 1)))
    monkeypatch.setattr(nas, "move", fail(errno.EIO))
    assert error(run(nas, "trashed", deleted("hans", 1))) == "[Errno 5] Input/output error: 'hans'"


def test_an_id_that_stays_is_named(nas: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run(nas, "trashed", deleted("hans", 1))
    monkeypatch.setattr(nas, "forget", lambda number: f"the group {number} still counts 5G")
    (gone,) = run(nas, "purged", deleted("hans", 1))
    assert gone.changes()[1:] == ["the group 1 still counts 5G"]
    assert not run(nas, "purged", deleted("hans", 1))[0].changed


def test_what_lies_in_the_trash_keeps_its_promise(nas: Any) -> None:
    run(nas, "trashed", deleted("hans", 1))
    big = wanted("peter", 3, "801G")
    assert "1001G would be promised" in converge(nas, [big], QuotaPolicy(), True)[0].error
    # In the middle of a purge its limit may be off.
    nas.states[place("hans", 1)] = State(1, None, Usage(100 * GIB))
    assert "1001G would be promised" in converge(nas, [big], QuotaPolicy(), True)[0].error
    run(nas, "purged", deleted("hans", 1))
    assert converge(nas, [big], QuotaPolicy(), True)[0].error == ""


def test_its_id_is_refused_to_everybody_and_to_itself(nas: Any) -> None:
    run(nas, "trashed", deleted("hans", 1))
    for name in ("hans", "peter"):
        assert converge(nas, [wanted(name, 1)], QuotaPolicy(), False)[0].error == (
            f"hans with id 1 was deleted at {WHEN}, {nas.root / place('hans', 1)}; restore it first"
        )
    run(nas, "restored", deleted("hans", 1))
    assert not converge(nas, [wanted("hans", 1)], QuotaPolicy(), False)[0].changed


def test_another_run_is_waited_for(nas: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "only_one", lambda root: only_one(root, 0.3))
    with only_one(nas.root):
        with pytest.raises(QuotaError, match="another run is changing quotas"):
            run(nas, "trashed", deleted("hans", 1))
        assert run(nas, "trashed", deleted("hans", 1), check=True)[0].changed
    assert (nas.root / "hans").is_dir()


def test_an_id_is_not_taken_from_its_tenant_by_a_lost_register(nas: Any) -> None:
    write_register(nas.root, {2: "maria"})
    assert error(run(nas, "trashed", deleted("peter", 1))) == ""
    assert read_folder(nas.root / "hans") is not None


@given(st.text(max_size=40), st.integers(), st.text(max_size=30))
def test_any_values_are_an_entry_or_a_sentence(name: str, number: int, when: str) -> None:
    try:
        entry = module.parse_entry(deleted(name, number, when))
    except QuotaError as error:
        assert str(error).startswith("the ")
    else:
        assert entry.place.count("/") == 1
