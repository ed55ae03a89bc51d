# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries out the plan of one tenant, step by step; each step raises StackError or OSError.

`converge` takes the steps of all tenants together: close, announce, work, open.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..common.text import printable
from .address import wait
from .appquota import set_app_quota
from .birth import DATABASE
from .compose import Compose, run_command
from .files import make_directory, remove_file, write_file
from .lending import Lending, Lent
from .login import set_login
from .major import of_pulled_image
from .materialise import FromTemplate, Steps, adopt, materialise
from .plan import Plan
from .probe import Storage
from .stack import Stack, StackError
from .stock import Found, Stock
from .trash import fingerprint_matches
from .uploads import holds_files

# A certificate takes a few seconds; if it takes longer, the operator should see the reason.
ADDRESS_SECONDS = 60
SYSTEMD_SECONDS = 60


def systemctl(*arguments: str) -> None:
    """Run systemctl; raises StackError."""
    result = run_command(("systemctl", *arguments), {}, seconds=SYSTEMD_SECONDS)
    if result.rc:
        raise StackError(f"systemctl {' '.join(arguments)} failed: {printable(result.err.strip())}")


@dataclasses.dataclass(frozen=True)
class StackTools:
    """The tools that carry out a plan; tests replace them."""

    compose: Callable[[Path], Compose]
    look: Callable[[Sequence[Path]], Storage]
    stock: Stock
    lending: Lending
    steps: Steps = Steps()
    holds_files: Callable[[Path, int], bool] = holds_files
    set_app_quota: Callable[[Stack], None] = set_app_quota
    set_login: Callable[[Stack], None] = set_login
    wait_for_addresses: Callable[[Sequence[str]], Mapping[str, str]] = lambda names: wait(names, ADDRESS_SECONDS)
    systemctl: Callable[..., None] = systemctl
    major: Callable[[str], str] = of_pulled_image


def close(plan: Plan) -> None:
    """Remove the route or point it to the pages, before the stack behind it changes."""
    if plan.close and plan.stack.state in ("stopped", "suspended"):
        write_file(plan.stack.route)
    elif plan.close:
        remove_file(plan.stack.route.path)
    if plan.forget and not plan.announce:
        remove_file(plan.stack.starting.path)


def announce(plan: Plan, storage: Storage) -> None:
    """Point the address of a new tenant to the pages, so that its certificate arrives while its stack starts."""
    if plan.announce:
        _check_storage(plan.stack, storage)
        write_file(plan.stack.starting)


def work(plan: Plan, tools: StackTools, storage: Storage, found: Found, lent: Lent) -> None:
    """Start the containers of a tenant that should run, with all that they need; stop those of one that should not."""
    if plan.stack.state == "running":
        _start(plan, tools, storage, found, lent)
    else:
        _rest(plan, tools)


def open_route(plan: Plan) -> None:
    """Write the route last, and take away the page that announced the start."""
    if plan.open:
        write_file(plan.stack.route)
    if plan.announce:
        remove_file(plan.stack.starting.path)


def _start(plan: Plan, tools: StackTools, storage: Storage, found: Found, lent: Lent) -> None:
    stack = plan.stack
    if plan.up:
        _check_storage(stack, storage)
        _check_memory(plan, lent)
    if plan.birth:
        check_uploads(stack, tools)
    else:
        _check_password(plan)
    for directory in plan.directories:
        make_directory(directory)
    _write(plan)
    if set(plan.files) & set(stack.units):
        # Before the containers start, systemd must know the new limit of the slice.
        tools.systemctl("daemon-reload")
    if plan.up:
        _up(plan, tools.compose(stack.directory), tools, found)
    if plan.app_quota and not plan.birth:
        tools.set_app_quota(stack)
    if plan.app_quota:
        write_file(stack.granted)
    if plan.login:
        if not plan.birth:
            tools.set_login(stack)
        write_file(stack.login)


def _write(plan: Plan) -> None:
    """Write the files side by side, because each waits for the disk; the record is last, as it says what to start."""
    others = [file for file in plan.files if file != plan.stack.record]
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(others))) as pool:
        list(pool.map(write_file, others))
    if plan.stack.record in plan.files:
        write_file(plan.stack.record)


def _up(plan: Plan, compose: Compose, tools: StackTools, found: Found) -> None:
    if plan.strays:
        compose.remove(plan.strays)
    if plan.birth:
        materialise(plan.stack, FromTemplate(found.kept[plan.stack.template]), compose, tools.steps)
        return
    for layer in plan.layers:
        if layer.restart:
            compose.restart(layer.restart)
        if moved := [service for service in layer.up if service in plan.moved]:
            # Other images may import places, or change a database, and need more memory for it than ever afterwards.
            compose.create(moved)
            tools.lending.give(plan.stack.name, moved)
        if layer.up:
            compose.up(layer.up)
        compose.wait(layer.services)
    if plan.first:
        adopt(plan.stack, compose, tools.steps)


def _rest(plan: Plan, tools: StackTools) -> None:
    # The record comes first, so that silo-recovery does not start a tenant that is being stopped.
    for file in plan.files:
        write_file(file)
    if plan.frozen:
        # It has been frozen for a reason: it is not to run again in order to end.
        tools.compose(plan.stack.directory).kill(plan.frozen)
    if plan.stop:
        tools.compose(plan.stack.directory).stop()
    elif plan.down:
        tools.compose(plan.stack.directory).down()
        for unit in plan.stack.units:
            tools.systemctl("stop", unit.path.name)
            remove_file(unit.path)


def _check_storage(stack: Stack, storage: Storage) -> None:
    if storage.problem:
        raise StackError(f"{storage.problem}; no container was started")
    if stack.uploads not in storage.directories:
        raise StackError(f"{stack.uploads} is missing on the NAS; an apply with its storage part creates it")


def check_uploads(stack: Stack, tools: StackTools) -> None:
    """Refuse to put an empty cloud over somebody's photos, as where a server was lost, or its disk was not mounted."""
    if not stack.anew and tools.holds_files(stack.uploads, stack.owner):
        raise StackError(
            f"{stack.uploads} holds files, and there is no database of it in {stack.disk}; nothing was started. "
            "Restore its directory on the server from where it was before, or from a backup; "
            f"'silo apply {stack.name} --anew' starts an empty cloud instead, and leaves the files where they are"
        )


def _check_password(plan: Plan) -> None:
    """Refuse a password other than the database's, for example after vault.yml was lost and created again."""
    written = {file.path.name: file for file in plan.files}
    if "database_password" in written and (plan.stack.disk / DATABASE / "PG_VERSION").exists():
        if fingerprint_matches(plan.stack.directory, written["database_password"].content):
            return
        former = plan.stack.directory / "secrets" / "database_password"
        hint = f"it is kept in {former} on the server" if former.exists() else "restore the former vault.yml"
        raise StackError(f"its database was made with another password than that of its vault.yml; {hint}")


def _check_memory(plan: Plan, lent: Lent) -> None:
    if plan.stack.name in lent.growing and lent.in_the_way:
        raise StackError(lent.in_the_way)
