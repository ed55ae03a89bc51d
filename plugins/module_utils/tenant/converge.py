# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries out plans in parallel; a failure affects the outcome of its own tenant only."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .address import wait
from .appquota import set_app_quota
from .compose import OPEN_SETUP, Compose, run_command
from .files import make_directory, remove_file, write_file
from .immich import create_admin
from .plan import Plan
from .probe import Storage
from .rollout import former, pioneers, waits, way_back
from .stack import Admin, Stack, StackError
from .trash import fingerprint_matches

# A certificate takes a few seconds; if it takes longer, the operator should see the reason.
ADDRESS_SECONDS = 60
SYSTEMD_SECONDS = 60
# Half of a start is waiting, during which another tenant can use the core.
WORKERS = 2 * (os.cpu_count() or 1)


@dataclasses.dataclass(frozen=True)
class StackOutcome:
    """The result for one tenant; `error` is empty on success."""

    plan: Plan
    error: str = ""


def systemctl(*arguments: str) -> None:
    """Run systemctl; raises StackError."""
    result = run_command(("systemctl", *arguments), {}, seconds=SYSTEMD_SECONDS)
    if result.returncode:
        raise StackError(f"systemctl {' '.join(arguments)} failed: {' '.join(result.stderr.split())}")


@dataclasses.dataclass(frozen=True)
class StackTools:
    """The tools that carry out a plan; tests replace them."""

    compose: Callable[[Path], Compose]
    look: Callable[[Sequence[Path]], Storage]
    create_admin: Callable[[Admin], None] = create_admin
    set_app_quota: Callable[[Stack], None] = set_app_quota
    wait_for_addresses: Callable[[Sequence[str]], Mapping[str, str]] = lambda names: wait(names, ADDRESS_SECONDS)
    systemctl: Callable[..., None] = systemctl


def _look(plans: Sequence[Plan], tools: StackTools) -> Storage:
    """Check the NAS once for all tenants with a container to start; without such a tenant, do not check it."""
    uploads = [plan.stack.uploads for plan in plans if plan.up]
    return tools.look(uploads) if uploads else Storage()


def _check_storage(stack: Stack, storage: Storage) -> None:
    if storage.problem:
        raise StackError(f"{storage.problem}; no container was started")
    if stack.uploads not in storage.directories:
        raise StackError(f"{stack.uploads} is missing on the NAS; an apply with its storage part creates it")


def _check_password(plan: Plan) -> None:
    """Refuse a password other than the database's, for example after vault.yml was lost and created again."""
    written = {file.path.name: file for file in plan.files}
    if "database_password" in written and (plan.stack.directory / "database" / "PG_VERSION").exists():
        if fingerprint_matches(plan.stack.directory, written["database_password"].content):
            return
        former = plan.stack.directory / "secrets" / "database_password"
        hint = f"it is kept in {former} on the server" if former.exists() else "restore the former vault.yml"
        raise StackError(f"its database was made with another password than that of its vault.yml; {hint}")


def _start(plan: Plan, tools: StackTools, storage: Storage) -> None:
    stack = plan.stack
    if plan.up:
        _check_storage(stack, storage)
    _check_password(plan)
    for directory in plan.directories:
        make_directory(directory)
    for file in plan.files:
        write_file(file)
    if set(plan.files) & set(stack.units):
        # Before the containers start, systemd must know the new limit of the slice.
        tools.systemctl("daemon-reload")
    if plan.up:
        _up(plan, tools.compose(stack.directory), tools)
    if plan.app_quota:
        tools.set_app_quota(stack)
        write_file(stack.granted)


def _up(plan: Plan, compose: Compose, tools: StackTools) -> None:
    if plan.strays:
        compose.remove(plan.strays)
    if plan.first:
        compose.up(OPEN_SETUP)
        tools.create_admin(plan.stack.admin)
        write_file(plan.stack.marker)
        # Its database and cache are new and healthy; only the photo server must restart, to close the set-up.
        compose.up(only="server")
        return
    if plan.restart:
        compose.restart(plan.restart)
    compose.up()


def _close(plan: Plan) -> None:
    """Remove the route or point it to the pages, before the stack behind it changes."""
    if plan.close and plan.stack.state in ("stopped", "suspended"):
        write_file(plan.stack.route)
    elif plan.close:
        remove_file(plan.stack.route.path)
    if plan.forget and not plan.announce:
        remove_file(plan.stack.starting.path)


