"""Pytest plugin: a failed test of the lab fits on one screen, and its full report is written to a file.

The conftest of each folder whose tests need a lab imports the two hooks; all other tests keep the report of pytest. The
files are in $SILO_TEST_REPORTS; if that is not set, in .cache/tests.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import os
import re
import subprocess
import typing as t
from collections.abc import Generator
from pathlib import Path

import pytest

from . import REASON
from .record import LOG
from .summary import Failure, full

LONGEST_NAME = 100


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Start the action log of this test."""
    LOG.begin()


# Outermost: an expected failure has been turned into a skip by now.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Replace the report of a failure."""
    report = yield
    if report.failed and call.excinfo is not None:
        _shorten(item, call.excinfo, report)
    return report


@dataclasses.dataclass(frozen=True)
class Place:
    """A line of test code in a traceback."""

    path: Path
    line: int
    statement: str


def _shorten(item: pytest.Item, error: pytest.ExceptionInfo[BaseException], report: pytest.TestReport) -> None:
    LOG.learn()
    mask, places = LOG.without_secrets, _places(item, error)
    # The outermost line belongs to the test or its fixture, the innermost often to a helper.
    here, there = places[0], places[-1]
    left_out, actions = LOG.actions()
    failure = Failure(
        test=f"{item.nodeid} ({report.when})",
        description=inspect.getdoc(getattr(item, "obj", None)) or "",
        left_out=left_out,
        actions=actions,
        statement=mask(here.statement),
        message=mask(_message(error, report) or f"{error.typename}: {there.statement}"),
        place=", raised in ".join(dict.fromkeys(_shown(item, place) for place in (here, there))),
    )
    sections = [(title, mask(text)) for title, text in report.sections]
    file = _keep(item, report.when, full(failure, mask(report.longreprtext), sections))
    report.user_properties.append((REASON, failure.reason))
    report.longrepr, report.sections = failure.screen(file), []


def _places(item: pytest.Item, error: pytest.ExceptionInfo[BaseException]) -> list[Place]:
    """Return the lines of a traceback that are test code, the outermost first; never an empty list."""
    roots = (item.config.rootpath / "tests", item.path.parent)
    found = [
        Place(Path(entry.path), entry.lineno + 1, str(entry.statement))
        for entry in error.traceback
        if any(Path(entry.path).is_relative_to(root) for root in roots)
    ]
    return found or [Place(item.path, (item.location[1] or 0) + 1, "")]


def _shown(item: pytest.Item, place: Place) -> str:
    root = item.config.rootpath
    return f"{place.path.relative_to(root) if place.path.is_relative_to(root) else place.path}:{place.line}"


def _message(error: pytest.ExceptionInfo[BaseException], report: pytest.TestReport) -> str:
    """Return the message of an exception; of a failed command also its output."""
    value = error.value
    if isinstance(value, pytest.fail.Exception):
        return value.msg or ""
    if isinstance(value, pytest.FixtureLookupError):
        return "\n".join(line[1:].strip() for line in report.longreprtext.splitlines() if line.startswith("E "))
    if isinstance(value, AssertionError):
        return str(value)
    parts = [error.exconly()]
    if isinstance(value, subprocess.CalledProcessError | subprocess.TimeoutExpired):
        outputs = filter(None, (value.stdout, value.stderr))
        parts += [output.decode(errors="replace") if isinstance(output, bytes) else output for output in outputs]
    return "\n".join(parts)


def _keep(item: pytest.Item, when: str, text: str) -> str:
    """Write the full report. Return its path, or why it could not be written."""
    reports = os.environ.get("SILO_TEST_REPORTS")
    folder = Path(reports).resolve() if reports else item.config.rootpath / ".cache" / "tests"
    name = _name(item.nodeid) + ("" if when == "call" else f"-{when}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _new(folder, name) as file:
            file.write(text)
    except OSError as error:
        return f"not written: {error}"
    return file.name


def _name(test: str) -> str:
    """Return a file name for a test."""
    joined = test.replace("/", "-").replace("::", "-")
    name = re.sub(r"[^\w.=\[\]-]+", "-", joined, flags=re.ASCII)
    if name == joined and len(name) <= LONGEST_NAME:
        return name
    return f"{name[:LONGEST_NAME]}-{hashlib.sha256(test.encode(errors='replace')).hexdigest()[:8]}"


def _new(folder: Path, name: str) -> t.TextIO:
    """Create a file. The same test may run twice at a time, on different machines, so the name may get a number."""
    number, path = 1, folder / f"{name}.txt"
    while True:
        try:
            return path.open("x", encoding="utf-8", errors="backslashreplace")
        except FileExistsError:
            number += 1
            path = folder / f"{name}-{number}.txt"
