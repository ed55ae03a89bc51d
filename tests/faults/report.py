"""What several runs of pytest have tried, as one table: each fault held, failed, or was not tried, and why."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from collections.abc import Iterable, Mapping
from pathlib import Path

from .catalogue import Fault, markdown
from .plugin import Tried

COLUMNS = ("#", "fault", "must hold", "how it was broken", "seen", "result")


@dataclasses.dataclass(frozen=True)
class Line:
    """A fault, and how it went: `held`, `FAILED` or `not tried`, what was seen, and why it did not hold."""

    fault: Fault
    result: str
    seen: str
    reason: str
    tests: tuple[str, ...]
    seconds: float

    @property
    def good(self) -> bool:
        """Whether it held, or is not of this version."""
        return self.result == "held" or bool(self.fault.absent)

    @property
    def cells(self) -> tuple[str, ...]:
        """The line of a table."""
        fault = self.fault
        result = f"{self.result}: {self.reason}" if self.reason else self.result
        return str(fault.number), fault.fault, fault.holds, fault.broken, self.seen, result


def tried(directory: Path) -> list[Tried]:
    """Return what the runs wrote that were told to write into `directory`."""
    files = sorted(directory.glob("*.tried.json"))
    return [Tried(**entry) for file in files for entry in json.loads(file.read_text(encoding="utf-8"))]


def _line(fault: Fault, tests: list[Tried]) -> Line:
    names, seconds = tuple(test.test for test in tests), round(sum(test.seconds for test in tests), 1)
    ran = [test for test in tests if test.outcome != "skipped"]
    told = list(dict.fromkeys(text for test in ran for text in test.seen))
    passed = sum(test.outcome == "passed" for test in ran)
    seen = "; ".join(told) or (f"{passed} of {len(ran)} tests passed" if ran else "")
    if fault.absent:
        return Line(fault, "not tried", seen, fault.absent, names, seconds)
    failed = [test for test in tests if test.outcome == "failed"]
    if failed:
        return Line(fault, "FAILED", seen, f"{failed[0].test}: {failed[0].reason}", names, seconds)
    if not ran:
        reason = tests[0].reason if tests else "no test of it was run"
        return Line(fault, "not tried", "", reason, names, seconds)
    return Line(fault, "held", seen, "", names, seconds)


def lines(faults: Mapping[int, Fault], tests: Iterable[Tried]) -> list[Line]:
    """Return how it went with each of `faults`; raises ValueError where a test names one that is none."""
    by_fault: dict[int, list[Tried]] = {number: [] for number in faults}
    for test in tests:
        for number in test.faults:
            if number not in by_fault:
                raise ValueError(f"{test.test}: there is no fault {number} in the catalogue")
            by_fault[number].append(test)
    return [_line(fault, by_fault[number]) for number, fault in faults.items()]


def as_json(found: Iterable[Line]) -> dict[str, t.Any]:
    """Return it for programs: `faults`, a list with number, result, seen, tests and so on of each."""
    return {
        "faults": [
            {
                "number": line.fault.number,
                "fault": line.fault.fault,
                "holds": line.fault.holds,
                "broken": line.fault.broken,
                **{key: getattr(line, key) for key in ("seen", "result", "reason", "tests", "seconds")},
            }
            for line in found
        ]
    }


def write(directory: Path, found: list[Line]) -> None:
    """Write faults.json and faults.md into `directory`."""
    (directory / "faults.json").write_text(json.dumps(as_json(found), indent=2) + "\n", encoding="utf-8")
    (directory / "faults.md").write_text(markdown(COLUMNS, [line.cells for line in found]), encoding="utf-8")
