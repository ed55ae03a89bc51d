# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the state of the server on which this runs: clock, disks, firewall. Changes nothing."""

from __future__ import annotations

import ctypes
import dataclasses
import ipaddress
import os
from collections.abc import Iterable
from pathlib import Path

from ..command import CommandError, Runner, run
from ..common import bounded_json

# adjtimex(2) returns this if the clock is not synchronised; its structure fits on every architecture.
TIME_ERROR = 5
TIMEX_BYTES = 512

# If the daemon hangs, the request hangs too.
ASK_DOCKER = ("timeout", "10", "docker", "info", "--format", "{{.DockerRootDir}}")
DOCKER = "/var/lib/docker"

TABLES = ("inet silo_firewall", "bridge silo_firewall")
# Without what the kernel counts, which differs at each look.
ASK = ("nft", "--stateless", "--terse", "list")
LIST = "; ".join(f"{' '.join(ASK)} table {table}" for table in TABLES)
INPUT = (*ASK, "chain", "inet", "silo_firewall", "input")
# Loads the file into an empty rule set, in a network namespace that ends with the command.
EXPECTED = ("unshare", "--net", "sh", "-ec", f'nft --file "$1"; {LIST}', "sh")

# Routes of every table, because a VPN may have its own; the tenants' bridges are named by their index.
ROUTES = ("ip", "-4", "-json", "route", "show", "table", "all")
TENANT_BRIDGE = "im-"


@dataclasses.dataclass(frozen=True)
class Disk:
    """A file system. Sizes in bytes, for users other than root; `inodes` is 0 if it does not count them."""

    path: str
    size: int
    free: int
    inodes: int
    inodes_free: int


def synchronised() -> bool:
    """Whether the kernel's clock is kept by anything, as the kernel itself has it."""
    return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))) != TIME_ERROR


def docker_directory(runner: Runner) -> str:
    """Return Docker's directory of images and containers; its default if Docker does not answer."""
    try:
        return run(runner, ASK_DOCKER).strip() or DOCKER
    except CommandError:
        return DOCKER


def disks(paths: Iterable[str]) -> list[Disk]:
    """Return the file systems of `paths`, each once; a missing path is on that of its nearest parent."""
    found: dict[int, Disk] = {}
    for text in paths:
        path = Path(text)
        while not path.exists():
            path = path.parent
        status = os.statvfs(path)
        size, free = status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize
        found.setdefault(path.stat().st_dev, Disk(text, size, free, status.f_files, status.f_favail))
    return list(found.values())


def firewall_problem(runner: Runner, file: Path) -> str:
    """Return why the rules of `file` are not those that the kernel has; empty where they are."""
    if not file.is_file():
        return f"{file} is missing"
    loaded = ""
    for table in TABLES:
        try:
            loaded += run(runner, (*ASK, "table", *table.split()))
        except CommandError as error:
            return f"its table {table} is not loaded ({_first_line(error)})"
    try:
        expected = run(runner, (*EXPECTED, str(file)))
    except CommandError as error:
        return f"its tables are loaded, and could not be compared with {file} ({_first_line(error)})"
    return "" if loaded == expected else f"its tables are loaded, and their rules are not those of {file}"


def network_problem(runner: Runner, pool: str) -> str:
    """Return the other network that the server reaches at addresses of `pool`; empty for none.

    A new tenant's network would replace the route, and the server could not reach that network any more.
    """
    if not pool:
        return ""
    try:
        tenants = ipaddress.ip_network(pool)
        routes = bounded_json.parse(run(runner, ROUTES) or "[]")
    except (CommandError, ValueError) as error:
        return f"it could not be looked at: {' '.join(str(error).split())}"
    for route in routes:
        device, destination = route.get("dev", ""), route["dst"]
        if destination == "default" or device.startswith(TENANT_BRIDGE):
            continue
        if ipaddress.ip_network(destination).overlaps(tenants):
            where = " ".join(
                filter(None, (route.get("gateway") and f"by {route['gateway']}", device and f"on {device}"))
            )
            return f"{destination} is reached {where or 'by a route of its own'}, and overlaps {pool}"
    return ""


def input_problem(runner: Runner) -> str:
    """Return why this server does not drop unexpected connections; empty if it does."""
    try:
        chain = run(runner, INPUT)
    except CommandError as error:
        return f"the chain input of silo_firewall is not loaded ({_first_line(error)})"
    return "" if "policy drop;" in chain else "every listening port is open to everybody"


def _first_line(error: CommandError) -> str:
    return (error.completed.err or error.completed.out).strip().partition("\n")[0]
