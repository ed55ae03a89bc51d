"""What the documents say of the official images, for tests that compare it with what runs."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "contribute" / "official-images.md"
COLUMNS = ("image", "read at", "user", "entry point", "command", "volume", "stop signal", "health check")


@dataclasses.dataclass(frozen=True)
class Official:
    """One official image as its Dockerfile has it; `volume` and `health_check` are empty where it has none.

    `image` is a key of silo_images, `user` empty where it is root.
    """

    image: str
    read_at: str
    user: str
    entry_point: tuple[str, ...]
    command: tuple[str, ...]
    volume: str
    stop_signal: str
    health_check: str


def official() -> dict[str, Official]:
    """Return the images of the page's first table, by their keys."""
    rows = [line.strip("| \n").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    table = rows[rows.index(list(COLUMNS)) + 1 :]
    found = [_of([cell.strip("`") for cell in row]) for row in table if len(row) == len(COLUMNS)]
    return {one.image: one for one in found}


def _of(cells: list[str]) -> Official:
    image, read_at, user, entry_point, command, volume, stop_signal, health_check = cells
    return Official(
        image,
        read_at,
        "" if user == "root" else user,
        tuple(shlex.split(entry_point)),
        tuple(shlex.split(command)),
        "" if volume == "none" else volume,
        stop_signal,
        "" if health_check == "none" else health_check,
    )
