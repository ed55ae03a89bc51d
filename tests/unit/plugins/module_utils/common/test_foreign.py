"""Files in a directory of somebody else: nothing but a plain one of theirs is read, and nothing is waited for."""

import os
import socket
import threading

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import foreign
from ansible_collections.swissphoto.silo.plugins.module_utils.common.foreign import ForeignFileError

from tests.unit.patience import PATIENCE


def place(path, kind):
    """Put something at `path` that is no plain file of the owner's, of at most 100 bytes."""
    secret = path.with_name("secret")
    secret.write_text('{"password": "x"}')
    if kind == "link":
        path.symlink_to(secret)
    elif kind == "link to nothing":
        path.symlink_to("nothing")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as channel:
            channel.bind(str(path))
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "large":
        path.write_bytes(b"x" * 101)
    elif kind == "sparse":
        path.touch()
        os.truncate(path, 10**12)


KINDS = ("link", "link to nothing", "pipe", "folder", "socket", "device", "large", "sparse")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_plain_small_file_is_refused_at_once(tmp_path, kind):
    place(tmp_path / "file", kind)
    found = []

    def read():
        with pytest.raises(ForeignFileError) as raised:
            foreign.read(tmp_path / "file", 100)
        found.append(str(raised.value))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert found, f"a {kind} is waited for"
    assert str(tmp_path / "file") in found[0]
    assert "password" not in found[0]


def test_a_plain_file_is_read_with_its_state(tmp_path):
    (tmp_path / "file").write_bytes(b"h\xff")
    found = foreign.read(tmp_path / "file", 2)
    assert (found.content, found.text, found.status.st_size) == (b"h\xff", "h\ufffd", 2)


def test_one_that_is_not_there_is_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError):
        foreign.read(tmp_path / "none", 100)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_only_a_file_of_the_owner_of_its_directory_or_of_who_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    os.chown(tmp_path, 4711, 4711)
    with pytest.raises(ForeignFileError, match="belongs to user 0; it must belong to 4711"):
        foreign.read(tmp_path / "file", 100)
    assert foreign.read(tmp_path / "file", 100, owner=0).text == "x"
    assert foreign.read(tmp_path / "file", 100, owner=foreign.ANYBODY).text == "x"
    os.chown(tmp_path / "file", 4711, 4711)
    assert foreign.read(tmp_path / "file", 100).text == "x"


def test_one_that_grows_while_it_is_read_has_a_limit_as_well(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr(foreign.os, "read", lambda _handle, size: b"y" * min(size, 50))
    with pytest.raises(ForeignFileError, match="has 101 bytes; it must have at most 100"):
        foreign.read(tmp_path / "file", 100)
