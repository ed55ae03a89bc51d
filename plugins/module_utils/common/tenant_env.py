# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variables in each tenant's .env, as the last apply wrote them; they include the desired state."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from .names import is_tenant

FILE = ".env"
SET_UP = ".admin-created"
"""The file that marks an instance whose set-up is complete."""


def read(path: Path) -> dict[str, str]:
    """Return the variables of a file as apply writes it, without quotes; raises OSError."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def read_all(directory: Path) -> dict[str, dict[str, str]]:
    """Return the variables of each tenant below `directory`, by name and in its order; raises OSError."""
    found = {}
    for path in sorted(directory.glob(f"*/{FILE}")):
        if is_tenant(path.parent.name):
            with contextlib.suppress(FileNotFoundError):  # it was deleted meanwhile
                found[path.parent.name] = read(path)
    return found


def should_run(directory: Path) -> Mapping[str, dict[str, str]]:
    """Return the tenants that should run, except those whose set-up the next apply must complete."""
    return {
        name: variables
        for name, variables in read_all(directory).items()
        if variables.get("TENANT_STATE") == "running" and (directory / name / SET_UP).exists()
    }
