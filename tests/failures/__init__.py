"""Reports of failed tests. This module adds a line for each of them to the file that $SILO_TEST_FAILURES names.

plugin.py makes the report of a failed test of the lab fit on one screen.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REASON = "failure"  # property of a report, set by plugin.py


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write a line for each failed test."""
    path = os.environ.get("SILO_TEST_FAILURES")
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    # The workers of xdist report to their controller, which hears of all tests.
    if not path or terminal is None or hasattr(session.config, "workerinput"):
        return
    with Path(path).open("a", encoding="utf-8") as file:
        for report in [*terminal.stats.get("failed", ()), *terminal.stats.get("error", ())]:
            print(f"{report.nodeid} ({report.when}): {reason(report)}", file=file)


def reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return the failure of a test, or of the collection of a file, in one line."""
    found = [str(value) for key, value in getattr(report, "user_properties", ()) if key == REASON]
    crash = getattr(report.longrepr, "reprcrash", None)
    text = found[-1] if found else str(crash.message if crash else report.longrepr)
    return next(iter(text.strip().splitlines()), "it does not say why")