def _announce(plan: Plan, storage: Storage) -> None:
    """Point the address of a new tenant to the pages, so that its certificate arrives while its stack starts."""
    if plan.announce:
        _check_storage(plan.stack, storage)
        write_file(plan.stack.starting)


def _rest(plan: Plan, tools: StackTools) -> None:
    # The record comes first, so that silo-recovery does not start a tenant that is being stopped.
    for file in plan.files:
        write_file(file)
    if plan.stop:
        tools.compose(plan.stack.directory).stop()
    elif plan.down:
        tools.compose(plan.stack.directory).down()
        for unit in plan.stack.units:
            tools.systemctl("stop", unit.path.name)
            remove_file(unit.path)


def _work(plan: Plan, tools: StackTools, storage: Storage) -> None:
    if plan.stack.state == "running":
        _start(plan, tools, storage)
    else:
        _rest(plan, tools)


def _open(plan: Plan) -> None:
    if plan.open:
        write_file(plan.stack.route)
    if plan.announce:
        remove_file(plan.stack.starting.path)


def _take_back(outcome: StackOutcome) -> StackOutcome:
    """Remove the page that announces a start, because the start has failed."""
    if outcome.error and outcome.plan.announce:
        remove_file(outcome.plan.stack.starting.path)
    return outcome


def _step(outcome: StackOutcome, work: Callable[[Plan], None]) -> StackOutcome:
    """Continue with a tenant that has not failed so far."""
    if outcome.error:
        return outcome
    try:
        work(outcome.plan)
    except (StackError, OSError) as error:
        return StackOutcome(outcome.plan, str(error))
    return outcome


def _await(outcomes: Sequence[StackOutcome], tools: StackTools) -> list[StackOutcome]:
    """Wait until the addresses work, so that a finished run means working addresses."""
    opened = [outcome.plan.stack.host_name for outcome in outcomes if outcome.plan.open and not outcome.error]
    problems = tools.wait_for_addresses(opened)

    def settle(plan: Plan) -> None:
        if problem := problems.get(plan.stack.host_name):
            # Traefik requests a certificate only when a route is new. So remove the route, and the next run writes it
            # again.
            if plan.anew:
                remove_file(plan.stack.route.path)
            raise StackError(problem)

    return [_step(outcome, settle) for outcome in outcomes]


def converge(plans: Sequence[Plan], tools: StackTools) -> list[StackOutcome]:
    """Carry out `plans`; if they bring other images, one tenant tries them before the others."""
    first = pioneers(plans)
    # The current images must be read before they are overwritten.
    backs = {plan.stack.name: way_back(former(plan)) for plan in first}
    tried = [_add(outcome, backs[outcome.plan.stack.name]) for outcome in _converge(first, tools)] if first else []
    failed = [outcome.plan for outcome in tried if outcome.error]
    done = {outcome.plan.stack.name: outcome for outcome in tried}
    others = [plan for plan in plans if plan.stack.name not in done]
    done |= {plan.stack.name: StackOutcome(plan, reason) for plan in others if (reason := waits(plan, failed))}
    rest = _converge([plan for plan in others if plan.stack.name not in done], tools)
    done |= {outcome.plan.stack.name: outcome for outcome in rest}
    return [done[plan.stack.name] for plan in plans]


def _add(outcome: StackOutcome, text: str) -> StackOutcome:
    return StackOutcome(outcome.plan, outcome.error + text) if outcome.error else outcome


def _converge(plans: Sequence[Plan], tools: StackTools) -> list[StackOutcome]:
    """Carry out `plans`: close all routes together, then change the stacks, then open all routes together.

    Traefik reads every route at each change of one, so they are written together.
    """
    storage = _look(plans, tools)
    outcomes = [_step(StackOutcome(plan), _close) for plan in plans]
    outcomes = [_step(outcome, lambda plan: _announce(plan, storage)) for outcome in outcomes]
    with concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS) as pool:
        outcomes = list(pool.map(lambda outcome: _step(outcome, lambda plan: _work(plan, tools, storage)), outcomes))
    outcomes = [_take_back(_step(outcome, _open)) for outcome in outcomes]
    return _await(outcomes, tools)
