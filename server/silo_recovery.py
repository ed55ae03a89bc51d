"""Starts tenants that should run and do not, for example after a boot at which the NAS came later than Docker.

Docker starts containers once; without the NAS that fails, and Docker does not retry. A timer runs this program. Each
tenant's .env has its desired state.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json, files, tenant_env
from ansible_collections.swissphoto.silo.plugins.module_utils.common.systemd import NOTICE, WARNING, is_news
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import engine
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.compose import Compose, Runner, run_command
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.lock import APPLY, LockedError, held
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.probe import Storage, look, mounted
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import Container, StackError

from silo_proxy import Proxy, care

MOUNT_SECONDS = 20
# After a power cut, a database recovers before it is healthy, and the photo server waits for it.
START_SECONDS = 300
PROXY_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class TenantStack:
    """A tenant that should run; `services` are those of its Compose file.

    `uploads` is its directory on the NAS, `disk` that on the server's disk.
    """

    name: str
    directory: Path
    uploads: Path
    disk: Path
    services: frozenset[str]


@dataclasses.dataclass(frozen=True)
class RecoveryTools:
    """The operations on the server; tests replace them."""

    containers: Callable[[], list[Container]] = engine.containers
    look: Callable[[Path, Sequence[Path]], Storage] = look
    mounted: Callable[[Path], bool] = mounted
    mount: Runner = functools.partial(run_command, seconds=MOUNT_SECONDS)
    compose: Runner = functools.partial(run_command, seconds=START_SECONDS)
    proxy: Runner = functools.partial(run_command, seconds=PROXY_SECONDS)


@dataclasses.dataclass(frozen=True)
class Report:
    """The names of started tenants, and a sentence for each problem."""

    started: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def wanted(directory: Path) -> list[TenantStack]:
    """Return the tenants below `directory` that should run, except those whose set-up the next apply completes."""
    tenants = []
    for name, values in tenant_env.should_run(directory).items():
        services = (key.removesuffix("_DIGEST").lower() for key in values if key.endswith("_DIGEST"))
        uploads, disk = (Path(values.get(key, "")) for key in ("TENANT_STORAGE", "TENANT_DISK"))
        tenants.append(TenantStack(name, directory / name, uploads, disk, frozenset(services)))
    return tenants


def _mount(root: Path, run: Runner) -> str:
    """Have systemd mount `root` by its unit, in the host's namespace; return its error, or an empty text."""
    try:
        unit = run(("systemd-escape", "--path", "--suffix=mount", str(root)), {}).out.strip()
        result = run(("systemctl", "--no-ask-password", "start", unit), {})
    except StackError as error:
        return str(error)
    return printable(result.err.strip()) if result.rc else ""


def _storage(sentinel: Path, tenants: Iterable[TenantStack], tools: RecoveryTools) -> Storage:
    """Check the NAS, and once more after mounting it."""
    uploads = [tenant.uploads for tenant in tenants]
    storage = tools.look(sentinel, uploads)
    if not storage.problem or tools.mounted(sentinel.parent):
        return storage
    reason = _mount(sentinel.parent, tools.mount)
    storage = tools.look(sentinel, uploads)
    return Storage(f"{storage.problem}: {reason}") if storage.problem and reason else storage


def _mount_disks(tenants: Iterable[TenantStack], tools: RecoveryTools) -> Mapping[Path, str]:
    """Mount the server's disk for its tenants where one lacks its directory; return each mount point to its error.

    It may have come after the boot. Nobody is kept from a start: who has its directory needs no mount.
    """
    roots = {tenant.disk.parent for tenant in tenants if not tenant.disk.is_dir()}
    return {root: _mount(root, tools.mount) for root in sorted(roots) if not tools.mounted(root)}


def _resume(tenant: TenantStack, storage: Storage, disks: Mapping[Path, str], run: Runner) -> str:
    """Start a tenant; return the error, or an empty text."""
    if not tenant.disk.is_dir():
        reason = disks.get(tenant.disk.parent) or "see that the server's disk is mounted"
        return f"{tenant.name}: {tenant.disk} is missing on this server: {reason}"
    if tenant.uploads not in storage.directories:
        return f"{tenant.name}: {tenant.uploads} is missing on the NAS; an apply with its storage part creates it"
    try:
        Compose(tenant.directory, START_SECONDS, run).resume()
    except (StackError, OSError) as error:
        return f"{tenant.name}: {error}"
    return ""


