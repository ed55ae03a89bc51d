"""The table of docs/explain/billing-decisions.md is what the rules decide, for every combination."""

import dataclasses
import datetime
from pathlib import Path

from silo.billing.decision import decide
from silo.billing.model import PURGED, TRASHED, BillingTenant, Case, Claim, Invoice, Notice, Step, Subscription
from silo.billing.policy import BillingPolicy

DOCUMENT = Path(__file__).parents[5] / "docs" / "explain" / "billing-decisions.md"
MARKS = "<!-- table: begin -->", "<!-- table: end -->"
NOW = datetime.datetime(2027, 3, 1, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
# Two months ago, so that the last day of a deletion is over; all was announced.
LONG, PAID_UNTIL, LAST = NOW - 60 * DAY, NOW + 20 * DAY, NOW.date() - 30 * DAY
POLICY = BillingPolicy({"price_small": "small", "price_large": "large"})
SUBSCRIPTION = Subscription("sub_1", "cus_1", "active", ("price_small",), LONG, "hans")
UNPAID = Invoice("in_1", "open", True, LONG, LONG, amount=1000, currency="chf")
PAID = Invoice("in_0", "paid", True, NOW - 10 * DAY, NOW - 10 * DAY, amount=0, covers=PAID_UNTIL)
OTHER = dataclasses.replace(SUBSCRIPTION, id="sub_9", customer="cus_9")


def bill(**changes):
    return dataclasses.replace(UNPAID, **changes)


def says(*invoices, **changes):
    return dataclasses.replace(SUBSCRIPTION, **changes), invoices


RECENT = NOW - DAY
SITUATIONS = {
    "active, all paid": says(PAID),
    "active, 0 francs (coupon)": says(bill(status="paid", amount=0)),
    "active, an invoice is not tried yet": says(PAID, bill(attempted=False)),
    "trialing": says(status="trialing", trial_ends=PAID_UNTIL),
    "active, another plan": says(PAID, prices=("price_large",)),
    "active, another plan, its invoice is unpaid": says(
        PAID, bill(cause="subscription_update", finalized=RECENT), prices=("price_large",)
    ),
    "active, quantity 3": says(PAID, quantities=(3,)),
    "active, no price of ours, a name of ours": says(PAID, prices=("price_other",)),
    "active, no price of ours, no name": says(PAID, prices=("price_other",), name=""),
    "a payment is under way": says(bill(payment="processing"), status="past_due"),
    "a payment must be confirmed, in time": says(
        bill(payment="requires_action", created=RECENT, finalized=RECENT), status="past_due"
    ),
    "a payment was not confirmed in time": says(bill(payment="requires_action"), status="past_due"),
    "a payment failed": says(UNPAID, status="past_due"),
    "a payment failed, a later period is paid": says(UNPAID, PAID),
    "an upgrade is unpaid, its period is paid": says(PAID, bill(cause="subscription_update")),
    "an upgrade is unpaid, its period is over": says(
        dataclasses.replace(PAID, covers=LONG), bill(cause="subscription_update"), status="past_due"
    ),
    "an invoice by mail, before its day": says(bill(attempted=False, due=NOW + DAY)),
    "an invoice by mail, after its day (bank transfer)": says(bill(attempted=False, due=LONG), status="past_due"),
    "an invoice is written off, a later period is paid": says(bill(status="uncollectible"), PAID),
    "an invoice is written off, nothing is paid later": says(bill(status="uncollectible")),
    "collection is paused (given for free)": says(bill(status="uncollectible"), free=True),
    "the invoice is void": says(bill(status="void")),
    "an invoice could not be finalised": says(PAID, bill(status="draft", attempted=False, problem="no address")),
    "incomplete": says(status="incomplete"),
    "incomplete, the first payment is under way": says(bill(payment="processing"), status="incomplete"),
    "incomplete_expired": says(status="incomplete_expired", ended=LONG),
    "canceled": says(status="canceled", ended=LONG),
    "canceled, its last payment is under way": says(bill(payment="processing"), status="canceled", ended=LONG),
    "canceled at the end of the trial": says(status="canceled", ended=LONG, trial_ends=LONG),
    "canceled by Stripe for a dispute": says(status="canceled", ended=LONG, end_cause="payment_disputed"),
    "paused: the trial is over": says(status="paused", paused_cause="trial_end_without_payment_method"),
    "paused: the trial is over, an upgrade failed today": says(
        bill(cause="subscription_update", created=NOW, finalized=NOW),
        status="paused",
        paused_cause="trial_end_without_payment_method",
    ),
    "paused on demand": says(status="paused", paused_cause="pause_requested"),
    "past_due or unpaid, but nothing is open": says(status="unpaid"),
}
TOLD = tuple(Notice(LAST, days, True) for days in (14, 7, 1))
TENANTS = {
    "none": None,
    "running": BillingTenant("hans", "running", "small"),
    "suspended": BillingTenant("hans", "suspended", "small", notices=TOLD),
    "stopped": BillingTenant("hans", "stopped", "small"),
    "in the trash": BillingTenant("hans", TRASHED, "small"),
    "purged": BillingTenant("hans", PURGED, "small"),
}
CLAIM = (Claim(OTHER, (PAID,)),)
WORDS = {Step.NOTHING: "–", Step.NEEDS_ATTENTION: "asks you"}


def outcome(subscription, invoices, tenant, claims=()):
    found = decide(Case(subscription, invoices, tenant, claims), POLICY, NOW)
    words = WORDS.get(found.step, f"**{found.step.value}**")
    if found.step in (Step.SUSPEND, Step.DELETE):
        words += f" ({found.reason.value.replace('_', ' ')})"
    if found.step is Step.NOTHING and found.pay_by:
        words = "letter: please confirm" if found.confirm else "letter: please pay"
    return f"{words}, tells you" if found.notes else words


def table():
    """Return the table: each situation at Stripe, with each state of the tenant, and while another pays."""
    heads = ["at Stripe", *TENANTS, "running, another pays", "suspended, another pays"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for words, (subscription, invoices) in SITUATIONS.items():
        cells = [outcome(subscription, invoices, tenant) for tenant in TENANTS.values()]
        cells += [outcome(subscription, invoices, TENANTS[state], CLAIM) for state in ("running", "suspended")]
        lines.append(f"| {' | '.join([words, *cells])} |")
    return "\n".join(lines)


def test_the_document_says_what_is_decided():
    begin, end = MARKS
    written = DOCUMENT.read_text().split(begin)[1].split(end)[0].strip()
    assert written == table(), f"put this between the marks of {DOCUMENT.name}:\n{table()}"


def test_with_another_payment_nothing_of_the_table_takes_anything_away():
    assert not [line for line in table().split("\n") if "**suspend**" in line.split("|")[8] + line.split("|")[9]]
    assert not [line for line in table().split("\n") if "**delete**" in line.split("|")[8] + line.split("|")[9]]
