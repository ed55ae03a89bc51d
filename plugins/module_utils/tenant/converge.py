# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Carries out the plans of all tenants in parallel; a failure affects the outcome of its own tenant only."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
from collections.abc import Callable, Sequence

from . import execution
from .birth import DATABASE
from .execution import StackTools, check_uploads
from .files import remove_file
from .lending import Lent
from .major import of_image, refusals
from .plan import Plan
from .probe import Storage
from .rollout import former, pioneers, waits, way_back
from .stack import Change, Stack, StackError
from .stock import Found

# The services whose images make a template.
PROVED = ("server", "database")
# Half of a start is waiting, during which another tenant can use the core.
WORKERS = 2 * (os.cpu_count() or 1)


@dataclasses.dataclass(frozen=True)
class StackOutcome:
    """The result for one tenant; `error` is empty on success. `note` says why it was left alone on purpose."""

    plan: Plan
    error: str = ""
    note: str = ""


def _look(plans: Sequence[Plan], tools: StackTools) -> Storage:
    """Check the NAS once for all tenants with a container to start; without such a tenant, do not check it."""
    uploads = [plan.stack.uploads for plan in plans if plan.up]
    return tools.look(uploads) if uploads else Storage()


def _off_the_disk(stack: Stack) -> str:
    """Return why a tenant cannot start whose database dates from before there was a disk; empty for any other."""
    old = stack.directory / DATABASE
    if stack.state != "running" or not (old / "PG_VERSION").exists():
        return ""
    return (
        f"its database still lies in {old}, where no quota counts it; nothing was changed. "
        "docs/operate/disk.md says how it moves to the disk"
    )


def _no_disk(stack: Stack) -> str:
    """Return why nothing of a tenant can be written where a quota counts it; empty if it can."""
    if stack.state != "running" or stack.disk.is_dir():
        return ""
    return (
        f"{stack.disk} is missing on this server; see that its disk is mounted, and an apply with its disk part "
        "creates it; nothing was changed"
    )


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


def needs_template(plan: Plan) -> bool:
    """Whether a template of its images has to be there first: it is born of it, or gets an image that must prove good.

    A tenant that runs on with the same images needs none.
    """
    return plan.birth or any(service in PROVED for service in former(plan))


def _keys(plans: Sequence[Plan]) -> list[str]:
    return list(dict.fromkeys(plan.stack.template for plan in plans if needs_template(plan)))


def _provide(plans: Sequence[Plan], tools: StackTools) -> Found:
    keys = _keys(plans)
    if keys and (problem := tools.look([]).problem):
        return Found(problems=dict.fromkeys(keys, f"{problem}; no container was started"))
    return tools.stock.provide(keys)


def _with_templates(plans: Sequence[Plan], found: Found) -> list[Plan]:
    """Return the plans; the first that needs a template has what is done about that template among its changes."""
    first = {key: next(plan for plan in plans if plan.stack.template == key) for key in found.actions}
    after = []
    for plan in plans:
        if first.get(plan.stack.template) is plan and needs_template(plan):
            change = Change("template", found.actions[plan.stack.template])
            after.append(dataclasses.replace(plan, changes=(change, *plan.changes)))
        else:
            after.append(plan)
    return after


def _reasons(plans: Sequence[Plan], reason: Callable[[Stack], str]) -> dict[str, str]:
    """Return tenant to the reason for which it is left as it is, of those that have one."""
    return {plan.stack.name: text for plan in plans if (text := reason(plan.stack))}


def _left_alone(plans: Sequence[Plan]) -> dict[str, str]:
    """Return tenant to a sentence, of those that should run and that an operator has frozen."""
    return {
        plan.stack.name: (
            f"it is frozen, so nothing of it was changed; 'docker compose unpause' in {plan.stack.directory} on the "
            f"server lets it run on, 'silo stop {plan.stack.name}' ends it"
        )
        for plan in plans
        if plan.stack.state == "running" and plan.frozen
    }


def rehearse(plans: Sequence[Plan], tools: StackTools) -> list[StackOutcome]:
    """Return what `converge` would do, as far as that is known without doing anything; no image is fetched for it.

    Before the first run there is no NAS to look at.
    """
    notes = _left_alone(plans)
    warm = [plan for plan in plans if plan.stack.name not in notes]
    refused = refusals(warm, of_image) | _reasons(warm, _off_the_disk)
    going = [plan for plan in warm if plan.stack.name not in refused]
    births = [plan for plan in going if plan.birth]
    keys = _keys(going)
    storage = tools.look([plan.stack.uploads for plan in births]) if keys else Storage()
    found = tools.stock.survey(keys if not storage.problem else [])

    def check(plan: Plan) -> None:
        if plan.stack.name in refused:
            raise StackError(refused[plan.stack.name])
        if plan.birth and plan.stack.uploads in storage.directories:
            check_uploads(plan.stack, tools)

    return [
        _step(StackOutcome(plan, note=notes.get(plan.stack.name, "")), check) for plan in _with_templates(plans, found)
    ]


