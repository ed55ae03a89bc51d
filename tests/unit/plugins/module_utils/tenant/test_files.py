"""Files are written whole, or not at all."""

import errno
import os

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.files import write_file
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import File


@pytest.mark.fault(4)
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_leaves_the_old_file_and_the_next_write_succeeds(tmp_path, monkeypatch, call):
    path = tmp_path / "tenant-hans.yml"
    file = File(path, "new: true\n", owner=os.getuid())
    path.write_text("old: true\n")

    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    class Full:
        def __init__(self, handle, _mode):
            self.handle = handle

        def __enter__(self):
            return self

        def __exit__(self, *_error):
            os.close(self.handle)

        write = full

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        if call == "write":
            patch.setattr(os, "fdopen", Full)
        with pytest.raises(OSError, match="No space left"):
            write_file(file)
        assert path.read_text() == "old: true\n"
        # What was begun is nothing that Traefik reads.
        assert [one.name for one in tmp_path.glob("*.yml")] == ["tenant-hans.yml"]
    write_file(file)
    assert [one.name for one in tmp_path.iterdir()] == ["tenant-hans.yml"]
    assert path.read_text() == "new: true\n"
