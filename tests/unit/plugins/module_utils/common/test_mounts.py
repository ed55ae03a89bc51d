"""The kernel's list of mounts, with what it escapes."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import mounts
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount

LINE = r"56 73 0:56 /sub /mnt/my\040nas rw,noatime shared:1 - btrfs /dev/my\134disk rw,subvol=/sub"


def test_a_line_is_read():
    options = frozenset({"rw", "noatime", "subvol=/sub"})
    assert mounts.parse(LINE) == [Mount("/mnt/my nas", "btrfs", "/dev/my\\disk", "/sub", options)]


def test_this_process_has_a_root():
    assert any(mount.point == "/" for mount in mounts.read())


@pytest.mark.parametrize("line", ["", "56 73 0:56 / /nas rw btrfs /dev/sdb rw", "56 73 - btrfs /dev/sdb rw", "x - y"])
def test_a_line_of_another_shape_is_an_error(line):
    with pytest.raises(ValueError, match="a line that cannot be read"):
        mounts.parse(f"{line}\n")
