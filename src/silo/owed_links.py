"""The first one-time links that customers have yet to get, where no relay sends them: a file beside the inventory."""

from __future__ import annotations

import contextlib
import datetime
import json
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files, locks

FILE = "owed-links.json"


class OwedLinks:
    """Tenants with the time (ISO 8601) since when their link is owed; each call is atomic, and on disk on return.

    A file that cannot be read owes nothing: `silo reset-access` makes a link at any time.
    """

    def __init__(self, folder: Path) -> None:
        """Use the folder of silo's state."""
        self._path = folder / FILE

    def all(self) -> Mapping[str, str]:
        """Return since when which tenant's link is owed."""
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(name): str(since) for name, since in found.items()} if isinstance(found, dict) else {}

    def owe(self, name: str) -> bool:
        """Record that a link is owed; False if it is already."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with self._open() as owed:
            is_new = name not in owed
            owed.setdefault(name, now)
        return is_new

    def forget(self, name: str) -> None:
        """Record that a link is made, or not owed any more."""
        if name in self.all():
            with self._open() as owed:
                owed.pop(name, None)

    @contextlib.contextmanager
    def _open(self) -> Iterator[dict[str, t.Any]]:
        with locks.held(self._path.with_suffix(".lock"), wait_seconds=None):
            owed = dict(self.all())
            yield owed
            files.write(self._path, json.dumps(owed, indent=1), 0o600, scratch=self._path.with_suffix(".new"))
