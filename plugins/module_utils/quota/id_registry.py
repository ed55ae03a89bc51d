"""The register of quota ids: which tenant each id was given to, kept on the NAS itself and for ever.

What a deleted tenant left behind may still be counted under its id, so the id never goes to somebody else.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError

FILE = ".silo-ids"
POLL_SECONDS = 0.2


def read_register(root: Path) -> dict[int, str]:
    """Return the name that each id was given to; raises QuotaError for a register that cannot be read."""
    path = root / FILE
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        return {int(number): name for number, name in (line.split() for line in lines)}
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise QuotaError(f"{path} has a line that is not '<id> <name>': {error}; bring it back from a backup") from None


def write_register(root: Path, owners: Mapping[int, str]) -> None:
    """Write the register whole or not at all, for root alone."""
    path = root / FILE
    scratch = path.with_name(f"{FILE}.tmp")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.writelines(f"{number} {name}\n" for number, name in sorted(owners.items()))
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
    with _opened(root) as directory:
        os.fsync(directory)


@contextlib.contextmanager
def only_one(root: Path, seconds: float = 60) -> Iterator[None]:
    """Let one run at a time change the storage; raises QuotaError where another one does for longer than so."""
    with _opened(root) as directory:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise QuotaError(f"another run has changed quotas below {root} for {seconds:.0f} s") from None
                time.sleep(POLL_SECONDS)
        yield


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
