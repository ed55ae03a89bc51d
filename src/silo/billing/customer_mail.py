"""Queues the letters of billing itself; a change of a tenant queues its own letters."""

from __future__ import annotations

import contextlib
import datetime
import typing as t

from silo import notifications
from silo.billing.decision import today
from silo.billing.model import Contest, Decision, Note, Subscription
from silo.billing.operator_mail import notify_operator
from silo.billing.state_store import Order
from silo.languages import LANGUAGES
from silo.notifications.settings import OPERATOR
from silo.tenants import TenantService

PROPOSED = "name_proposed/"
NOTES = {
    "not_finalised": "Stripe could not finalise an invoice of {name}",
    "beside_unpaid": "An invoice of {name} is not paid, and a later period is",
}


def note_event(tenant: str, note: Note) -> str:
    """Return the id in the outbox, under which the operator gets a note once."""
    return f"billing/operator/{note.kind}/{tenant}/{note.about}"


class CustomerMail:
    """Queues letters for one inventory. Each has a fixed event id and is sent only once. Raises LetterError."""

    def __init__(self, service: TenantService) -> None:
        """Use the outbox of `service`; without a relay there is none, and no letter is queued."""
        self._service = service

    def customer(self, name: str, decision: Decision, now: datetime.datetime) -> list[str]:
        """Queue the letters that a decision requires, and withdraw outdated ones; return the kinds that were queued."""
        outbox = self._service.outbox
        if outbox is None:
            return []
        self.take_back(name, decision)
        address = f"https://{name}.{self._service.policy.domain}"
        link = decision.page or self._service.policy.payment_url
        reason = decision.reason.value if decision.reason else ""
        wrote = []
        if decision.notice and decision.deletes:
            days = (decision.deletes - today(now)).days
            announced = notifications.DeletionAnnounced(name, address, decision.deletes, days, link, reason)
            wrote += self._write(name, decision.notice.event(name), announced)
        if decision.pay_by and decision.confirm:
            confirm = notifications.ConfirmPayment(name, address, decision.pay_by, link)
            wrote += self._write(name, f"confirm_payment/{name}/{decision.pay_by}", confirm)
        elif decision.pay_by:
            failed = notifications.PaymentFailed(name, address, decision.pay_by, link)
            wrote += self._write(name, f"payment_failed/{name}/{decision.pay_by}", failed)
        return wrote

    def _write(self, name: str, event: str, letter: notifications.Letter) -> list[str]:
        tenant = self._service.tenants()[name]
        outbox = self._service.outbox
        if outbox is None or event in outbox.states():
            return []
        outbox.enqueue(
            event, tenant.email, letter, t.cast("notifications.Language", tenant.settings["tenant_language"])
        )
        outbox.deliver()
        return [letter.kind]

    def take_back(self, name: str, decision: Decision | None = None) -> None:
        """Withdraw pending letters that a decision contradicts: by another day, a payment or a deletion."""
        outbox = self._service.outbox
        day = decision.deletes if decision else None
        failed = decision.pay_by if decision and not decision.confirm else None
        confirm = decision.pay_by if decision and decision.confirm else None
        for event, (state, _error) in outbox.states().items() if outbox else ():
            kind, _, rest = event.partition("/")
            true = {
                "deletion_announced": f"{name}/{day}@",
                "payment_failed": f"{name}/{failed}",
                "confirm_payment": f"{name}/{confirm}",
            }.get(kind)
            if outbox and true and state == "pending" and rest.startswith(f"{name}/") and not rest.startswith(true):
                outbox.withdraw(event)

    def waits(self, order: Order, subscription: Subscription, why: str) -> None:
        """Notify customer and operator that a paid order waits for room."""
        event = f"order_waits/{order.tenant}/{order.subscription}@{order.since}"
        outbox, known = self._service.outbox, self._service.tenants().get(order.tenant)
        email = known.email if known else subscription.email
        if outbox is not None and email and event not in outbox.states():
            address = f"https://{order.tenant}.{self._service.policy.domain}"
            outbox.enqueue(event, email, notifications.OrderWaits(order.tenant, address), language(subscription))
        text = (
            f"{order.tenant} is paid ({subscription.id}), but there is no room to {order.step} it: {why}\n\n"
            "Silo does so when there is room; 'silo dunning' lists the orders that wait."
        )
        self.operator(f"billing/operator/{event}", f"An order waits for room: {order.tenant}", text)

    def propose_name(self, proposal: str, subscription: Subscription) -> None:
        """Send the customer of an order, whose name cannot be, a name that it may have."""
        outbox, event = self._service.outbox, f"{PROPOSED}{proposal}/{subscription.id}"
        if outbox is not None and event not in outbox.states():
            address = f"https://{proposal}.{self._service.policy.domain}"
            letter = notifications.NameProposed(proposal, address)
            outbox.enqueue(event, subscription.email, letter, language(subscription))
            outbox.deliver()

    def language_unknown(self, subscription: Subscription) -> None:
        """Notify the operator that a customer ordered a language in which silo does not write."""
        text = (
            f"{subscription.name} ({subscription.id}) ordered the language {subscription.language!r}, which is none of "
            f"{', '.join(LANGUAGES)}. It got the language of the policy; 'silo set {subscription.name} --language' "
            "changes it."
        )
        event = f"billing/operator/language/{subscription.name}/{subscription.id}"
        self.operator(event, f"{subscription.name} ordered a language that silo does not have", text)

    def parked(self, subscription: Subscription) -> None:
        """Tell a customer that their paid order needs attention, once for each subscription.

        The letter names neither the ordered name nor its address, because it may be somebody else's, or no name at all.
        """
        event, outbox = f"order_parked/{subscription.id}", self._service.outbox
        if outbox is None or not subscription.email:
            return
        known = outbox.states()
        # Who got a name proposed knows already.
        if event in known or any(
            one.startswith("name_proposed/") and one.endswith(f"/{subscription.id}") for one in known
        ):
            return
        letter = notifications.OrderParked("", self._service.policy.payment_url)
        # An address that cannot be written to must not hide from the operator why the order is parked.
        with contextlib.suppress(notifications.LetterError):
            outbox.enqueue(event, subscription.email, letter, language(subscription))
            outbox.deliver()

    def note(self, tenant: str, note: Note, about: str) -> None:
        """Notify the operator of something that changes no tenant, once."""
        subject = NOTES[note.kind].format(name=tenant)
        self.operator(note_event(tenant, note), subject, f"{note.text}.\n\n{about}")

    def misses(self, tenant: str, note: Note) -> bool:
        """Return whether the operator has yet to hear of a note."""
        outbox, operator = self._service.outbox, self._service.policy.letters.get(OPERATOR)
        return outbox is not None and bool(operator) and note_event(tenant, note) not in outbox.states()

    def contested(self, contest: Contest) -> None:
        """Notify the operator that others pay for a tenant whose own subscription is unpaid."""
        name, own, payers = contest.tenant, contest.own, contest.payers
        suspended = (
            " It is suspended although somebody pays for it. It is not started automatically, because a stranger may "
            "have ordered this name."
        )
        text = "\n".join(
            [
                f"{name} belongs to subscription {own.id} (customer {own.customer}, {own.status}), which is not paid. "
                "Its name is paid for by:",
                "",
                *(f"- {one.id} (customer {one.customer}, {one.status})" for one in payers),
                "",
                f"{name} is {contest.state} and stays so: as long as this lasts, silo neither suspends nor deletes it, "
                f"and sends its customer no letter about either.{suspended if contest.state == 'suspended' else ''}",
                "",
                "Compare the customers in Stripe's dashboard.",
                "",
                f"- The same person: 'silo set {name} --subscription {payers[0].id}' moves {name} to the subscription "
                "that is paid; the next event or nightly comparison then starts it. "
                f"Cancel {own.id} unless it has ended.",
                "- A stranger: change 'tenant' in the metadata of that subscription, or cancel it and refund the "
                f"payment. {own.id} then counts again, and silo sends all letters again before a deletion.",
            ]
        )
        ids = "+".join(payer.id for payer in payers)
        event = f"billing/operator/contested/{name}/{own.id}/{ids}/{contest.state}"
        self.operator(event, f"Another subscription pays for {name}", text)

    def operator(self, event: str, subject: str, text: str) -> None:
        """Notify the operator, once for each event id; then deliver all pending letters."""
        notify_operator(self._service, event, subject, text)
        if self._service.outbox:
            self._service.outbox.deliver()


def language(subscription: Subscription) -> notifications.Language:
    """Return the language that the customer ordered; the first if silo has no letters in it."""
    return notifications.language_of(subscription.language)
