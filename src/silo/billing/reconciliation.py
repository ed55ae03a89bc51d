"""Stripe, the inventory and the machines side by side: what does not agree, and what a settlement would do about it."""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t
from collections.abc import Callable, Mapping, Sequence

from silo import fleet, runner
from silo.billing import facts
from silo.billing.decision import decide, today
from silo.billing.errors import Parked, TryLater
from silo.billing.events import WANTED, Event, parse
from silo.billing.forecast import Case
from silo.billing.gateway import EVENT_DAYS, Gateway
from silo.billing.model import TRASHED, Decision, Step
from silo.billing.notes import Notes
from silo.billing.policy import Policy
from silo.billing.settling import Settlement, sentences
from silo.billing.writing import Writer
from silo.edits import Edits
from silo.operation import Operator
from silo.runner import Results


@dataclasses.dataclass(frozen=True)
class Difference:
    """Something that does not agree. `remedy` is what settles it: "settle" and "apply" are done by --fix.

    `subscription` and `tenant` are empty where there is none.
    """

    text: str
    remedy: t.Literal["settle", "apply", "operator"]
    subscription: str = ""
    tenant: str = ""


def cases(edits: Edits, gateway: Gateway) -> list[Case]:
    """Return every subscription of the account with its invoices and its tenant, the oldest first; four requests."""
    with sentences():
        tenants = facts.by_subscription(edits)
        unpaid = gateway.unpaid()
        some = sorted(gateway.subscriptions(), key=lambda one: (one.created, one.id))
        return [Case(one, unpaid.get(one.id, ()), tenants.get(one.id)) for one in some]


def differences(
    found: Sequence[Case], edits: Edits, policy: Policy, now: datetime.datetime, runs: Results
) -> list[Difference]:
    """Compare all three; `runs` is what a run of list.yml found."""
    known = {case.subscription.id for case in found}
    made = [(case, decide(case.subscription, case.invoices, case.tenant, policy, now)) for case in found]
    result = [one for case, decision in made if (one := _of(case, decision, edits))]
    tenants = edits.tenants()
    for name, tenant in sorted(tenants.items()):
        subscription = facts.linked(tenant)
        if subscription and subscription not in known:
            text = f"{name} is of {subscription}, which Stripe does not know; it is left as it is"
            result.append(Difference(text, "operator", subscription, name))
    result += _machines(runs, {name: tenant.state for name, tenant in tenants.items()})
    return result


def _of(case: Case, made: Decision, edits: Edits) -> Difference | None:
    """Return what a subscription asks for that is not so."""
    name = facts.name_of(case.tenant, case.subscription.name)
    if made.step is Step.PARK:
        return Difference(f"{name}: {made.because}", "operator", case.subscription.id, name)
    if made.step is Step.NOTHING and case.tenant and case.tenant.state in ("stopped", "absent") and made.clock is None:
        return Difference(f"{name}: {made.because}", "operator", case.subscription.id, name)
    if made.step is not Step.NOTHING:
        return Difference(f"{name}: to {made.step.value}, as {made.because}", "settle", case.subscription.id, name)
    if case.tenant is None or case.tenant.state == TRASHED or edits.outbox is None:
        return None
    letter = made.notice and made.notice.event(name) or made.pay_by and f"payment_failed/{name}/{made.pay_by}"
    if letter and letter not in edits.outbox.states():
        return Difference(f"{name}: to write to, as {made.because}", "settle", case.subscription.id, name)
    return None


def _machines(runs: Results, desired: Mapping[str, str]) -> list[Difference]:
    stacks = [found for result in runs.get("Read the stacks", {}).values() for found in result["tenants"].items()]
    seen = {name: fleet.observed(services) for name, services in stacks}
    result = [
        Difference(
            f"{name}: it is {state} on a machine, and in no inventory; it is left as it is", "operator", "", name
        )
        for name, state in sorted(seen.items())
        if name not in desired and state != "absent"
    ]
    for name, state in sorted(desired.items()):
        now = seen.get(name, "absent")
        right = {"running": ("running",), "absent": ("absent",)}.get(state, ("stopped", "absent"))
        if now not in right:
            result.append(Difference(f"{name}: it is to be {state}, and is {now}", "apply", "", name))
    return result


def missed(gateway: Gateway, now: datetime.datetime, days: int = EVENT_DAYS) -> list[Event]:
    """Return the events of the account of the last days, for the inbox, which knows those that it has by their id."""
    since = now - datetime.timedelta(days=days)
    return [parse(json.dumps(event).encode()) for event in gateway.events(sorted(WANTED), since)]


@dataclasses.dataclass(frozen=True)
class Repair:
    """What was done about the differences, a sentence each; `left` is what needs the operator, or another time."""

    done: tuple[str, ...]
    left: tuple[str, ...]


class Reconciliation:
    """Looks at all three, and settles what can be settled by the same rules as an event."""

    def __init__(self, operator: Operator, gateway: Gateway, clock: Callable[[], datetime.datetime]) -> None:
        """Act as `operator`; `clock` gives the time with a zone."""
        self._operator, self._gateway, self._clock = operator, gateway, clock

    @property
    def settlement(self) -> Settlement:
        """A settlement by the same rules, policies read anew."""
        return Settlement(self._operator, self._gateway, clock=self._clock)

    def look(self) -> list[Difference]:
        """Return all that does not agree; raises TryLater, Parked, RunError."""
        edits = self._operator.edits
        found = cases(edits, self._gateway)
        policy = self.settlement.policy
        return differences(found, edits, policy, self._clock(), runner.results("list.yml", edits.path))

    def sweep(self) -> Repair:
        """Settle all that Stripe and the inventory ask for, the oldest order first; no machine is looked at before.

        Of what waits for room, each is tried again.
        """
        edits = self._operator.edits
        policy = self.settlement.policy
        now = self._clock()
        begun = Notes(edits.state.folder)
        asked = []
        for case in cases(edits, self._gateway):
            made = decide(case.subscription, case.invoices, case.tenant, policy, now)
            if _of(case, made, edits) or begun.begun(case.subscription.id):
                asked.append(case.subscription.id)
        asked += [stone.subscription for stone in edits.unfinished() if stone.subscription not in ("", *asked)]
        return self._settle(asked)

    def fix(self, found: Sequence[Difference]) -> Repair:
        """Do what can be done about these differences; the operator gets a letter on the rest, once."""
        repair = self._settle([one.subscription for one in found if one.remedy == "settle"])
        names = [one.tenant for one in found if one.remedy == "apply"]
        done, left = list(repair.done), list(repair.left)
        if names:
            with sentences():
                self._operator.apply(names)
            done.append(f"applied: {', '.join(names)}")
        left += [one.text for one in found if one.remedy == "operator"]
        if left:
            self._tell(left)
        return Repair(tuple(done), tuple(left))

    def _settle(self, subscriptions: Sequence[str]) -> Repair:
        done, left = [], []
        for name in subscriptions:
            try:
                done.append(self.settlement.settle(name).told)
            except (Parked, TryLater) as error:
                left.append(str(error))
        return Repair(tuple(done), tuple(left))

    def _tell(self, left: Sequence[str]) -> None:
        day = today(self._clock())
        text = "\n".join(left) + "\n\n'silo reconcile' shows all of it at any time."
        with sentences():
            writer = Writer(self._operator.edits)
            writer.operator(f"billing/operator/reconciliation@{day}", "Stripe, inventory and machines differ", text)
