"""silo controller rebuild-vault: the vault of a tenant, made again from the passwords on its server."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files

from silo.ansible import runner
from silo.controller.errors import ControllerError
from silo.diagnostics import vault
from silo.state import State

PLAYBOOK = "tenant-vault.yml"
LOST = "lost-vaults"


def rebuild(inventory: Path, state: State, names: Sequence[str]) -> list[Path]:
    """Make the vaults of these tenants again; return where those went that nobody can open.

    Raises ControllerError for a vault that can be opened, and RunError; each vault that was written by then is whole.
    """
    names = list(dict.fromkeys(names))
    there = [path for name in names if (path := inventory / "host_vars" / name / "vault.yml").exists()]
    problems, reason = vault.try_open(there)
    if reason:
        raise ControllerError(f"there is no vault password: {reason}; {vault.PASSWORD}. Nothing was changed")
    if fine := [path for path in there if str(path) not in problems]:
        raise ControllerError(
            f"{', '.join(map(str, fine))}: the vault password opens it, so there is nothing to make again; nothing was "
            "changed"
        )
    moved = [_put_away(path, state) for path in there]
    for _event in runner.events(PLAYBOOK, inventory, ["--limit", ",".join(names)]):
        pass
    return moved


def _put_away(path: Path, state: State) -> Path:
    folder = state.folder / LOST
    folder.mkdir(mode=0o700, exist_ok=True)
    now = datetime.datetime.now(datetime.UTC)
    target = folder / f"{path.parent.name}-{now:%Y%m%dT%H%M%S%f}.yml"
    files.move(path, target)
    return target
