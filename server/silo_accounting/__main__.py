"""One look, from the timer: counted in the ledger, written for Prometheus, and what is wrong told once."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common.systemd import WARNING, is_news
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.ledger import Ledger, LedgerError

from . import exposition
from .collector import collect
from .settings import AccountingSettings, SettingsError, load


def look(settings: AccountingSettings) -> tuple[str, ...]:
    """Look once and keep what was found; return what could not be read. Raises LedgerError or OSError."""
    with contextlib.closing(Ledger(settings.ledger, settings.rules)) as ledger:
        # Held before the first number is read: the looks of two that run at once are counted one after the other.
        with ledger.held():
            start = time.monotonic()
            found = collect(settings)
            ledger.add(found.look)
        text = exposition.text(found, ledger.totals(), time.monotonic() - start)
    exposition.write(settings.exposition, text)
    return found.problems


def tell(problems: Sequence[str], memory: Path) -> None:
    """Print what is wrong where `memory`, the file of what was said last, has it otherwise."""
    now = "".join(f"{WARNING}{' '.join(problem.split())}\n" for problem in problems)
    if is_news(now, memory):
        print(now or "everything can be read again\n", end="")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code: 1 where nothing could be counted, and a sentence says why."""
    parser = argparse.ArgumentParser(prog="silo-accounting", description="Counts what each tenant uses.")
    parser.add_argument("settings", type=Path, help="the file that the role accounting writes")
    options = parser.parse_args(arguments)
    try:
        settings = load(options.settings)
        tell(look(settings), settings.ledger.with_name("said"))
    except (SettingsError, LedgerError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
