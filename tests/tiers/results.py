"""The results of every pytest of a run, in one file: duration, outcome and reason of each test."""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import shutil
import typing as t
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.failures import reason

from .run import Ended

FILE = "results.jsonl"
VARIABLE = "SILO_TEST_RESULTS"
FAIRNESS = "tests/e2e/fairness"


@dataclasses.dataclass
class Tried:
    """A test: `seconds` with set-up and tear-down, pytest's `outcome`, and the `reason` of a failure or skip.

    `slow` is why `make test` leaves it out; empty if it does not.
    """

    test: str
    seconds: float = 0.0
    outcome: str = "passed"
    reason: str = ""
    slow: str = ""

    @property
    def file(self) -> str:
        """The file of the test."""
        return self.test.partition("::")[0]


class Collector:
    """A plugin of pytest that records every test, also of its worker processes."""

    def __init__(self, path: Path) -> None:
        """Add to a file."""
        self.path, self.tried = path, dict[str, Tried]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a phase of a test."""
        tried = self.tried.setdefault(report.nodeid, Tried(report.nodeid))
        tried.seconds += report.duration
        tried.slow = next((str(value) for key, value in report.user_properties if key == "slow"), "")
        self._worst(tried, report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Write a test to the file as soon as it has ended, because a run may be killed."""
        self._write(self.tried.pop(nodeid))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a file whose tests cannot be collected."""
        if report.failed:
            tried = Tried(report.nodeid)
            self._worst(tried, report)
            self._write(tried)

    @staticmethod
    def _worst(tried: Tried, report: pytest.TestReport | pytest.CollectReport) -> None:
        """Return the outcome of a test's phases: the first failure, else a skip."""
        if report.failed and tried.outcome != "failed":
            tried.outcome, tried.reason = "failed", reason(report)
        elif report.skipped and tried.outcome == "passed":
            tried.outcome = "skipped"
            tried.reason = str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else ""

    def _write(self, tried: Tried) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            print(json.dumps(dataclasses.asdict(tried)), file=file)


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin if a tier requests it, in pytest's main process."""
    path = os.environ.get(VARIABLE)
    if path and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Collector(Path(path)), "results-collector")


def clear(reports: Path) -> Path:
    """Return the directory of reports, without those of the run before."""
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir(parents=True)
    return reports


def environment(reports: Path) -> dict[str, str]:
    """Return the variable that tells every pytest of a run where to write."""
    return {VARIABLE: str(reports / FILE), "SILO_TEST_REPORTS": str(reports / "failures")}


def read(reports: Path) -> list[Tried]:
    """Return all tests of the last run."""
    path = reports / FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Tried(**json.loads(line)) for line in lines]


def durations(seen: Iterable[Tried]) -> str:
    """Return a table for the documents: each file with its tests and seconds, the longest first."""
    files = collections.defaultdict[str, list[Tried]](list)
    for tried in seen:
        files[tried.file].append(tried)
    rows = sorted(
        ((sum(one.seconds for one in tests), len(tests), file) for file, tests in files.items()), reverse=True
    )
    head = "| file | tests | seconds |\n| --- | ---: | ---: |\n"
    return head + "".join(
        f"| `{file}` | {count} | {seconds:.1f} |\n" for seconds, count, file in sorted(rows, reverse=True)
    )


def left_out(seen: Iterable[Tried], *, is_run: bool, storage: bool) -> str:
    """Return which tests only `make test-all` runs, and why; the same list in both tiers."""
    slow = sorted({(tried.test, tried.slow) for tried in seen if tried.slow and not tried.test.startswith(FAIRNESS)})
    lines = [f"  {test}: {why}\n" for test, why in slow]
    lines.append(f"  {FAIRNESS}: what one tenant at its worst costs fourteen others, with nothing beside it\n")
    if is_run or not storage:
        lines.append("  tests/vm and tests/integration on XFS: virtual machines, as storage has not changed since\n")
    verb = "Only `make test-all` runs these, and it has:" if is_run else "Left to `make test-all`:"
    return f"\n{verb}\n{''.join(lines)}"


def summary(ended: Sequence[Ended], seen: Iterable[Tried], now: str) -> str:
    """Return the summary of a run: each part, failed tests, and the numbers."""
    return "".join(_summary(ended, list(seen), now))


def _summary(ended: Sequence[Ended], seen: list[Tried], now: str) -> Iterator[str]:
    yield f"\n{now} Parts, with their seconds:\n"
    for end in ended:
        yield f"  {end.part.name:10} {end.seconds:5.0f}  {'passed' if end.passed else f'FAILED: {end.problem}'}\n"
    failed = [f"  {tried.test}: {tried.reason}\n" for tried in seen if tried.outcome == "failed"]
    yield from ["Failed:\n", *failed] if failed else []
    count: t.Counter[str] = collections.Counter(tried.outcome for tried in seen)
    yield f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped\n"
