from __future__ import annotations

import fcntl
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import (
    QuotaError,
    QuotaTenant,
    State,
    Survey,
    Usage,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.btrfs import Btrfs, Group, commands, parse_groups
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.examples import examples

GIB = 2**30
HANS = QuotaTenant("hans", 1, 200001, 200001, 100 * GIB)


def test_reads_all_directories_by_one_process(backend: Btrfs, shell: Any) -> None:
    survey = backend.read()
    assert len(shell.ran) == 1
    assert survey.directories["hans"] == State(1, 100 * GIB, Usage(16384))
    assert survey.directories["maria"].id == 2
    assert survey.directories["maria"].usage.bytes > 10 * 2**20
    assert survey.directories["anna"].id is None
    assert len(survey.directories["anna"].uncounted) == 2
    assert "plain directory" in survey.directories["plain"].problem
    assert survey.holders == {1: "hans", 2: "maria", 3: ""}


def test_a_new_tenant_has_its_wall_before_it_has_a_directory() -> None:
    assert list(commands(Path("/instances"), HANS, Survey({}, {}))) == [
        ["btrfs", "qgroup", "create", "1/1", "/instances"],
        ["btrfs", "qgroup", "limit", str(100 * GIB), "1/1", "/instances"],
        ["btrfs", "subvolume", "create", "-i", "1/1", "/instances/hans"],
    ]


def test_an_interrupted_creation_goes_on_where_it_stopped() -> None:
    assert list(commands(Path("/instances"), HANS, Survey({}, {1: ""})))[0][:3] == ["btrfs", "qgroup", "limit"]


def test_a_new_limit_is_one_command() -> None:
    survey = Survey({"hans": State(1, 50 * GIB)}, {1: "hans"})
    assert list(commands(Path("/instances"), HANS, survey)) == [
        ["btrfs", "qgroup", "limit", str(100 * GIB), "1/1", "/instances"]
    ]


def test_what_is_not_counted_is_taken_into_the_group() -> None:
    survey = Survey({"hans": State(None, None, uncounted=("0/260", "0/261"))}, {1: ""})
    assert [argv[2:4] for argv in commands(Path("/instances"), HANS, survey)] == [
        ["limit", str(100 * GIB)],
        ["assign", "0/260"],
        ["assign", "0/261"],
    ]


def row(id_: Any, path: Any = "", used: int = 0, **relations: list[str]) -> dict[str, Any]:
    return {
        "qgroupid": id_,
        "path": path,
        "referenced": used,
        "max_referenced": "none",
        "parents": relations.get("parents", []),
        "children": relations.get("children", []),
    }


def test_an_id_that_still_counts_what_was_deleted_has_a_holder(backend: Btrfs, shell: Any) -> None:
    shell.answers[0] = (shell.answers[0][0], Completed(0, json.dumps({"qgroup-show": [row("1/7", used=4096)]})))
    assert backend.read().holders == {7: "a directory that was deleted"}


def test_a_directory_in_two_groups_is_a_problem(backend: Btrfs, shell: Any) -> None:
    groups = [row("0/256", "hans", parents=["1/1", "1/2"]), row("1/1"), row("1/2")]
    shell.answers[0] = (shell.answers[0][0], Completed(0, json.dumps({"qgroup-show": groups})))
    assert "several quota groups (1/1, 1/2)" in backend.read().directories["hans"].problem


def test_paths_begin_at_the_part_that_is_mounted() -> None:
    document = {"qgroup-show": [row("0/256", "nas/hans"), row("0/257", "hans"), row("0/258", "nas")]}
    paths = {group.id: group.path for group in parse_groups(document, "/nas").values()}
    assert paths == {"0/256": "hans", "0/257": "/hans", "0/258": "/nas"}


def test_quotas_off_are_refused(backend: Btrfs, shell: Any) -> None:
    with pytest.raises(QuotaError, match="quotas are off on .*btrfs quota enable --simple"):
        backend.check()
    shell.answers[0] = (shell.answers[0][0], Completed(1, err="ERROR: can't list qgroups: quotas not enabled"))
    with pytest.raises(CommandError, match=r"qgroup show .*\(code 1\): ERROR: can't list qgroups"):
        backend.read()


def test_classic_quotas_are_refused_and_simple_ones_are_not(
    backend: Btrfs, sysfs: Callable[[str], None], tmp_path: Path
) -> None:
    sysfs("qgroup")
    with pytest.raises(QuotaError, match="nested subvolumes would escape"):
        backend.check()
    next(tmp_path.glob("sys/fs/btrfs/*/qgroups/mode")).write_text("squota\n", encoding="ascii")
    backend.check()


PLACE = ".trash/20261123T165705Z-hans-1"
FULL = [
    row("0/5"),
    row("0/256", PLACE, parents=["1/1"]),
    row("0/257", f"{PLACE}/uploads/n", parents=["1/1"]),
    row("0/258", f"{PLACE}/uploads/n/a/m"),
    row("0/260", f"{PLACE}2", parents=["1/2"]),
    row("1/1", children=["0/256", "0/257"]) | {"max_referenced": GIB},
    row("1/2", children=["0/260"]) | {"max_referenced": GIB},
]


def answer(shell: Any, groups: list[Any]) -> None:
    shell.answers[0] = (shell.answers[0][0], Completed(0, json.dumps({"qgroup-show": groups})))


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch, backend: Btrfs) -> dict[str, int]:
    """The flags of subvolumes, by path below the root, behind the ioctls; the directories of C(FULL) are there."""
    table: dict[str, int] = {f"{PLACE}/uploads/n": 2 | 8}

    def ioctl(descriptor: int, request: int, buffer: bytearray | bytes) -> None:
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(backend.root))
        if request == 0x80089419:
            assert isinstance(buffer, bytearray)
            buffer[:] = table.get(path, 0).to_bytes(8, sys.byteorder)
        else:
            assert request == 0x4008941A
            table[path] = int.from_bytes(buffer, sys.byteorder)

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    (backend.root / PLACE / "uploads/n/a/m").mkdir(parents=True)
    return table


