from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError, State, Survey, Tenant, Usage
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.btrfs import Btrfs, commands, parse_groups
from hypothesis import given
from hypothesis import strategies as st

GIB = 2**30
HANS = Tenant("hans", 1, 200001, 200001, 100 * GIB)


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


def row(id_: str, path: str = "", used: int = 0, **relations: list[str]) -> dict[str, Any]:
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


@pytest.mark.parametrize("output", ["", "{", "[]", "{}", '{"qgroup-show": [{}]}', '{"qgroup-show": 3}', "null"])
def test_output_that_cannot_be_read_is_shown_with_its_command(backend: Btrfs, shell: Any, output: str) -> None:
    shell.answers[0] = (shell.answers[0][0], Completed(0, output))
    with pytest.raises(CommandError, match=r"'btrfs --format json qgroup show .*' printed .*\(code 0\)"):
        backend.read()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["qgroup-show"]), inner),
)


@given(JSON)
def test_any_other_json_raises_one_of_the_named_errors(document: Any) -> None:
    try:
        parse_groups(document)
    except (KeyError, TypeError, ValueError, AttributeError):
        return
    assert document["qgroup-show"] in ([], {}, "")
