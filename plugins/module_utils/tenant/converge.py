# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans carried out, side by side; what happens to one tenant is that tenant's outcome and nobody else's."""

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
from .major import of_pulled_image, refusals
from .plan import Plan
from .probe import Storage
from .rollout import former, pioneers, waits, way_back
from .stack import Admin, Stack, StackError
from .trash import fingerprint_matches

# The next certificate takes a few seconds; where it takes longer, there is a reason that somebody should read.
ADDRESS_SECONDS = 60
SYSTEMD_SECONDS = 60
# A start is half of it waiting, for what another's can use.
WORKERS = 2 * (os.cpu_count() or 1)


@dataclasses.dataclass(frozen=True)
class StackOutcome:
    """How it went with one tenant; `error` is empty where it went well."""

    plan: Plan
    error: str = ""


def systemctl(*arguments: str) -> None:
    """Tell systemd something; raises StackError."""
    result = run_command(("systemctl", *arguments), {}, seconds=SYSTEMD_SECONDS)
    if result.returncode:
        raise StackError(f"systemctl {' '.join(arguments)} failed: {' '.join(result.stderr.split())}")


@dataclasses.dataclass(frozen=True)
class StackTools:
    """What a plan is carried out with; tests bring their own."""

    compose: Callable[[Path], Compose]
    look: Callable[[Sequence[Path]], Storage]
    create_admin: Callable[[Admin], None] = create_admin
    set_app_quota: Callable[[Stack], None] = set_app_quota
    wait_for_addresses: Callable[[Sequence[str]], Mapping[str, str]] = lambda names: wait(names, ADDRESS_SECONDS)
    systemctl: Callable[..., None] = systemctl
    major: Callable[[str], str] = of_pulled_image


def _look(plans: Sequence[Plan], tools: StackTools) -> Storage:
    """Look at the NAS once for all tenants with something to start; without such, it may be away."""
    uploads = [plan.stack.uploads for plan in plans if plan.up]
    return tools.look(uploads) if uploads else Storage()


def _check_storage(stack: Stack, storage: Storage) -> None:
    if storage.problem:
        raise StackError(f"{storage.problem}; no container was started")
    if stack.uploads not in storage.directories:
        raise StackError(f"{stack.uploads} is missing on the NAS; the storage part of an apply makes it")


def _check_password(plan: Plan) -> None:
    """Refuse a password that the database does not know, as after a vault.yml that was lost and made again."""
    written = {file.path.name: file for file in plan.files}
    if "database_password" in written and (plan.stack.directory / "database" / "PG_VERSION").exists():
        if fingerprint_matches(plan.stack.directory, written["database_password"].content):
            return
        former = plan.stack.directory / "secrets" / "database_password"
        hint = f"it is kept in {former} on the server" if former.exists() else "bring the former vault.yml back"
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
        # The containers of another limit that start now have systemd take it over for the whole.
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
        # Its database and cache have just been made: what is left is to close the set-up.
        compose.up(only="server")
        return
    if plan.restart:
        compose.restart(plan.restart)
    compose.up()


def _close(plan: Plan) -> None:
    """Take the route away or turn it to the pages, before the stack behind it changes."""
    if plan.close and plan.stack.state in ("stopped", "suspended"):
        write_file(plan.stack.route)
    elif plan.close:
        remove_file(plan.stack.route.path)
    if plan.forget and not plan.announce:
        remove_file(plan.stack.starting.path)


def _announce(plan: Plan, storage: Storage) -> None:
    """Have the pages answer at the address of a new tenant, so that its certificate comes while its stack starts."""
    if plan.announce:
        _check_storage(plan.stack, storage)
        write_file(plan.stack.starting)


def _rest(plan: Plan, tools: StackTools) -> None:
    # First of all the record: nobody shall start again what is being stopped.
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
    """Have no page promise a start that has failed."""
    if outcome.error and outcome.plan.announce:
        remove_file(outcome.plan.stack.starting.path)
    return outcome


def _step(outcome: StackOutcome, work: Callable[[Plan], None]) -> StackOutcome:
    """Go on with a tenant with which it went well so far."""
    if outcome.error:
        return outcome
    try:
        work(outcome.plan)
    except (StackError, OSError) as error:
        return StackOutcome(outcome.plan, str(error))
    return outcome


def _await(outcomes: Sequence[StackOutcome], tools: StackTools) -> list[StackOutcome]:
    """Have the addresses work when the run says that it is done."""
    opened = [outcome.plan.stack.host_name for outcome in outcomes if outcome.plan.open and not outcome.error]
    problems = tools.wait_for_addresses(opened)

    def settle(plan: Plan) -> None:
        if problem := problems.get(plan.stack.host_name):
            # Traefik asks for a certificate when a route comes, and not again: so the next run brings it anew.
            if plan.anew:
                remove_file(plan.stack.route.path)
            raise StackError(problem)

    return [_step(outcome, settle) for outcome in outcomes]


def converge(plans: Sequence[Plan], tools: StackTools) -> list[StackOutcome]:
    """Carry out `plans`; where they bring other images, one tenant tries these before the others.

    Whose database no image of the plan can read is left as it is.
    """
    refused = refusals(plans, tools.major)
    taken = _roll_out([plan for plan in plans if plan.stack.name not in refused], tools)
    done = {outcome.plan.stack.name: outcome for outcome in taken}
    return [done.get(plan.stack.name) or StackOutcome(plan, refused[plan.stack.name]) for plan in plans]


def _roll_out(plans: Sequence[Plan], tools: StackTools) -> list[StackOutcome]:
    first = pioneers(plans)
    # What they had is read before it is written over.
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
    """Carry out `plans`: all routes that close at once, then the stacks, then all routes that open at once.

    Traefik reads every route at each change of one, so they are written together.
    """
    storage = _look(plans, tools)
    outcomes = [_step(StackOutcome(plan), _close) for plan in plans]
    outcomes = [_step(outcome, lambda plan: _announce(plan, storage)) for outcome in outcomes]
    with concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS) as pool:
        outcomes = list(pool.map(lambda outcome: _step(outcome, lambda plan: _work(plan, tools, storage)), outcomes))
    outcomes = [_take_back(_step(outcome, _open)) for outcome in outcomes]
    return _await(outcomes, tools)