def test_what_lies_in_the_trash_is_counted_apart(backend: Btrfs, shell: Any, flags: Any) -> None:
    answer(shell, FULL)
    survey = backend.read()
    assert sorted(survey.directories) == ["anna", "hans", "maria", "plain"]
    assert survey.trash == {PLACE: State(1, GIB, uncounted=("0/258",))}
    assert survey.holders[1] == PLACE


def test_all_subvolumes_are_deleted_by_number_the_innermost_first(backend: Btrfs, shell: Any, flags: Any) -> None:
    answer(shell, FULL)
    backend.remove(PLACE, 1)
    assert [" ".join(argv[1:-1]) for argv in shell.ran[1:]] == [
        # Where it is full, not even deleting is allowed.
        "qgroup limit none 1/1",
        "subvolume delete --subvolid 258",
        "subvolume delete --subvolid 257",
        "subvolume delete --subvolid 256",
    ]
    # What was read-only can be emptied; its other flags stay.
    assert flags == {f"{PLACE}/uploads/n": 8}


def test_a_purge_goes_on_where_it_stopped(backend: Btrfs, shell: Any, flags: Any) -> None:
    answer(shell, [*FULL[:2], row("0/257", parents=["1/1"]), row("1/1", used=9, children=["0/256", "0/257"])])
    backend.remove(PLACE, 1)
    assert [argv[1:3] + argv[4:5] for argv in shell.ran[1:]] == [["subvolume", "delete", "256"]]


def test_a_link_on_the_way_to_a_subvolume_is_not_followed(backend: Btrfs, shell: Any, flags: Any) -> None:
    answer(shell, FULL)
    (backend.root / PLACE / "uploads/n/a/m").rmdir()
    (backend.root / PLACE / "uploads/n/a/m").symlink_to("/etc")
    with pytest.raises(OSError, match="Not a directory|Too many levels"):
        backend.remove(PLACE, 1)
    assert not any(argv[1:3] == ["subvolume", "delete"] for argv in shell.ran)


def test_the_groups_of_what_was_deleted_go_after_it_was_freed(backend: Btrfs, shell: Any) -> None:
    answer(shell, [row("0/5"), row("0/256", parents=["1/1"]), row("1/1", children=["0/256"]), row("1/2")])
    assert backend.read().holders == {1: "a directory that was deleted", 2: ""}
    shell.ran.clear()
    assert backend.forget(1) == ""
    assert [" ".join(argv[1:-1]) for argv in shell.ran if "show" not in argv] == [
        "filesystem sync",
        "subvolume sync",
        "filesystem sync",
        "qgroup destroy 0/256",
        "qgroup destroy 1/1",
    ]


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_group_that_the_kernel_removes_by_itself_is_no_error(backend: Btrfs, shell: Any, is_gone: bool) -> None:
    answer(shell, [row("0/256", parents=["1/1"]), row("1/1", children=["0/256"])])
    gone = Completed(1, err="ERROR: unable to destroy quota group: No such file or directory")

    def kernel(argv: list[str]) -> Completed:
        if argv[1:4] == ["qgroup", "destroy", "0/256"]:
            shell.ran.append(argv)
            if is_gone:
                answer(shell, [row("1/1")])
            return gone
        completed: Completed = shell(argv)
        return completed

    backend.run = kernel
    if is_gone:
        assert backend.forget(1) == ""
        assert shell.ran[-1][1:4] == ["qgroup", "destroy", "1/1"]
    else:
        with pytest.raises(CommandError, match=r"'btrfs qgroup destroy 0/256 .*' failed \(code 1\): ERROR: unable"):
            backend.forget(1)


