from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.detect import (
    open_backend,
    parse_mounts,
    require_mount,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.manual import Manual
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.unlimited import Unlimited
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.zfs import Zfs

SENTINEL = ".silo-nas"


def line(point: str, kind: str = "btrfs", options: str = "rw,noatime", source: str = "/dev/loop0") -> str:
    return f"56 73 0:56 / {point} {options} shared:1 - {kind} {source} rw,discard=async,subvol=/"


@pytest.fixture
def nas(tmp_path: Path) -> str:
    root = tmp_path.resolve() / "instances"
    root.mkdir()
    (root / SENTINEL).touch()
    return str(root)


def test_reads_the_mount_table_of_the_kernel() -> None:
    mount = parse_mounts(r"56 73 0:56 /sub /mnt/my\040nas rw,noatime - btrfs /dev/my\040disk rw,subvol=/sub")[0]
    assert mount == Mount("/mnt/my nas", "btrfs", "/dev/my disk", "/sub", frozenset({"rw", "noatime", "subvol=/sub"}))
    assert parse_mounts(Path("/proc/self/mountinfo").read_text(encoding="utf-8"))


@pytest.mark.parametrize("text", ["nonsense", "1 2 3 / /mnt rw", "1 2 - btrfs /dev/x rw", "56 73 0:56 / /x rw - btrfs"])
def test_a_table_that_cannot_be_read_is_an_error(text: str) -> None:
    with pytest.raises(QuotaError, match="cannot be read"):
        parse_mounts(text)


def test_the_last_mount_at_a_place_counts(nas: str) -> None:
    assert require_mount(nas, SENTINEL, parse_mounts(f"{line(nas, 'ext4')}\n{line(nas)}")).type == "btrfs"


def test_refuses_a_root_where_nothing_is_mounted(nas: str) -> None:
    with pytest.raises(QuotaError, match=f"nothing is mounted at {nas}"):
        require_mount(nas, SENTINEL, parse_mounts(line("/")))


@pytest.mark.parametrize("table", [line("{}", options="ro,noatime"), line("{}").replace(" rw,discard", " ro,discard")])
def test_refuses_a_read_only_root(nas: str, table: str) -> None:
    with pytest.raises(QuotaError, match="is mounted read-only"):
        require_mount(nas, SENTINEL, parse_mounts(table.format(nas)))


def test_refuses_a_root_without_the_sentinel(nas: str) -> None:
    with pytest.raises(QuotaError, match="it is not the one of silo: the file other is missing"):
        require_mount(nas, "other", parse_mounts(line(nas)))


@pytest.mark.parametrize("form", ["{}/../link", "{}/", "./instances", "{}/../instances"])
def test_refuses_a_root_that_is_not_a_plain_path(nas: str, form: str) -> None:
    Path(nas).with_name("link").symlink_to(nas)
    with pytest.raises(QuotaError, match="symbolic link"):
        require_mount(form.format(nas), SENTINEL, parse_mounts(line(nas)))


def test_refuses_a_file_system_that_it_cannot_limit(nas: str) -> None:
    with pytest.raises(QuotaError, match="is ext4; limits can be set on btrfs, xfs, zfs, .*'manual' checks them"):
        open_backend(nas, SENTINEL, "auto", lambda _: Completed(0), line(nas, "ext4"))


def test_refuses_another_back_end_than_the_mounted_one(nas: str) -> None:
    with pytest.raises(QuotaError, match="is btrfs and not xfs"):
        open_backend(nas, SENTINEL, "xfs", lambda _: Completed(0), line(nas))


@pytest.mark.parametrize(("wanted", "kind"), [("manual", Manual), ("none", Unlimited), ("auto", Zfs), ("zfs", Zfs)])
def test_gives_what_was_asked_for(nas: str, wanted: str, kind: type) -> None:
    table = line(nas, "zfs", source="tank/instances")
    assert type(open_backend(nas, SENTINEL, wanted, lambda _: Completed(0), table)) is kind


def test_an_appliance_may_have_any_file_system(nas: str) -> None:
    assert open_backend(nas, SENTINEL, "manual", lambda _: Completed(0), line(nas, "nfs4")).name == "manual"


def test_checks_the_back_end_before_it_gives_it(nas: str) -> None:
    with pytest.raises(QuotaError, match="quotas are off"):
        open_backend(nas, SENTINEL, "auto", lambda _: Completed(0), line(nas, source="/dev/no-such-device"))
