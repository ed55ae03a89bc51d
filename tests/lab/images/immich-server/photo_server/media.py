"""Files: which kinds are taken, where they lie, and how an upload is written."""

import asyncio
import base64
import binascii
import hashlib
import mimetypes
import os
from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from uuid import UUID

IMAGES = frozenset(
    ".3fr .ari .arw .avif .bmp .cap .cin .cr2 .cr3 .crw .dcr .dng .erf .fff .gif .heic .heif .hif .iiq .insp .jp2 .jpe "
    ".jpeg .jpg .jxl .k25 .kdc .mrw .nef .nrw .orf .ori .pef .png .psd .raf .raw .rw2 .rwl .sr2 .srf .srw .svg .tif "
    ".tiff .webp .x3f".split()
)
VIDEOS = frozenset(
    ".3gp .3gpp .avi .flv .insv .m2t .m2ts .m4v .mkv .mov .mp4 .mpe .mpeg .mpg .mts .vob .webm .wmv".split()
)
SIDECARS = frozenset({".xmp"})
_BLOCK = 1024 * 1024


@dataclass(frozen=True)
class Written:
    """A file that was written whole: its size in bytes and its SHA-1."""

    path: Path
    size: int
    checksum: bytes


def asset_type(name: str) -> str | None:
    """`IMAGE` or `VIDEO` by the ending of a file's name, None for what is not taken."""
    suffix = PurePath(name).suffix.lower()
    return "IMAGE" if suffix in IMAGES else "VIDEO" if suffix in VIDEOS else None


def mime_type(name: str) -> str:
    """The media type by the ending of a file's name."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def nested(location: Path, folder: str, owner: UUID, name: str) -> Path:
    """Immich's place for a file: <location>/<folder>/<owner>/ab/cd/<name>, for a name that begins with abcd."""
    return location / folder / str(owner) / name[0:2] / name[2:4] / name


def parse_checksum(text: str) -> bytes:
    """A SHA-1 in hexadecimal or base64, as clients send it. Raises ValueError."""
    try:
        digest = bytes.fromhex(text) if len(text) == 40 else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        digest = b""
    if len(digest) != hashlib.sha1(usedforsecurity=False).digest_size:
        raise ValueError("checksum must be a SHA-1 in hexadecimal or base64")
    return digest


async def write_stream(path: Path, blocks: AsyncIterable[bytes]) -> Written:
    """Writes blocks to a new file and asks the storage to keep it (fsync). Raises OSError and leaves what was written.

    Immich leaves the part of a failed upload behind too; it uses the quota until somebody removes it.
    """
    digest = hashlib.sha1(usedforsecurity=False)
    size = 0
    buffer = bytearray()
    await asyncio.to_thread(path.parent.mkdir, parents=True, exist_ok=True)
    file = await asyncio.to_thread(path.open, "xb", buffering=0)
    try:
        async for block in blocks:
            buffer += block
            if len(buffer) >= _BLOCK:
                digest.update(buffer)
                size += await asyncio.to_thread(_write_all, file.fileno(), bytes(buffer))
                buffer.clear()
        digest.update(buffer)
        size += await asyncio.to_thread(_write_all, file.fileno(), bytes(buffer))
        await asyncio.to_thread(os.fsync, file.fileno())
    finally:
        await asyncio.to_thread(file.close)
    return Written(path, size, digest.digest())


def _write_all(descriptor: int, data: bytes) -> int:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    return len(data)


async def remove(*paths: str | Path | None) -> None:
    """Removes the files that are there."""
    for path in paths:
        if path is not None:
            await asyncio.to_thread(Path(path).unlink, missing_ok=True)
