"""Reports of failed tests: plugin.py makes that of a test of the lab fit on one screen."""

from __future__ import annotations

import pytest

REASON = "failure"  # property of a report, set by plugin.py


def reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return the failure of a test, or of the collection of a file, in one line."""
    found = [str(value) for key, value in getattr(report, "user_properties", ()) if key == REASON]
    crash = getattr(report.longrepr, "reprcrash", None)
    text = found[-1] if found else str(crash.message if crash else report.longrepr)
    return next(iter(text.strip().splitlines()), "it does not say why")
