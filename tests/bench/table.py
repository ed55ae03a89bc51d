"""Lines as a table for people, in Markdown, and as JSON for machines. Pure."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence

from .line import Line

HEADINGS = ("#", "measured", "ours", "against", "theirs", "ratio", "aim", "reached", "rounds")
REACHED = {True: "yes", False: "**no**", None: ""}


def amount(value: float, unit: str) -> str:
    """A value with its unit, to three digits: 0.0042 s is 4.2 ms."""
    if unit == "s" and value < 0.1:
        value, unit = value * 1000, "ms"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}"


def ratio(value: float) -> str:
    """A ratio as people say it: 1.31, or 1/25 where it is small."""
    return f"{value:.2f}" if value >= 0.5 else f"1/{1 / value:.0f}" if value > 0 else "0"


def _aim(line: Line) -> str:
    if line.aim is None:
        return ""
    return amount(line.aim, line.unit) if line.ratio is None else ratio(line.aim)


def row(line: Line) -> tuple[str, ...]:
    """The cells of one line."""
    return (
        line.number,
        f"{line.what} ({line.note})" if line.note else line.what,
        amount(line.value, line.unit),
        line.against,
        "" if line.base is None else amount(line.base, line.unit),
        "" if line.ratio is None else ratio(line.ratio),
        _aim(line),
        REACHED[line.reached],
        str(len(line.ours)),
    )


def markdown(lines: Sequence[Line]) -> str:
    """A table of Markdown, with columns as wide as they need to be."""
    rows = [HEADINGS, *map(row, lines)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(HEADINGS))]
    rows.insert(1, tuple("-" * width for width in widths))
    padded = (" | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) for cells in rows)
    return "\n".join(f"| {text} |" for text in padded)


def as_json(machine: Mapping[str, str], lines: Sequence[Line], scale: Sequence[Mapping[str, float]]) -> str:
    """Everything that was measured, each round by itself."""
    rounds = [
        {**dataclasses.asdict(line), "median": line.value, "ratio": line.ratio, "reached": line.reached}
        for line in lines
    ]
    return json.dumps({"machine": machine, "lines": rounds, "scale": scale}, indent=1) + "\n"


def scale_table(found: Sequence[Mapping[str, float]]) -> str:
    """What grows with the tenants: a row for each thing, a column for each number of tenants; empty for nothing."""
    if not found:
        return ""
    names = dict.fromkeys(name for one in found for name in one if name != "tenants")
    head = ["tenants", *(f"{one['tenants']:.0f}" for one in found)]
    rows = [[name, *(f"{one[name]:g}" if name in one else "" for one in found)] for name in names]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