@pytest.mark.parametrize(
    "group",
    [row("0/256", used=4096, parents=["1/1"]), row("0/256", "other", parents=["1/1"])],
)
def test_a_group_that_still_counts_is_kept(backend: Btrfs, shell: Any, group: dict[str, Any]) -> None:
    answer(shell, [group, row("1/1", used=group["referenced"], children=["0/256"])])
    assert "the quota group 1/1 still counts " in backend.forget(1)
    assert not any("destroy" in argv for argv in shell.ran)


@pytest.mark.parametrize("output", ["", "{", "[]", "{}", '{"qgroup-show": [{}]}', '{"qgroup-show": 3}', "null"])
def test_output_that_cannot_be_read_is_shown_with_its_command(backend: Btrfs, shell: Any, output: str) -> None:
    shell.answers[0] = (shell.answers[0][0], Completed(0, output))
    with pytest.raises(CommandError, match=r"'btrfs --format json qgroup show .*' printed .*\(code 0\)"):
        backend.read()


@pytest.mark.parametrize(
    "groups",
    [
        [row("0/256", "hans", parents=["1/1"])],
        [row("1/x", used=1)],
        [row("0/256", 5)],
        [row(5, "hans")],
        [row("0/256", "hans") | {"max_referenced": "inf"}],
        [row("0/256", "hans") | {"parents": "1/1"}],
        [row("0/256", "hans") | {"children": [1]}],
    ],
)
def test_groups_of_another_shape_are_shown_with_their_command(backend: Btrfs, shell: Any, groups: list[Any]) -> None:
    shell.answers[0] = (shell.answers[0][0], Completed(0, json.dumps({"qgroup-show": groups})))
    with pytest.raises(CommandError, match=r"'btrfs .*' printed what cannot be read, .*\(code 0\): \{'qgroup-show'"):
        backend.read()


NUMBERS = st.sampled_from(["0/5", "0/256", "0/257", "1/1", "1/2", "2/1", "1/x", ""])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(
    SCALARS | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
ROWS = st.fixed_dictionaries(
    {
        "qgroupid": NUMBERS | JSON,
        "path": st.sampled_from(["", "hans", "hans/inner", "nas/hans"]) | JSON,
        "referenced": st.integers(0, 2**64) | JSON,
        "max_referenced": st.just("none") | st.integers(0, 2**64) | JSON,
        "parents": st.lists(NUMBERS, max_size=3) | JSON,
        "children": st.lists(NUMBERS, max_size=3) | JSON,
    }
)


@examples(40, 100)
@given(JSON | st.fixed_dictionaries({"qgroup-show": st.lists(ROWS, max_size=4) | JSON}), st.sampled_from(["/", "/nas"]))
def test_any_json_is_groups_or_one_of_the_named_errors(document: Any, mounted: str) -> None:
    try:
        groups = parse_groups(document, mounted)
    except (KeyError, TypeError, ValueError):
        return
    assert all(isinstance(group, Group) and group.id == number for number, group in groups.items())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(max_size=40)
    | JSON.map(json.dumps)
    | st.lists(ROWS, max_size=4).map(lambda r: json.dumps({"qgroup-show": r}))
)
def test_any_output_is_read_or_shown(backend: Btrfs, shell: Any, output: str) -> None:
    shell.answers[0] = (shell.answers[0][0], Completed(0, output))
    try:
        survey = backend.read()
    except CommandError as error:
        assert str(error).startswith("'btrfs --format json qgroup show ")
        assert "(code 0): " in str(error)
    else:
        assert sorted(survey.directories) == ["anna", "hans", "maria", "plain"]
        assert all(isinstance(number, int) for number in survey.holders)
