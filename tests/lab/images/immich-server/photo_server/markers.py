"""The `.immich` files: a server never writes into a folder that is not the one it wrote into before.

At the first start each folder gets its marker. From then on a missing marker means that the storage is not mounted, or
is not ours, and the server does not start.
"""

import logging
import time
from pathlib import Path

from photo_server.errors import StartError

_log = logging.getLogger(__name__)

FOLDERS = ("encoded-video", "library", "upload", "profile", "thumbs", "backups")
_DOCS = "Please see https://docs.immich.app/administration/system-integrity#folder-checks for more information."


def check_folders(location: Path, known: frozenset[str]) -> None:
    """Makes the marker of each folder that is not `known`, then reads and overwrites all. Raises StartError."""
    for folder in FOLDERS:
        marker = location / folder / ".immich"
        if folder not in known:
            _log.info("Writing initial mount file for the %s folder", folder)
            _create(marker)
        _verify(marker)


def _stamp() -> bytes:
    return str(int(time.time() * 1000)).encode()


def _create(marker: Path) -> None:
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        if marker.exists():
            _log.warning("Found existing mount file %s, skipping creation", marker)
        else:
            marker.write_bytes(_stamp())
    except OSError as error:
        raise _failure("create", marker, error) from error


def _verify(marker: Path) -> None:
    try:
        marker.read_bytes()
    except OSError as error:
        raise _failure("read", marker, error) from error
    try:
        with marker.open("r+b") as file:  # never creates it
            file.write(_stamp())
    except OSError as error:
        raise _failure("write", marker, error) from error


def _failure(action: str, marker: Path, error: OSError) -> StartError:
    place = f"<UPLOAD_LOCATION>/{marker.parent.name}/{marker.name}"
    return StartError(f'Failed to {action} "{place}": {error.strerror} ({marker}). {_DOCS}')
