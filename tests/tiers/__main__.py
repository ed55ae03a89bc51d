"""Command line: `python -m tests.tiers check | test | all | durations`. The Makefile calls it."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
import types
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.faults.__main__ import main as faults
from tests.lab.command import LabError, LocalMachine
from tests.lab.image_set import chosen
from tests.lab.lab import Laboratory
from tests.lab.state import Directory

from . import changed, results
from .parts import ALONE, FLEET, LANES, NOTHING, ROOT, Part, Place, check, test
from .run import Ended, Runner

REPORTS = ROOT / ".cache" / "tests"
LOCK = Path("/run/silo-test.lock")
# Program to its Debian package: for the official client of the photo server, and for a customer's browser.
NEEDED = (
    ("npm", "npm"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("certutil", "libnss3-tools"),
)


def main(arguments: list[str] | None = None) -> int:
    """Run a tier, or print the durations of the last run as a table; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.tiers", description="The tiers of tests.")
    parser.add_argument("tier", choices=("check", "test", "all", "durations"))
    tier = parser.parse_args(arguments).tier
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if tier == "durations":
            print(results.durations(results.read(REPORTS)), end="")
            return 0
        return _run(tier)
    except LabError as error:
        print(f"test: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _interrupt(_number: int, _frame: types.FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Allow only one run at a time to have labs on this machine, because their names are the same in each clone."""
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LabError("another run of the tests has its labs on this machine; wait until it has ended") from error
        yield


def _run(tier: str) -> int:
    with contextlib.nullcontext() if tier == "check" else _alone():
        return _run_alone(tier)


def _run_alone(tier: str) -> int:
    reports = results.clear(REPORTS)
    with tempfile.TemporaryDirectory(prefix="silo-test-") as work:
        place = Place(Path(work), reports, slow=tier == "all")
        if tier == "check":
            return _ended(Runner(reports, results.environment(reports)), check(place, changed.files(ROOT)), tier)
        parts = _parts(place, tier)
        for part in parts:
            if part.lab:
                place.make_inventory(part.name)
        with _labs_removed(parts, place) as ended:
            runner = Runner(reports, results.environment(reports))
            ended += runner.run(parts)
            code = _report(runner, ended, tier)
        return code


def _parts(place: Place, tier: str) -> list[Part]:
    """Return the parts of `make test` or `make test-all`; print each decision that depends on the machine."""
    lab = _laboratory(f"{place.prefix}-{NOTHING}")
    lab.engine.ensure(NEEDED)
    is_kept = tier == "test" and lab.is_kept()
    if is_kept:
        print("test: a snapshot of a converged lab fits these sources, so no lab is converged from nothing")
    storage = tier == "all" or changed.storage(ROOT)
    if storage and tier == "test":
        print("test: storage or recovery changed since the virtual machines tested them, so these run as well")
    return test(place, is_kept=is_kept, storage=storage)


def _laboratory(name: str) -> Laboratory:
    return Laboratory(LocalMachine(), Directory(ROOT / ".lab", name), chosen(os.environ.get("IMAGES", "")))


@contextlib.contextmanager
def _labs_removed(parts: Sequence[Part], place: Place) -> Iterator[list[Ended]]:
    """Remove the labs of all parts, including those of a killed run; with KEEP=1, except those of failed parts."""
    labs = {part.name: _laboratory(part.lab) for part in parts if part.lab}
    # All labs, also those that this run does not use, because an earlier run may have been killed.
    others = [f"{place.prefix}-{name}" for name in (NOTHING, *LANES, FLEET, ALONE, "storage")]
    for lab in map(_laboratory, others):
        if lab.is_there():
            lab.down()
    ended = list[Ended]()
    try:
        yield ended
    finally:
        kept = {end.part.name for end in ended if not end.passed} if os.environ.get("KEEP") == "1" else set()
        for name, lab in labs.items():
            if name in kept and lab.is_there():
                _tell_how_to_look(name, place, lab)
            elif lab.is_there():
                lab.down()


def _tell_how_to_look(name: str, place: Place, lab: Laboratory) -> None:
    kept = REPORTS / "kept" / name
    kept.parent.mkdir(parents=True, exist_ok=True)
    # The temporary directory may be on another file system.
    shutil.move(place.work / name, kept)
    print(f"test: the lab of {name} is kept: docker exec -it {lab.server_name} bash")
    print(f"      its inventory: {kept}/inventory, with SILO_VAULT_PASSWORD_FILE={kept}/vault-password")
    print(f"      and SILO_LAB_FILE={lab.directory.lab_json}; `SILO_LAB={lab.server_name} make lab-down` removes it")


def _ended(runner: Runner, parts: Sequence[Part], tier: str) -> int:
    return _report(runner, runner.run(parts), tier)


def _report(runner: Runner, ended: Sequence[Ended], tier: str) -> int:
    """Print the result: failed parts with the end of their logs, left out tests, and one line for each part."""
    seen = results.read(runner.logs)
    changed.prove(ROOT, [end.part.name for end in ended if end.passed])
    for end in ended:
        if not end.passed and end.seconds:
            print(f"\n{end.part.name}: the end of {runner.log_of(end.part)}")
            print("\n".join(runner.last_lines(end.part)))
    is_held = tier != "all" or faults(["report", str(runner.logs / "faults")]) == 0
    print(
        results.left_out(seen, is_run=tier == "all", storage=any(end.part.name == "storage" for end in ended)), end=""
    )
    print(results.summary(ended, seen, time.strftime("%H:%M")), end="")
    return 0 if is_held and all(end.passed for end in ended) else 1


if __name__ == "__main__":
    sys.exit(main())
