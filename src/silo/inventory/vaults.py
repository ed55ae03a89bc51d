"""The vaults of tenants in the history of an inventory: an apply creates and commits them, encrypted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from silo.inventory.document import VAULT
from silo.inventory.errors import InventoryError
from silo.inventory.history import Author, History
from silo.inventory.transaction import Edit, Folder, Write

WAIT_SECONDS = 60
AUTHOR = "SILO_AUTHOR"


def commit(files: Sequence[Path], author: str | None = None) -> str | None:
    """Commit those vault.yml that git does not know yet; return the commit, or None where there is nothing to commit.

    A run that was killed before its commit leaves some, which the next one commits. A file that is not encrypted, or
    that git ignores, is left out. `author` is that of InventoryEditor, by default $SILO_AUTHOR. Raises InventoryError.
    """
    if not files:
        return None
    # host_vars/<name>/vault.yml
    root = files[0].parents[2].resolve()
    given = author or os.environ.get(AUTHOR)
    history = History.of(root, Author.parse(given) if given else None)
    if history is None or history.is_product:
        return None
    paths = [f"host_vars/{file.parent.name}/{file.name}" for file in files]
    if not history.unknown(paths):
        return None
    folder = Folder(root)
    with folder.locked(WAIT_SECONDS):
        found = {path: folder.read(path) for path in history.unknown(paths)}
        steps = tuple(Write(path, None, text) for path, text in found.items() if text and text.startswith(VAULT))
        names = ", ".join(Path(step.path).parent.name for step in steps)
        return history.commit(Edit(f"Add the encrypted secrets of {names}", steps)) if steps else None


def problem(files: Sequence[Path], author: str | None = None) -> str:
    """Commit as `commit` does; return why it could not be done, as a sentence, empty where all is well."""
    try:
        commit(files, author)
    except (InventoryError, OSError) as error:
        return f"New vaults are not committed, and the next apply tries again: {error}"
    return ""
