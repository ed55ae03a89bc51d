"""What Ansible makes of an inventory: role, policy, plan and files merged in its own order, templates filled in."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible.module_utils.common.text.formatters import human_to_bytes

from silo.capacity import Server
from silo.inventory.errors import InventoryError, shown
from silo.runner import ROOT

LIMIT_SECONDS = 120
MEMORY = {
    "total": "silo_memory_of_server",
    "reserve": "silo_memory_reserve",
    "machine_learning": "silo_memory_machine_learning",
    "traefik": "silo_memory_traefik",
}
MEMORY_OVERCOMMIT = "silo_memory_overcommit"
STORAGE_OVERCOMMIT = "silo_storage_overcommit"


@dataclasses.dataclass(frozen=True)
class Merged:
    """An inventory as a play sees it: `groups` (name to hosts), `tenants` (name to its `tenant_*` values).

    `hosts` holds the policy of each server and NAS; `problems` what could not be worked out, by tenant or host.
    """

    groups: Mapping[str, Sequence[str]]
    tenants: Mapping[str, Mapping[str, t.Any]]
    hosts: Mapping[str, Mapping[str, t.Any]]
    problems: Mapping[str, Sequence[str]]

    def server(self, name: str) -> Server:
        """Return the memory of a server by the policy; raises InventoryError."""
        return Server(**{field: self._size(name, key) for field, key in MEMORY.items()})

    def overcommit(self, host: str, key: str) -> float:
        """Return how much more than all may be promised; raises InventoryError."""
        value = self._policy(host, key)
        try:
            factor = float(value)
        except (TypeError, ValueError):
            factor = math.nan
        if not 0 < factor <= 100:
            raise InventoryError(f"{host}: {key} is {shown(value)}; a factor such as 1.0 or 1.2 is right")
        return factor

    def _size(self, host: str, key: str) -> int:
        value = self._policy(host, key)
        try:
            size = int(human_to_bytes(value))
        except (TypeError, ValueError):
            size = -1
        if size < 0:
            raise InventoryError(f"{host}: {key} is {shown(value)}; a size such as 512M or 128G is right")
        return size

    def _policy(self, host: str, key: str) -> t.Any:
        if problems := self.problems.get(host):
            raise InventoryError(problems)
        return self.hosts.get(host, {}).get(key)


def merge(root: Path, tenants: Mapping[str, Sequence[str] | None]) -> Merged:
    """Read the inventory at `root` as if `tenants` were in it: name to the texts of its files, or None for gone.

    The texts are in Ansible's order, tenant.yml last. Raises InventoryError with Ansible's words.
    """
    request = {
        "inventory": str(root),
        "tenants": tenants,
        "policy": [*MEMORY.values(), MEMORY_OVERCOMMIT, STORAGE_OVERCOMMIT],
    }
    command = [sys.executable, "-P", str(Path(__file__).with_name("_merge.py"))]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    try:
        process = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InventoryError(f"{root}: Ansible could not read it within {LIMIT_SECONDS} seconds") from error
    try:
        answer = json.loads(process.stdout)
    except ValueError as error:
        said = " ".join(process.stderr.split()[-40:])
        raise InventoryError(f"{root}: Ansible could not read it: {said or process.returncode}") from error
    if "error" in answer:
        raise InventoryError(f"{root}: Ansible could not read it: {answer['error']}")
    return Merged(**answer)
