"""What Ansible makes of an inventory: role, policy, plan and files merged in its own order, templates filled in."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import typing as t
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from ansible.module_utils.common.text.formatters import human_to_bytes

from silo.billing import policy as billing
from silo.capacity import Server
from silo.inventory.errors import InventoryError, shown
from silo.notifications.settings import OPERATOR, VARIABLES
from silo.repository import root
from silo.tenant.schema import normal_size

LIMIT_SECONDS = 120
MEMORY = {
    "total": "silo_memory_of_server",
    "reserve": "silo_memory_reserve",
    "machine_learning": "silo_memory_machine_learning",
    "traefik": "silo_memory_traefik",
    "template": "silo_template_memory",
}
MEMORY_OVERCOMMIT = "silo_memory_overcommit"
STORAGE_OVERCOMMIT = "silo_storage_overcommit"
DISK_OVERCOMMIT = "silo_disk_overcommit"
TRASH_DAYS = "silo_trash_days"
TRASH_PURGES = "silo_trash_purges"
NAME_YEARS = "silo_name_reserved_years"
LETTERS = (*VARIABLES.values(), OPERATOR)
PAYMENT_URL = "silo_payment_url"
# The numbers of the policy, each with the least that is right.
NUMBERS = {TRASH_DAYS: 1, TRASH_PURGES: 1, NAME_YEARS: 0}
MOST = 1_000_000
LEAST_MEMORY = 1024**2
PLATFORM = ("silo_domain", PAYMENT_URL, TRASH_DAYS, TRASH_PURGES, NAME_YEARS, *LETTERS, *billing.VARIABLES)


@dataclasses.dataclass(frozen=True)
class PlatformPolicy:
    """What holds for the whole platform. `letters` are the variables of relay, sender and operator.

    `billing` are those of the rules; silo.billing.policy reads them. `payment_url` is where anybody can pay.
    `name_years` is how long the name of a deleted tenant is reserved. `servers` and `nas` are those of the inventory.
    """

    domain: str
    trash_days: int
    trash_purges: int
    letters: Mapping[str, t.Any]
    billing: Mapping[str, t.Any]
    payment_url: str
    name_years: int
    servers: frozenset[str]
    nas: frozenset[str]


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
            raise InventoryError(f"{host}: {key} is {shown(value)}; it must be a factor such as 1.0 or 1.2")
        return factor

    def policy(self) -> PlatformPolicy:
        """Return what holds for the whole platform, as its first server has it; raises InventoryError."""
        servers = sorted(self.groups.get("servers", ()))
        if not servers:
            raise InventoryError("there is no server in the inventory's group servers; add one to hosts.yml")
        numbers = {key: self._number(servers[0], key, least) for key, least in NUMBERS.items()}
        letters = {key: self._policy(servers[0], key) for key in LETTERS}
        domain = str(self._policy(servers[0], "silo_domain"))
        rules = {key: self._policy(servers[0], key) for key in billing.VARIABLES}
        return PlatformPolicy(
            domain,
            numbers[TRASH_DAYS],
            numbers[TRASH_PURGES],
            letters,
            rules,
            str(self._policy(servers[0], PAYMENT_URL)),
            numbers[NAME_YEARS],
            frozenset(servers),
            frozenset(self.groups.get("nas", ())),
        )

    def _number(self, host: str, key: str, least: int) -> int:
        value = self._policy(host, key)
        if not isinstance(value, int) or not least <= value <= MOST:
            raise InventoryError(f"{host}: {key} is {shown(value)}; it must be a number from {least} up")
        return value

    def _size(self, host: str, key: str) -> int:
        value = self._policy(host, key)
        try:
            size = int(human_to_bytes(normal_size(value)))
        except (TypeError, ValueError):
            size = -1
        # 64 is 64 bytes, which nobody means.
        if size < 0 or 0 < size < LEAST_MEMORY:
            raise InventoryError(
                f"{host}: {key} is {shown(value)}; it must be a size with its unit, such as 512M or 128G"
            )
        return size

    def _policy(self, host: str, key: str) -> t.Any:
        if problems := [text for text in self.problems.get(host, ()) if text.startswith(f"{host}: {key} ")]:
            raise InventoryError(problems)
        return self.hosts.get(host, {}).get(key)


class Reader:
    """Ansible in a process of its own, which starts with the first question, or before, and ends with its block.

    It is good for one edit: what Ansible learns of folders it does not look up again.
    """

    def __init__(self, root: Path) -> None:
        """Read the inventory at `root`."""
        self._root = root
        self._process: subprocess.Popen[str] | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the block

    def __enter__(self) -> Reader:
        """Return the reader."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End the process."""
        self.end()

    def end(self) -> None:
        """End the process; nothing can be asked any more."""
        if self._process:
            self._process.kill()
            self._process.communicate()
        self._said.close()

    def start(self) -> None:
        """Let the process load its modules, which takes half a second; it reads the inventory when it is asked."""
        self._process = self._process or self._start()

    def merge(
        self, tenants: Mapping[str, Sequence[str] | None] = MappingProxyType({}), also: Sequence[str] = ()
    ) -> Merged:
        """Read the inventory as if `tenants` were in it: name to the texts of its files, or None for gone.

        The texts are in Ansible's order, tenant.yml last. `also` are further variables of servers and NAS.
        Raises InventoryError with Ansible's words.
        """
        policy = [*MEMORY.values(), MEMORY_OVERCOMMIT, STORAGE_OVERCOMMIT, DISK_OVERCOMMIT, *PLATFORM, *also]
        answer = self._ask({"inventory": str(self._root), "tenants": dict(tenants), "policy": policy})
        if "error" in answer:
            raise InventoryError(f"{self._root}: Ansible could not read it: {answer['error']}")
        return Merged(**answer)

    def _ask(self, request: Mapping[str, t.Any]) -> dict[str, t.Any]:
        process = self._process = self._process or self._start()
        watch = threading.Timer(LIMIT_SECONDS, process.kill)
        watch.start()
        try:
            if process.stdin and process.stdout:
                print(json.dumps(request), file=process.stdin, flush=True)
                return dict(json.loads(process.stdout.readline()))
        except (OSError, ValueError):
            pass  # It has ended; why, it said on its standard error.
        finally:
            watch.cancel()
        self._said.seek(0)
        said = " ".join(self._said.read().decode(errors="replace").split()[-40:])
        raise InventoryError(
            f"{self._root}: Ansible could not read it: {said or f'no answer in {LIMIT_SECONDS} seconds'}"
        )

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("_reader.py"))],
            cwd=root(),
            env={**os.environ, "ANSIBLE_CONFIG": str(root() / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )
