# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's directory on the NAS, as its own user sees it: a server's root may not look into one that comes by NFS."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..common import process
from ..common.text import printable
from .stack import StackError

SECONDS = 30
# So that a photo server never writes into folders that are not those of its database. `backups` is the server's own.
MARKED = ("thumbs", "upload", "library", "profile", "encoded-video")
MARKER = ".immich"
# Ends at the first file; what is in a tenant's directory is its customer's, and so are its names, which nobody prints.
LOOK = ("find", ".", "-xdev", "-mindepth", "1", "!", "-type", "d", "!", "-name", MARKER, "-printf", "x", "-quit")
MARK = f'for d; do mkdir -p -- "$d" && {{ [ -e "$d/{MARKER}" ] || printf 0 >"$d/{MARKER}"; }} || exit 1; done'


def _run(command: Sequence[str], directory: Path, owner: int, seconds: float) -> str:
    """Return what a command says that runs in a directory as its owner; raises StackError."""
    try:
        result = process.run(
            command,
            seconds=seconds,
            environment={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            directory=directory,
            user=owner,
            umask=0o077,
        )
    except OSError as error:
        raise StackError(f"{directory} cannot be entered by the user {owner}: {error.strerror}") from error
    if result.stopped:
        raise StackError(f"{directory} could not be looked through within {seconds:g} s")
    if result.rc:
        reason = next(iter(result.err.splitlines()), f"code {result.rc}")
        raise StackError(f"{directory}: {printable(reason)}")
    return result.out


def holds_files(uploads: Path, owner: int, seconds: float = SECONDS) -> bool:
    """Whether there is anything but folders and markers in a tenant's uploads; raises StackError."""
    return bool(_run(LOOK, uploads, owner, seconds))


def mark(uploads: Path, backups: Path, owner: int, seconds: float = SECONDS) -> None:
    """Write the markers that a photo server looks for at its start, where they are missing; raises StackError."""
    _run(("sh", "-c", MARK, "sh", *MARKED), uploads, owner, seconds)
    _run(("sh", "-c", MARK, "sh", "."), backups, owner, seconds)
