# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The size that the journal of a server may have, as systemd puts it together from its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..common.sizes import SizeError, parse_size

KEY = re.compile(r"^\s*SystemMaxUse\s*=\s*(\S*)\s*$", re.MULTILINE)
# Of two files of one name, the one of the first directory counts.
DIRECTORIES = ("etc", "run", "usr/local/lib", "usr/lib")


def limit(root: Path = Path("/")) -> int | None:
    """Return the largest size in bytes; None if no file sets one, and systemd takes a part of the disk."""
    found: int | None = None
    for path in _files(root / "etc/systemd/journald.conf", root):
        for text in KEY.findall(_text(path)):
            found = _size(text)
    return found


def _files(main: Path, root: Path) -> Iterator[Path]:
    """Yield the main file, then the others by name, each of which overrides those before it."""
    yield main
    others: dict[str, Path] = {}
    for directory in DIRECTORIES:
        for path in (root / directory / "systemd/journald.conf.d").glob("*.conf"):
            others.setdefault(path.name, path)
    yield from (others[name] for name in sorted(others))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _size(text: str) -> int | None:
    try:
        return parse_size(text)
    except SizeError:
        return None