class Turns:
    """When each tenant was last started, so that those that never come up wait behind the others, run after run."""

    def __init__(self, path: Path) -> None:
        """Read the file, which is in a directory of root's; a missing or broken one is an empty one."""
        self._path, self._lock = path, threading.Lock()
        try:
            self._last = {str(name): float(at) for name, at in bounded_json.parse(path.read_bytes()).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            self._last = {}

    def in_order(self, tenants: Iterable[TenantStack]) -> list[TenantStack]:
        """Return the tenants, the one that was longest without a start first."""
        return sorted(tenants, key=lambda tenant: (self._last.get(tenant.name, 0.0), tenant.name))

    def begin(self, tenant: TenantStack) -> None:
        """Note, before it is made, that a tenant is started: a run that is cut off at it has done so."""
        # A full disk keeps nobody from a start.
        with self._lock, contextlib.suppress(OSError):
            self._last[tenant.name] = time.time()
            files.write(self._path, json.dumps(self._last), 0o600, durable=False)


def recover(directory: Path, sentinel: Path, tools: RecoveryTools, turns: Turns) -> Report:
    """Start the tenants below `directory` that should run and do not; none if the NAS is away."""
    tenants = wanted(directory)
    storage = _storage(sentinel, tenants, tools)
    if storage.problem:
        return Report(problems=(f"{storage.problem}; no container starts until this is fixed",))
    running = {(container.tenant, container.service) for container in tools.containers() if container.running}
    down = [tenant for tenant in tenants if any((tenant.name, service) not in running for service in tenant.services)]
    down = turns.in_order(down)
    disks = _mount_disks(down, tools)

    def resume(tenant: TenantStack) -> str:
        turns.begin(tenant)
        return _resume(tenant, storage, disks, tools.compose)

    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        answers = list(pool.map(resume, down))
    # In an order that stays, so that the same problems are the same text.
    ended = sorted((tenant.name, answer) for tenant, answer in zip(down, answers, strict=True))
    return Report(
        tuple(name for name, answer in ended if not answer), tuple(answer for _name, answer in ended if answer)
    )


def tell_of_proxy(cared: Sequence[str], memory: Path) -> None:
    """Print problems with Traefik's files, unless `memory`, the file of the last messages, already has them."""
    if is_news("\n".join(cared), memory):
        for sentence in cared:
            print(f"{WARNING}{sentence}")


def tell(report: Report, memory: Path) -> None:
    """Print started tenants, and problems unless `memory`, the file of the last messages, already has them."""
    if report.started:
        print(f"{NOTICE}started {', '.join(report.started)}")
    problems = "\n".join(report.problems)
    if is_news(problems, memory):
        for line in report.problems or ("all problems are solved; the tenants can run",):
            print(f"{WARNING if problems else NOTICE}{line}")


def main(arguments: Sequence[str] | None = None, tools: RecoveryTools | None = None, lock: Path = APPLY) -> int:
    """Run once; return the exit code, 0 even if there are problems, because the timer tries again."""
    parser = argparse.ArgumentParser(prog="recovery", description="Starts the tenants that should run and do not.")
    parser.add_argument("directory", type=Path, help="directory with one directory per tenant")
    parser.add_argument("sentinel", type=Path, help="a file that exists only on the NAS")
    parser.add_argument("memory", type=Path, help="file of the last messages")
    parser.add_argument("container", help="name of the proxy's container")
    parser.add_argument("routes", type=Path, help="directory of the proxy's routes")
    parser.add_argument("certificates", type=Path, help="file of the proxy's certificates")
    options = parser.parse_args(arguments)
    tools = tools or RecoveryTools()
    # Before the lock: an apply that holds it may wait for an address that this repairs.
    cared = care(Proxy(options.container, options.routes, options.certificates, tools.proxy))
    try:
        with held(lock, 0):
            turns = Turns(options.memory.with_suffix(".turns"))
            report = recover(options.directory, options.sentinel, tools, turns)
    except LockedError:
        # An apply is running, and starts the tenants itself.
        report = None
    except StackError as error:
        report = Report(problems=(str(error),))
    tell_of_proxy(cared, options.memory.with_suffix(".proxy"))
    if report:
        tell(report, options.memory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
