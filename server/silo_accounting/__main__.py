"""One run of the timer: update the ledger, export to Prometheus, report each problem once."""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common.systemd import WARNING, is_news
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.ledger import Ledger, LedgerError

from . import exposition, memory
from .collector import collect
from .settings import AccountingSettings, SettingsError, load

LONGEST_LINE = 1000


def look(settings: AccountingSettings) -> tuple[str, ...]:
    """Run once; return a sentence for each part that could not be read. Raises LedgerError or OSError."""
    with contextlib.closing(Ledger(settings.ledger, settings.rules)) as ledger:
        # Locked before the first number is read, so that two simultaneous runs count one after the other.
        with ledger.held():
            start = time.monotonic()
            found = collect(settings)
            ledger.add(found.look)
        lent = memory.lend(settings)
        text = exposition.text(found, ledger.totals(), time.monotonic() - start, lent)
    exposition.write(settings.exposition, text)
    return (*found.problems, *lent.problems)


def tell(problems: Sequence[str], memory: Path) -> None:
    """Print problems, unless `memory`, the file of the last messages, already has them."""
    now = "".join(f"{WARNING}{printable(problem, LONGEST_LINE)}\n" for problem in problems)
    if is_news(now, memory):
        print(now or "everything can be read again\n", end="")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run once; return the exit code, 1 if nothing could be counted."""
    parser = argparse.ArgumentParser(prog="silo-accounting", description="Counts what each tenant uses.")
    parser.add_argument("settings", type=Path, help="the file that the role accounting writes")
    options = parser.parse_args(arguments)
    try:
        settings = load(options.settings)
        tell(look(settings), settings.ledger.with_name("said"))
    except (SettingsError, LedgerError, OSError) as error:
        print(printable(str(error), LONGEST_LINE), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