def converge(plans: Sequence[Plan], tools: StackTools) -> list[StackOutcome]:
    """Carry out `plans`; where they bring other images, these make a template, then one tenant tries them first.

    A tenant is left as it is if its image cannot read its database, if the database is not on the disk, or if an
    operator has frozen it.
    """
    notes = _left_alone(plans)
    warm = [plan for plan in plans if plan.stack.name not in notes]
    refused = refusals(warm, tools.major) | _reasons(warm, _no_disk) | _reasons(warm, _off_the_disk)
    taken = _roll_out([plan for plan in warm if plan.stack.name not in refused], tools)
    done = {outcome.plan.stack.name: outcome for outcome in taken}

    def outcome(plan: Plan) -> StackOutcome:
        name = plan.stack.name
        return done.get(name) or StackOutcome(plan, refused.get(name, ""), notes.get(name, ""))

    return [outcome(plan) for plan in plans]


def _roll_out(plans: Sequence[Plan], tools: StackTools) -> list[StackOutcome]:
    found = _provide(plans, tools)
    plans = _with_templates(plans, found)
    done = {
        plan.stack.name: StackOutcome(plan, found.problems[plan.stack.template])
        for plan in plans
        if needs_template(plan) and plan.stack.template in found.problems
    }
    first = pioneers([plan for plan in plans if plan.stack.name not in done])
    # The current images must be read before they are overwritten.
    backs = {plan.stack.name: way_back(former(plan)) for plan in first}
    tried = [_add(outcome, backs[outcome.plan.stack.name]) for outcome in _converge(first, tools, found)]
    failed = [outcome.plan for outcome in tried if outcome.error]
    done |= {outcome.plan.stack.name: outcome for outcome in tried}
    others = [plan for plan in plans if plan.stack.name not in done]
    done |= {plan.stack.name: StackOutcome(plan, reason) for plan in others if (reason := waits(plan, failed))}
    rest = _converge([plan for plan in others if plan.stack.name not in done], tools, found)
    done |= {outcome.plan.stack.name: outcome for outcome in rest}
    return [done[plan.stack.name] for plan in plans]


def _add(outcome: StackOutcome, text: str) -> StackOutcome:
    return StackOutcome(outcome.plan, outcome.error + text) if outcome.error else outcome


def _make_room(plans: Sequence[Plan], tools: StackTools) -> Lent:
    """Have the promised memory ready for tenants that start, and keep burst for those that get other images."""
    coming = {plan.stack.name: plan.stack.record.content for plan in plans if plan.up}
    wanting = [(plan.stack.name, service) for plan in plans for service in plan.moved]
    return tools.lending.make_room(coming, wanting) if coming else Lent()


def _converge(plans: Sequence[Plan], tools: StackTools, found: Found) -> list[StackOutcome]:
    """Carry out `plans`: close all routes together, then change the stacks, then open all routes together.

    Traefik reads every route at each change of one, so they are written together.
    """
    if not plans:
        return []
    storage = _look(plans, tools)
    lent = _make_room(plans, tools)
    outcomes = [_step(StackOutcome(plan), execution.close) for plan in plans]
    outcomes = [_step(outcome, lambda plan: execution.announce(plan, storage)) for outcome in outcomes]

    def work(outcome: StackOutcome) -> StackOutcome:
        return _step(outcome, lambda plan: execution.work(plan, tools, storage, found, lent))

    with concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS) as pool:
        outcomes = list(pool.map(work, outcomes))
    outcomes = [_take_back(_step(outcome, execution.open_route)) for outcome in outcomes]
    return _await(outcomes, tools)


def sweep(outcomes: Sequence[StackOutcome], tools: StackTools) -> list[str]:
    """Remove the templates that nobody needs any more, where all went well and the NAS had to be there; return keys.

    Where something failed, the way back to former images may need theirs.
    """
    if any(outcome.error for outcome in outcomes) or not any(outcome.plan.up for outcome in outcomes):
        return []
    return tools.stock.sweep()
