# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A tenant's usage of the server's own disk."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping
from pathlib import Path

from .bounded import Ask, ask

# The Compose file names the data folders of services; only an apply creates folders there.
NO_DATA = frozenset({"secrets"})
# With the tab, because the last line of truncated output may have a truncated number.
LINE = re.compile(r"^([0-9]{1,18})\t[^\n]*/([^/\n]+)$", re.MULTILINE)

# Bytes of disk below each folder of a tenant, such as `database_bytes`; None if the count took too long.
Disk = Mapping[str, t.Optional[int]]  # noqa: UP045 # the pylint of ansible-test takes | for an operation here


def read(directory: Path, seconds: float, answer: Ask = ask) -> Disk:
    """Return the disk usage of the tenant whose data is in `directory`, without following links or entering mounts."""
    try:
        folders = [path.name for path in sorted(directory.iterdir()) if _has_data(path)]
    except OSError:
        return {}
    if not folders:
        return {}
    paths = [str(directory / folder) for folder in folders]
    text = answer(("du", "--summarize", "--one-file-system", "--block-size=1", "--", *paths), "", seconds)
    found = {folder: int(number) for number, folder in LINE.findall(text)}
    return {f"{folder}_bytes": found.get(folder) for folder in folders}


def _has_data(path: Path) -> bool:
    return path.name not in NO_DATA and path.is_dir() and not path.is_symlink()
