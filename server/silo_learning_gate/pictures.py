"""How large a picture becomes when it is decoded, from its head: a small file can be a very large picture."""

from __future__ import annotations

import struct

from .answers import unprocessable

JPEG, RIFF, WEBP = b"\xff\xd8\xff", b"RIFF", b"WEBP"
# Headers of frames; C4, C8 and CC mean something else.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
SCAN = 0xDA
# Those of a camera and an editor are a few dozen; a profile or a preview of Photoshop is in several.
MOST_SEGMENTS = 1000
WEBP_HEAD = 30


def check(picture: memoryview, most: int) -> None:
    """Raise Refusal for a picture of more than `most` pixels, and for one that is no JPEG or WebP, as Immich sends."""
    begin = bytes(picture[:WEBP_HEAD])
    if begin.startswith(JPEG):
        width, height = _jpeg(picture)
    elif begin.startswith(RIFF) and begin[8:12] == WEBP and len(begin) == WEBP_HEAD:
        width, height = _webp(begin)
    else:
        raise unprocessable("image: it is neither JPEG nor WebP")
    if width * height > most:
        raise unprocessable(f"image: it has {width} x {height} pixels; it must have at most {most} in all")


def _jpeg(picture: memoryview) -> tuple[int, int]:
    """Return the largest frame before the first scan."""
    place, size = 2, (0, 0)
    for _segment in range(MOST_SEGMENTS):
        if len(picture) < place + 4 or picture[place] != 0xFF:
            break
        marker, length = picture[place + 1], int.from_bytes(picture[place + 2 : place + 4], "big")
        if marker == SCAN and all(size):
            return size
        if marker in FRAMES and len(picture) >= place + 9:
            height, width = struct.unpack_from(">HH", picture, place + 5)
            size = max(size, (width, height), key=lambda one: one[0] * one[1])
        place += 2 + length
    raise unprocessable("image: it is a JPEG without a whole head")


def _webp(picture: bytes) -> tuple[int, int]:
    kind = picture[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(picture[at : at + 3], "little") + 1 for at in (24, 27))
        return width, height
    if kind == b"VP8L" and picture[20] == 0x2F:
        bits = int.from_bytes(picture[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", picture, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise unprocessable("image: it is a WebP without a whole head")
