"""The faults by their numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("catalogue.yml")
COLUMNS = ("#", "fault", "must hold", "by what", "how it is broken")


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault; `absent` says why there is no test of it, and is empty where there has to be one."""

    number: int
    fault: str
    holds: str
    mechanism: str
    broken: str
    absent: str = ""


def catalogue(file: Path = FILE) -> dict[int, Fault]:
    """Return all faults by number, in their order; raises ValueError where a number is there twice."""
    faults = [Fault(**entry) for entry in yaml.safe_load(file.read_text(encoding="utf-8"))]
    numbers = [fault.number for fault in faults]
    if numbers != sorted(set(numbers)):
        raise ValueError(f"{file}: its numbers are {numbers}; each must be there once, in order")
    return {fault.number: fault for fault in faults}


def markdown(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table of Markdown; a line in a cell stays in it."""
    lines = [columns, tuple("---" for _column in columns), *rows]
    cells = ([" ".join(cell.replace("|", "\\|").split()) for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def table() -> str:
    """Return the catalogue as docs/contribute/faults.md has it."""
    rows = []
    for fault in catalogue().values():
        mechanism = f"*{fault.absent}*" if fault.absent else fault.mechanism
        rows.append((str(fault.number), fault.fault, fault.holds, mechanism, fault.broken))
    return markdown(COLUMNS, rows)
