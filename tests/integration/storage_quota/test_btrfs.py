"""What is btrfs's own: subvolumes in subvolumes, quotas of other modes."""

from __future__ import annotations

import pytest

from .machine import MIB, ROOT, Machine, deleted, place, tenant

pytestmark = [pytest.mark.needs_root, pytest.mark.kind("btrfs")]


def test_a_nested_subvolume_does_not_escape(nas: Machine) -> None:
    nas.quota(tenant("hans", 1))
    nested = f"{ROOT}/hans/uploads/nested"
    nas.must(f"btrfs subvolume create {nested}", 200001)
    over = nas.write(f"{nested}/film", 60, 200001)
    assert nas.kind.full in over.stderr
    # The same trial succeeds against a limit on the subvolume itself, so the one above can fail.
    nas.must(f"btrfs subvolume create {ROOT}/weak && btrfs qgroup limit 50M {ROOT}/weak && chown 200009 {ROOT}/weak")
    nas.must(f"btrfs subvolume create {ROOT}/weak/nested", 200009)
    assert nas.write(f"{ROOT}/weak/nested/film", 60, 200009).returncode == 0


def test_a_subvolume_that_came_without_a_group_is_taken_in_with_all_that_is_in_it(nas: Machine) -> None:
    nas.must(f"btrfs subvolume create {ROOT}/hans && btrfs subvolume create {ROOT}/hans/inner")
    assert nas.write(f"{ROOT}/hans/inner/old", 30, 0).returncode == 0
    nas.commit()
    adopted = nas.quota(tenant("hans", 1))
    assert 30 * MIB <= adopted["tenants"]["hans"]["used"] < 31 * MIB
    assert nas.kind.full in nas.write(f"{ROOT}/hans/inner/new", 30, 0).stderr


def test_a_run_that_was_cut_short_is_completed(nas: Machine) -> None:
    # As after a SIGKILL between two steps: the group of hans without a limit, maria without her uploads.
    nas.quota(tenant("maria", 2))
    nas.must(f"btrfs qgroup create 1/1 {ROOT} && rmdir {ROOT}/maria/uploads && chmod 0755 {ROOT}/maria")
    nas.quota(tenant("hans", 1), tenant("maria", 2))
    assert not nas.quota(tenant("hans", 1), tenant("maria", 2))["changed"]
    assert nas.kind.full in nas.write(f"{ROOT}/hans/uploads/film", 60, 200001).stderr


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (f"btrfs quota disable {ROOT}", f"quotas are off on {ROOT}"),
        (f"btrfs quota disable {ROOT} && btrfs quota enable {ROOT}", "another mode than 'simple'"),
    ],
)
def test_refuses_quotas_that_would_not_hold(nas: Machine, change: str, sentence: str) -> None:
    nas.must(change)
    assert sentence in nas.quota(tenant("hans", 1))["msg"]
    assert sentence in nas.info()["msg"]
    assert nas.must(f"ls {ROOT}") == ""


def test_a_plain_directory_is_refused(nas: Machine) -> None:
    nas.must(f"mkdir {ROOT}/hans")
    assert "is a plain directory and not a subvolume" in nas.quota(tenant("hans", 1))["msg"]


def test_nested_subvolumes_are_purged_even_read_only_ones_at_a_full_quota(nas: Machine) -> None:
    nas.quota(tenant("hans", 1))
    nested = f"{ROOT}/hans/uploads/nested"
    nas.must(f"btrfs subvolume create {nested} && mkdir {nested}/a && btrfs subvolume create {nested}/a/inner", 200001)
    nas.must(f"btrfs property set -ts {nested} ro true")
    assert nas.kind.full in nas.write(f"{ROOT}/hans/uploads/film", 60, 200001).stderr
    nas.commit()
    nas.trash("trashed", deleted("hans", 1))
    # The same by hand fails, so the purge has something to overcome.
    inner = f"{place('hans', 1)}/uploads/nested/a/inner"
    assert "Read-only file system" in nas.run(f"btrfs subvolume delete {inner}").stderr
    assert (
        nas.kind.full
        in nas.run(
            f"btrfs property set -ts {place('hans', 1)}/uploads/nested ro false; btrfs subvolume delete {inner}"
        ).stderr
    )
    nas.must(f"btrfs property set -ts {place('hans', 1)}/uploads/nested ro true")
    assert nas.trash("purged", deleted("hans", 1))["changed"]
    assert nas.must(f"ls {ROOT}/.trash; btrfs subvolume list {ROOT}") == ""
    assert nas.numbers() == set()


def test_a_group_that_a_snapshot_keeps_is_left_and_named(nas: Machine) -> None:
    nas.quota(tenant("hans", 1))
    assert nas.write(f"{ROOT}/hans/uploads/film", 20, 200001).returncode == 0
    nas.must(f"btrfs subvolume snapshot -r {ROOT}/hans {ROOT}/kept")
    nas.trash("trashed", deleted("hans", 1))
    (gone,) = nas.trash("purged", deleted("hans", 1))["tenants"]
    assert gone["changes"][1].startswith("the quota group 1/1 still counts 20"), gone
    assert nas.must(f"stat -c %s {ROOT}/kept/uploads/film").strip() == str(20 * MIB)
    nas.must(f"btrfs subvolume delete {ROOT}/kept")
    assert nas.trash("purged", deleted("hans", 1))["tenants"][0]["changes"] == ["quota id 1 -> removed for good"]
    assert nas.numbers() == set()
