"""Requests of customers who cannot find their link to pay: the checkout leaves an address, and the worker takes it.

The checkout knows no customer, so its answer is the same for every address. Only an address that a tenant has gets a
letter, so a stranger learns nothing and receives nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json, files, foreign

from silo import email_address

# Beside the catalogue. The checkout writes there, and the worker owns it.
DIRECTORY = "requests"
# Nobody but the worker and the checkout can enter the directory, and the worker is another user.
MODE = 0o644
MOST, LARGEST = 500, 2048
_FILE = re.compile(r"[0-9a-f]{64}\.json")


class LinkRequests:
    """The directory with one file for each address that waits."""

    def __init__(self, folder: Path) -> None:
        """Remember the directory; the role creates it."""
        self._folder = folder

    @property
    def can_take(self) -> bool:
        """Whether there is a directory, so a worker that sends links."""
        return self._folder.is_dir()

    def leave(self, address: str) -> bool:
        """Keep a valid address for the worker; False if too many wait. Raises OSError."""
        path = self._folder / f"{hashlib.sha256(address.lower().encode()).hexdigest()}.json"
        if path.exists():
            return True
        with os.scandir(self._folder) as found:
            if sum(1 for _one in islice(found, MOST)) >= MOST:
                return False
        files.write(path, json.dumps({"email": address}), MODE)
        return True

    def take(self) -> list[str]:
        """Remove what waits, and return the addresses; what is none is dropped. Raises OSError."""
        return list(self._take())

    def _take(self) -> Iterator[str]:
        with os.scandir(self._folder) as found:
            names = [one.name for one in islice(found, 2 * MOST) if _FILE.fullmatch(one.name)]
        for name in names:
            path = self._folder / name
            try:
                content = foreign.read(path, LARGEST, owner=foreign.ANYBODY).content
                address = str(bounded_json.parse(content)["email"])
            except (OSError, ValueError, KeyError, TypeError):
                address = ""
            path.unlink(missing_ok=True)
            if address and not email_address.problem(address):
                yield address
