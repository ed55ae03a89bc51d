"""What failed, for the end of a long log: the file of $SILO_TEST_FAILURES gets a line for each test."""

import os
from pathlib import Path


def pytest_sessionfinish(session):
    path = os.environ.get("SILO_TEST_FAILURES")
    told = session.config.pluginmanager.get_plugin("terminalreporter")
    # The workers of xdist report to their controller, which tells it all.
    if not path or told is None or hasattr(session.config, "workerinput"):
        return
    with Path(path).open("a", encoding="utf-8") as file:
        for report in [*told.stats.get("failed", ()), *told.stats.get("error", ())]:
            crash = getattr(report.longrepr, "reprcrash", None)
            why = (crash.message if crash else str(report.longrepr)).strip().splitlines() or [""]
            print(f"{report.nodeid} ({report.when}): {why[0]}", file=file)
