"""The register of quota ids: which tenant each id was given to, kept on the NAS itself and for ever.

Files of a deleted tenant may still be counted under its id, so no other tenant ever gets the id.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files, locks
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError

FILE = ".silo-ids"


def read_register(root: Path) -> dict[int, str]:
    """Return the name that each id was given to; raises QuotaError for a register that cannot be read."""
    path = root / FILE
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        return {int(number): name for number, name in (line.split() for line in lines)}
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise QuotaError(f"{path} has a line that is not '<id> <name>': {error}; restore it from a backup") from None


def write_register(root: Path, owners: Mapping[int, str]) -> None:
    """Write the register atomically, readable by root only; call it within `only_one`."""
    text = "".join(f"{number} {name}\n" for number, name in sorted(owners.items()))
    files.write(root / FILE, text.encode("ascii"), 0o600, scratch=root / f"{FILE}.tmp")


def only_one(root: Path, seconds: float = 60) -> AbstractContextManager[int]:
    """Let only one run at a time change the storage; raises QuotaError if another one takes too long."""

    def busy() -> QuotaError:
        return QuotaError(
            f"another run is changing quotas below {root}, and did not end within {seconds:.0f} s; run this again later"
        )

    return locks.held(root, seconds, busy=busy)
