"""The kernel's list of mounts."""

from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import mounts

OF_CONTAINER = """\
900 800 0:60 / / ro,relatime master:1 - overlay overlay rw,lowerdir=/a,upperdir=/b
901 900 0:61 / /tmp rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,size=131072k,inode64
902 900 0:62 / /my\\040place rw,relatime - tmpfs tmpfs rw,inode64
903 900 7:0 /hans/uploads /data rw,noatime - nfs4 nas1:/instances ro,vers=4.2,hard,addr=192.0.2.20
904 900 0:63 / /dev/shm rw - tmpfs shm rw,size=65536k
905 900 0:64 / /developer rw - ext4 /dev/sda rw
"""


def test_what_it_says(tmp_path):
    (tmp_path / "42").mkdir()
    (tmp_path / "42" / "mountinfo").write_text(OF_CONTAINER)
    root, tmp, place, data, memory, other = mounts.read(42, tmp_path)
    assert (root.point, root.kind, root.writable) == ("/", "overlay", False)
    assert (tmp.writable, tmp.size_limited) == (True, True)
    assert (place.point, place.size_limited) == ("/my place", False)
    assert (data.writable, data.server) == (False, "192.0.2.20")
    assert memory.of_kernel
    assert not other.of_kernel


def test_a_process_that_has_ended(tmp_path):
    assert mounts.read(43, tmp_path) == ()


def test_this_machine():
    assert any(mount.point == "/proc" and mount.kind == "proc" for mount in mounts.read("self"))
