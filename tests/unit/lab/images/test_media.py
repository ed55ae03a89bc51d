import asyncio
import base64
import errno
import hashlib
import os
from pathlib import Path
from uuid import UUID

import pytest
from photo_server import media

OWNER = UUID(int=7)


async def blocks(*data):
    for block in data:
        yield block


def test_an_upload_lies_where_immich_puts_it():
    path = media.nested(Path("/data"), "upload", OWNER, "abcd-1.jpg")
    assert path == Path(f"/data/upload/{OWNER}/ab/cd/abcd-1.jpg")


def test_a_stream_is_written_whole_with_its_checksum(tmp_path):
    data = [os.urandom(700_000) for _ in range(4)]
    written = asyncio.run(media.write_stream(tmp_path / "a" / "b.jpg", blocks(*data)))
    assert written.path.read_bytes() == b"".join(data)
    assert written.size == 2_800_000
    assert written.checksum == hashlib.sha1(b"".join(data), usedforsecurity=False).digest()


def test_an_empty_stream_is_an_empty_file(tmp_path):
    written = asyncio.run(media.write_stream(tmp_path / "b.jpg", blocks()))
    assert written.size == 0
    assert written.path.read_bytes() == b""


def test_a_full_disk_leaves_the_part_that_was_written(tmp_path, monkeypatch):
    real = os.write
    room = [1_500_000]

    def write(descriptor, data):
        if room[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        number = real(descriptor, data[: room[0]])
        room[0] -= number
        return number

    monkeypatch.setattr(media.os, "write", write)
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(media.write_stream(tmp_path / "b.jpg", blocks(bytes(1_200_000), bytes(1_200_000))))
    assert (tmp_path / "b.jpg").stat().st_size == 1_500_000


def test_a_file_is_never_written_over(tmp_path):
    (tmp_path / "b.jpg").write_text("here")
    with pytest.raises(FileExistsError):
        asyncio.run(media.write_stream(tmp_path / "b.jpg", blocks(b"x")))
    assert (tmp_path / "b.jpg").read_text() == "here"


@pytest.mark.parametrize(
    ("name", "kind"), [("a.JPG", "IMAGE"), ("b.mov", "VIDEO"), ("c.txt", None), ("jpg", None), ("x.xmp", None)]
)
def test_the_ending_of_a_name_says_what_it_is(name, kind):
    assert media.asset_type(name) == kind


def test_a_checksum_is_read_in_both_forms():
    digest = hashlib.sha1(b"x", usedforsecurity=False).digest()
    assert media.parse_checksum(digest.hex()) == digest
    assert media.parse_checksum(base64.b64encode(digest).decode()) == digest


@pytest.mark.parametrize("text", ["", "zz", "a" * 40 + "b", "g" * 40, base64.b64encode(b"short").decode()])
def test_what_is_no_checksum_is_refused(text):
    with pytest.raises(ValueError, match="SHA-1"):
        media.parse_checksum(text)


def test_removing_what_is_gone_is_no_error(tmp_path):
    (tmp_path / "a").touch()
    asyncio.run(media.remove(tmp_path / "a", str(tmp_path / "b"), None))
    assert list(tmp_path.iterdir()) == []
