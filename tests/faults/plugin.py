"""Of pytest: collects how it went with tests of faults, and writes it into the directory of `--faults`."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.failures import reason

# Worst first: of a test's phases, and of a fault's tests, the worst counts.
OUTCOMES = ("failed", "skipped", "passed")


@dataclasses.dataclass
class Tried:
    """A test, the faults that it is of, how it went, what it saw, and why it was left out or failed."""

    test: str
    faults: list[int]
    outcome: str = "passed"
    seen: list[str] = dataclasses.field(default_factory=list)
    reason: str = ""
    seconds: float = 0.0

    def add(self, report: pytest.TestReport) -> None:
        """Take in a phase of it: set-up, call or tear-down."""
        self.seconds += report.duration
        self.seen = [str(value) for key, value in report.user_properties if key == "seen"]
        if OUTCOMES.index(report.outcome) < OUTCOMES.index(self.outcome):
            self.outcome, self.reason = report.outcome, _reason(report)


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    return f"{report.when}: {reason(report)}"


class Collector:
    """Hears of every test, also of those that run in other processes, and writes what it heard at the end."""

    def __init__(self, directory: Path) -> None:
        """Write into `directory`, beside what other runs wrote there."""
        self.directory, self.tried = directory, dict[str, Tried]()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a test of a fault in."""
        faults = [int(str(value)) for key, value in report.user_properties if key == "fault"]
        if faults:
            self.tried.setdefault(report.nodeid, Tried(report.nodeid, faults)).add(report)

    def pytest_sessionfinish(self) -> None:
        """Write all of it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        found = [dataclasses.asdict(tried) for tried in self.tried.values()]
        (self.directory / f"{uuid.uuid4().hex}.tried.json").write_text(json.dumps(found, indent=2), encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ours."""
    group = parser.getgroup("faults")
    group.addoption("--faults", metavar="DIRECTORY", help="write there how tests of faults went")


def pytest_configure(config: pytest.Config) -> None:
    """Listen, in the process that hears of every test."""
    directory = config.getoption("--faults")
    if directory and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Collector(Path(directory)), "faults-collector")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note the faults of each test."""
    for item in items:
        numbers = sorted({number for marker in item.iter_markers("fault") for number in marker.args})
        item.user_properties += [("fault", number) for number in numbers]


@pytest.fixture
def seen(record_property: Callable[[str, object], None]) -> Iterator[Callable[[str], None]]:
    """Say in a few words what was seen; it is in the table of `make test-all`."""

    def say(text: str) -> None:
        record_property("seen", text)

    yield say
