"""The form of a prediction: read within bounds, without a copy of its content, and written anew."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping

from .answers import unprocessable

# Immich sends two: entries, and image or text.
FIELDS = ("entries", "image", "text")
LARGEST_HEAD = 1024
MOST_LINES = 4
HEADERS = frozenset({"content-disposition", "content-type", "content-length"})
_KIND = re.compile(
    r"multipart/form-data *; *boundary=(?:\"([^\"\x00-\x1f]{1,70})\"|([!#$%&'*+.^_`|~0-9A-Za-z-]{1,70}))", re.I
)
# What a file was called is nobody's affair.
_FIELD = re.compile(rb'form-data; *name="([a-z]{1,16})"(?:; *filename\*?=[^\r\n]*)?', re.I)


def boundary(kind: str) -> bytes:
    """Return the boundary that the header Content-Type names; raises Refusal."""
    found = _KIND.fullmatch(kind.strip())
    if found is None:
        raise unprocessable("Content-Type: it must be multipart/form-data with a boundary, and nothing else")
    return (found[1] or found[2]).encode("latin-1")


def parse(body: bytearray, mark: bytes) -> Mapping[str, memoryview]:
    """Return field to content, of a whole body; raises Refusal."""
    fields: dict[str, memoryview] = {}
    delimiter, place = b"\r\n--" + mark, len(mark) + 2
    if not body.startswith(delimiter[2:]):
        raise unprocessable("the form does not begin with its boundary")
    while body.startswith(b"\r\n", place):
        place += 2
        end = body.find(b"\r\n\r\n", place, place + LARGEST_HEAD)
        if end < 0:
            raise unprocessable(f"a part of the form has no head of at most {LARGEST_HEAD} bytes")
        name = _name(bytes(body[place:end]))
        place = body.find(delimiter, end + 2)
        if place < 0:
            raise unprocessable(f"the form ends within the field {name}")
        if name in fields:
            raise unprocessable(f"the form has the field {name} twice")
        # An empty part shares its line break with the end of its head.
        fields[name] = memoryview(body)[min(end + 4, place) : place]
        place += len(delimiter)
    if bytes(body[place : place + 5]) not in (b"--", b"--\r\n"):
        raise unprocessable("the form does not end with its boundary")
    return fields


def _name(head: bytes) -> str:
    lines = head.split(b"\r\n")
    headers = {
        key.decode("latin-1").lower(): value.strip() for key, _colon, value in (x.partition(b":") for x in lines)
    }
    if len(lines) > MOST_LINES or len(headers) < len(lines) or not headers.keys() <= HEADERS:
        raise unprocessable(f"a part of the form has another head than {', '.join(sorted(HEADERS))}")
    found = _FIELD.fullmatch(headers.get("content-disposition", b""))
    name = found[1].decode() if found else ""
    if name not in FIELDS:
        raise unprocessable(f"a field of the form is not known; known are {', '.join(FIELDS)}")
    return name


def write(entries: str, name: str, content: memoryview) -> tuple[str, bytes]:
    """Return the header Content-Type and the body of a form with `entries` and one field more."""
    # Nobody who has written the content can know it.
    mark = f"gate-{secrets.token_hex(16)}"
    file = '; filename="image"\r\nContent-Type: application/octet-stream' if name == "image" else ""
    head = (
        f'--{mark}\r\nContent-Disposition: form-data; name="entries"\r\n\r\n{entries}\r\n'
        f'--{mark}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    )
    return f"multipart/form-data; boundary={mark}", b"".join((head.encode(), content, f"\r\n--{mark}--\r\n".encode()))
