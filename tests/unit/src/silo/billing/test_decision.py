"""Each rule of the one function that decides, and what holds for all of its answers."""

import dataclasses
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silo.billing.decision import decide, today
from silo.billing.model import PURGED, TRASHED, BillingTenant, Case, Claim, Holder, Invoice, Notice, Step, Subscription
from silo.billing.policy import BillingPolicy

from .conftest import FAILED

DAY = datetime.timedelta(days=1)
FIRST = datetime.date(2026, 12, 1)
LAST = datetime.date(2026, 12, 31)


OTHER = Subscription("sub_1", "cus_1", "active", ("price_small",), FAILED, "hans")
ENDED = dataclasses.replace(OTHER, status="canceled", ended=FAILED)


def made(hans, at=0.0):
    return decide(hans.case, hans.policy, FAILED + at * DAY)


def step(hans, at=0.0):
    return made(hans, at).step


def sent(*days, on=LAST):
    return tuple(Notice(on, one, True) for one in days)


@pytest.mark.parametrize("status", ["active", "trialing"])
def test_who_paid_and_has_none_gets_one_of_the_plan(hans, status):
    hans.tenant = None
    hans.says(status=status)
    assert (step(hans), made(hans).plan) == (Step.CREATE, "small")


@pytest.mark.parametrize("status", ["incomplete", "incomplete_expired", "past_due", "unpaid", "canceled", "paused"])
def test_who_has_not_paid_and_has_none_gets_none(hans, status):
    hans.tenant = None
    hans.says(status=status, ended=FAILED)
    assert step(hans) is Step.NOTHING


def test_who_owes_an_invoice_gets_none_though_stripe_says_active(hans):
    hans.tenant = None
    hans.fails(status="active")
    assert step(hans) is Step.NOTHING


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prices": ("price_other",)}, "exactly one plan for its prices (price_other)"),
        ({"prices": ()}, "exactly one plan for its prices (none)"),
        ({"prices": ("price_small", "price_large")}, "(price_small, price_large)"),
        ({"name": ""}, "its metadata has no 'tenant'"),
    ],
)
def test_an_order_that_is_not_clear_needs_attention_and_nothing_guessed(hans, changes, words):
    hans.tenant = None
    hans.says(**changes)
    assert step(hans) is Step.NEEDS_ATTENTION
    assert words in made(hans).because


def test_a_price_beside_the_plan_is_none_of_ours(hans):
    hans.tenant = None
    hans.says(prices=("price_support", "price_small"))
    assert made(hans).plan == "small"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("running", Step.NOTHING),
        ("suspended", Step.START),
        ("stopped", Step.NOTHING),
        ("absent", Step.NOTHING),
        (TRASHED, Step.RESTORE),
        (PURGED, Step.NEEDS_ATTENTION),
    ],
)
def test_paid_it_runs_where_the_operator_does_not_want_otherwise(hans, state, expected):
    hans.holds(state=state)
    assert step(hans) is expected


@pytest.mark.parametrize(
    ("ordered", "expected"), [(-1, Step.NOTHING), (0, Step.NEEDS_ATTENTION), (3, Step.NEEDS_ATTENTION)]
)
@pytest.mark.parametrize("state", ["suspended", "stopped"])
def test_after_a_dispute_a_new_order_asks_and_a_former_one_starts_nothing(hans, ordered, expected, state):
    hans.says(created=FAILED + ordered * DAY)
    hans.holds(state=state, reason="disputed", since=FAILED.date())
    assert step(hans) is (expected if state == "suspended" else Step.NOTHING)
    assert made(hans).parked == (step(hans) is Step.NEEDS_ATTENTION)


@pytest.mark.parametrize(
    ("prices", "plan", "state", "expected"),
    [
        (("price_large",), "small", "running", Step.CHANGE),
        (("price_small",), "large", "running", Step.CHANGE),
        (("price_other",), "small", "running", Step.NEEDS_ATTENTION),
        (("price_large",), "", "running", Step.NOTHING),
        (("price_large",), "small", "suspended", Step.START),
        (("price_large",), "small", "stopped", Step.NOTHING),
    ],
)
def test_another_plan_is_given_to_who_runs(hans, prices, plan, state, expected):
    hans.says(prices=prices)
    hans.holds(plan=plan, state=state)
    assert step(hans) is expected


@pytest.mark.parametrize("status", ["past_due", "unpaid", "active", "canceled"])
def test_a_payment_that_fails_suspends_at_once_and_names_where_to_pay(hans, status):
    hans.fails(status=status)
    hans.says(ended=FAILED + DAY)
    assert step(hans) is Step.SUSPEND
    found = made(hans)
    assert (found.clock, found.suspends, found.deletes) == (FIRST, FIRST, LAST)
    assert found.link == "https://invoice.example/1"


def test_an_invoice_whose_payment_was_not_tried_yet_is_no_failure(hans):
    hans.invoices.append(Invoice("in_2", "open", False, FAILED, FAILED))
    hans.invoices.append(Invoice("in_3", "draft", False, FAILED))
    hans.invoices.append(Invoice("in_4", "void", True, FAILED, FAILED))
    assert step(hans) is Step.NOTHING


def test_an_invoice_by_post_is_unpaid_from_its_due_day_on(hans):
    hans.invoices.append(Invoice("in_2", "open", False, FAILED, FAILED, due=FAILED + 10 * DAY))
    assert step(hans, 9.9) is Step.NOTHING
    assert (step(hans, 10), made(hans, 10).clock) == (Step.SUSPEND, FIRST + 10 * DAY)


def test_a_written_off_invoice_is_unpaid_still(hans):
    hans.invoices.append(Invoice("in_2", "uncollectible", True, FAILED, FAILED))
    assert step(hans) is Step.SUSPEND


def test_within_the_grace_a_letter_names_the_day_and_nothing_stops(hans):
    hans.rules(grace_days=5)
    hans.fails()
    for at in (0, 1, 4):
        assert (step(hans, at), made(hans, at).pay_by) == (Step.NOTHING, FIRST + 5 * DAY)
    assert (step(hans, 5), made(hans, 5).pay_by) == (Step.SUSPEND, None)
    assert made(hans, 5).deletes == LAST


def test_who_ended_the_subscription_with_a_bill_open_is_not_told_that_paying_it_keeps_anything_open(hans):
    hans.rules(grace_days=7)
    hans.fails()
    assert made(hans, 1).pay_by == FIRST + 7 * DAY
    hans.says(status="canceled", ended=FAILED + DAY)
    found = made(hans, 2)
    assert (found.step, found.pay_by, found.suspends) == (Step.NOTHING, None, FIRST + 7 * DAY)


def test_who_ended_the_subscription_has_no_grace(hans):
    hans.rules(grace_days=5)
    hans.says(status="canceled", ended=FAILED)
    assert (step(hans), made(hans).deletes) == (Step.SUSPEND, LAST)
    assert "its subscription ended on 2026-12-01" in made(hans).because


def test_the_clock_begins_at_the_first_unpaid_invoice_and_no_retry_or_later_failure_moves_it(hans):
    hans.fails()
    hans.holds(state="suspended")
    days = {made(hans, at).deletes for at in range(29)}
    hans.fails(at=20)
    hans.says(status="canceled", ended=FAILED + 21 * DAY, customer="cus_with_a_new_card")
    days |= {made(hans, at).deletes for at in range(21, 29)}
    assert days == {LAST}


@pytest.mark.fault(27)
def test_a_day_is_one_of_switzerland(hans):
    hans.fails()
    hans.invoices[-1] = dataclasses.replace(hans.invoices[-1], finalized=FAILED.replace(hour=23, minute=30))
    assert made(hans).clock == FIRST + DAY


@pytest.mark.parametrize(
    ("at", "before", "days"),
    [
        (15, (), None),
        (16, (), 14),
        (16, (14,), None),
        (23, (14,), 7),
        (24, (14, 7), None),
        (29, (14, 7), 1),
        (29, (), 1),
        (25, (14,), 7),
        (25, (), 7),
    ],
)
def test_a_deletion_is_announced_so_many_days_before_once_each_and_of_several_missed_the_last(hans, at, before, days):
    hans.fails()
    hans.holds(state="suspended", notices=sent(*before))
    assert made(hans, at).notice == (Notice(LAST, days) if days else None)
    assert step(hans, at) is Step.NOTHING


def test_thirty_days_after_it_is_deleted(hans):
    hans.fails()
    hans.holds(state="suspended", notices=sent(14, 7, 1))
    assert step(hans, 29.5) is Step.NOTHING
    assert step(hans, 30) is Step.DELETE
    assert step(hans, 300) is Step.DELETE


def test_paid_on_the_last_day_it_starts(hans):
    hans.fails()
    hans.holds(state="suspended", notices=sent(14, 7, 1))
    hans.invoices[-1] = dataclasses.replace(hans.invoices[-1], status="paid")
    hans.says(status="active")
    assert step(hans, 30) is Step.START


@pytest.mark.parametrize("notices", [(), (Notice(LAST, 1, False),), (Notice(LAST - DAY, 1, True),)])
def test_what_the_relay_did_not_take_is_not_announced_and_not_deleted(hans, notices):
    hans.fails()
    hans.holds(state="suspended", notices=notices)
    found = made(hans, 30)
    assert (found.step, found.deletes) == (Step.NOTHING, LAST + 14 * DAY)
    assert found.notice == Notice(LAST + 14 * DAY, 14)


def test_a_later_day_that_a_letter_named_holds(hans):
    hans.fails()
    later = LAST + 14 * DAY
    hans.holds(state="suspended", notices=(*sent(14), *sent(14, on=later)))
    assert (step(hans, 31), made(hans, 31).deletes) == (Step.NOTHING, later)
    assert made(hans, 37).notice == Notice(later, 7)
    assert step(hans, 44) is Step.DELETE


def test_who_runs_still_after_thirty_days_is_suspended_first(hans):
    hans.fails()
    hans.holds(notices=sent(14))
    found = made(hans, 40)
    assert (found.step, found.deletes, found.notice.days) == (Step.SUSPEND, FIRST + 54 * DAY, 14)


def test_an_extension_holds_the_suspension_until_its_day(hans):
    hans.fails()
    hans.holds(extended_until=FIRST + 10 * DAY)
    assert [step(hans, at) for at in (0, 9)] == [Step.NOTHING, Step.NOTHING]
    assert made(hans).pay_by is None
    assert (step(hans, 10), made(hans, 10).deletes) == (Step.SUSPEND, LAST)


def test_an_extension_holds_the_deletion_too_with_time_for_all_letters(hans):
    hans.fails()
    until = LAST + 15 * DAY
    hans.holds(state="suspended", extended_until=until, notices=sent(14, 7, 1))
    for at in (29, 30, 44):
        assert (step(hans, at), made(hans, at).notice) == (Step.START, None)
    found = made(hans, 45)
    assert (found.step, found.deletes, found.notice) == (Step.NOTHING, until + 14 * DAY, Notice(until + 14 * DAY, 14))


def test_an_extension_that_is_over_counts_no_more(hans):
    hans.holds(extended_until=FIRST - 100 * DAY)
    hans.fails()
    assert (step(hans), made(hans).deletes) == (Step.SUSPEND, LAST)
    hans.rules(grace_days=5)
    assert made(hans).pay_by == FIRST + 5 * DAY


def test_of_several_unpaid_invoices_the_oldest_is_to_be_paid_first(hans):
    hans.fails()
    hans.fails(at=31, link="https://invoice.example/2")
    hans.invoices.reverse()
    assert made(hans, 32).link == "https://invoice.example/1"


def test_on_the_day_itself_nothing_is_announced_any_more(hans):
    hans.fails()
    hans.holds(state="suspended", notices=sent(14))
    assert (step(hans, 30), made(hans, 30).notice) == (Step.DELETE, None)


@pytest.mark.parametrize("at", [0, 30, 300])
def test_what_the_operator_stopped_is_neither_suspended_nor_deleted(hans, at):
    hans.fails()
    hans.holds(state="stopped", notices=sent(14, 7, 1))
    assert (step(hans, at), made(hans, at).notice) == (Step.NOTHING, None)


@pytest.mark.parametrize("state", [TRASHED, PURGED])
def test_what_is_deleted_and_not_paid_stays_deleted(hans, state):
    hans.fails()
    hans.holds(state=state)
    assert step(hans, 60) is Step.NOTHING


def test_a_deletion_that_was_cut_off_goes_on(hans):
    hans.fails()
    hans.holds(state="absent", notices=sent(14, 7, 1))
    assert step(hans, 31) is Step.DELETE


@pytest.mark.parametrize("payment", ["requires_action", "processing"])
def test_who_has_paid_what_was_owed_is_back_while_the_next_payment_is_to_come(hans, payment):
    hans.fails()
    hans.holds(state="suspended", reason="unpaid", since=FAILED.date() + 10 * DAY)
    assert step(hans, 30) is Step.NOTHING
    asked = FAILED + 30 * DAY
    hans.invoices[:] = [dataclasses.replace(one, status="paid") for one in hans.invoices]
    hans.invoices.append(Invoice("in_9", "open", True, asked, asked, payment=payment))
    assert step(hans, 30) is Step.START
    # Nobody has confirmed it in time; a direct debit takes days.
    assert (step(hans, 34) is Step.START) == (payment == "processing")


@pytest.mark.parametrize(
    ("cause", "at_once"),
    [("trial_end_without_payment_method", True), ("pause_requested", True), ("final_payment_failure", False)],
)
def test_an_open_bill_beside_a_pause_gives_no_more_time_than_the_pause(hans, cause, at_once):
    hans.rules(grace_days=3)
    hans.fails(status="paused")
    hans.says(paused_cause=cause)
    assert (made(hans, 0).step is Step.SUSPEND) is at_once


def test_a_trial_that_is_over_without_a_card_is_suspended_and_never_deleted(hans):
    hans.says(status="paused")
    assert step(hans) is Step.SUSPEND
    hans.holds(state="suspended")
    assert step(hans, 300) is Step.NOTHING
    hans.holds(state="running", extended_until=FIRST + 3 * DAY)
    assert [step(hans, at) for at in (2, 3)] == [Step.NOTHING, Step.SUSPEND]


@pytest.mark.parametrize("status", ["past_due", "unpaid"])
def test_where_stripe_names_no_unpaid_invoice_nothing_is_done(hans, status):
    hans.says(status=status)
    assert step(hans) is Step.NOTHING


UNPAID = {
    "a payment failed": {"status": "past_due"},
    "it ended": {"status": "canceled", "ended": FAILED},
    "its trial is over": {"status": "paused"},
}


@pytest.fixture(params=UNPAID)
def stranger(request, hans):
    """Hans, who does not pay, and another subscription that pays for his name."""
    if request.param == "a payment failed":
        hans.fails()
    hans.says(**UNPAID[request.param])
    hans.others()
    return hans


@pytest.mark.parametrize("status", ["active", "trialing"])
@pytest.mark.parametrize("at", [0, 3, 16, 29, 30, 300])
@pytest.mark.parametrize("grace", [0, 5])
def test_while_another_pays_for_the_name_nothing_is_taken_away_and_no_letter_says_so(stranger, status, at, grace):
    stranger.rules(grace_days=grace)
    stranger.claims[0] = dataclasses.replace(stranger.claims[0], subscription=with_status(stranger, status))
    for state in ("running", "suspended", "absent"):
        stranger.holds(state=state, notices=sent(14, 7, 1))
        found = made(stranger, at)
        if stranger.subscription.status == "paused" and state != "running":
            assert found.step is Step.NOTHING
            continue
        assert (found.step, found.notice, found.pay_by, found.deletes) == (Step.NEEDS_ATTENTION, None, None, None)
        assert f"its name is paid for by sub_9 of cus_9; it stays {state} until you decide whose it is" in found.because
        assert (found.contest.own.id, found.contest.state) == ("sub_hans", state)
        assert [payer.id for payer in found.contest.payers] == ["sub_9"]


def with_status(hans, status):
    return dataclasses.replace(hans.claims[0].subscription, status=status)


@pytest.mark.parametrize(
    "other",
    [
        "past_due",
        "unpaid",
        "incomplete",
        "incomplete_expired",
        "canceled",
        "paused",
        "active, and an invoice is not paid",
    ],
)
def test_another_that_is_not_paid_itself_spares_nobody(hans, other):
    hans.fails()
    unpaid = (Invoice("in_9", "open", True, FAILED, FAILED),) if "," in other else ()
    hans.others(*unpaid, status=other.split(",")[0], ended=FAILED)
    assert step(hans) is Step.SUSPEND
    hans.holds(state="suspended", notices=sent(14, 7, 1))
    assert step(hans, 30) is Step.DELETE


def test_of_several_that_claim_it_those_that_pay_are_named(stranger):
    stranger.others(id="sub_8", customer="cus_8")
    stranger.others(id="sub_7", status="canceled", ended=FAILED)
    assert "sub_8 of cus_8 and sub_9 of cus_9;" in made(stranger).because
    assert [payer.id for payer in made(stranger).contest.payers] == ["sub_8", "sub_9"]


def test_who_pays_their_own_is_not_touched_by_what_others_claim(hans):
    hans.others()
    assert step(hans) is Step.NOTHING
    hans.holds(state="suspended")
    assert step(hans) is Step.START
    hans.holds(state="running", plan="large")
    assert step(hans) is Step.CHANGE


def test_an_extension_and_what_the_operator_stopped_count_more_than_another_payment(hans):
    hans.fails()
    hans.others()
    hans.holds(state="stopped")
    assert step(hans, 40) is Step.NOTHING
    hans.holds(state="suspended", extended_until=FIRST + 10 * DAY)
    assert [step(hans, at) for at in (9, 10)] == [Step.START, Step.NEEDS_ATTENTION]


@pytest.mark.parametrize(("last", "deletes"), [(0, 30), (15, 30), (16, 31), (28, 43), (40, 55)])
def test_once_the_other_is_not_paid_either_the_clock_goes_on_with_time_for_all_letters(hans, last, deletes):
    hans.fails()
    hans.holds(state="suspended", notices=sent(14, 7, 1) if last > 15 else (), spared_until=FIRST + (last + 1) * DAY)
    days = {}
    for at in range(last + 1, 60):
        found = made(hans, at)
        if found.notice:
            days[found.notice.days] = (FIRST + at * DAY, found.notice.on)
            hans.holds(notices=(*hans.tenant.notices, dataclasses.replace(found.notice, sent=True)))
        if found.step is Step.DELETE:
            break
    on = FIRST + deletes * DAY
    assert FIRST + at * DAY == on
    assert days == {before: (on - before * DAY, on) for before in (14, 7, 1)}


def test_the_next_order_of_the_same_customer_takes_over_by_itself(hans):
    hans.says(status="canceled", ended=FAILED)
    hans.others(customer="cus_hans")
    assert (step(hans), made(hans).contest) == (Step.NOTHING, None)
    assert "sub_9 of the same customer takes it over" in made(hans).because


@pytest.mark.parametrize(
    ("own", "other"),
    [
        ({"status": "past_due"}, {}),
        ({"status": "canceled"}, {"name": "Hans"}),
        ({"status": "canceled"}, {"prices": ("price_other",)}),
    ],
)
def test_what_cannot_take_over_by_itself_is_for_the_operator(hans, own, other):
    hans.fails()
    hans.says(ended=FAILED, **own)
    hans.others(customer="cus_hans", **other)
    assert step(hans) is Step.NEEDS_ATTENTION


@pytest.mark.parametrize(
    ("holder", "words", "contested"),
    [
        (Holder("hans", "running", "sub_1", OTHER), "has its name and belongs to sub_1 (active)", False),
        (Holder("hans", "suspended", "sub_1", OTHER), "has its name and belongs to sub_1 (active)", False),
        (Holder("hans", "running", "sub_1", ENDED), "has its name and belongs to sub_1 (canceled)", False),
        (Holder("hans", "suspended", "sub_1", ENDED), "is suspended, although this order pays for it", True),
        (Holder("hans", TRASHED, "sub_1", ENDED), "in the trash has its name and belongs to sub_1", False),
        (Holder("hans", "running", "sub_1"), "belongs to sub_1 (not known to Stripe)", False),
        (Holder("hans", "suspended"), "'silo set hans --subscription sub_hans' links them", False),
    ],
)
def test_an_order_of_a_name_that_somebody_has_needs_attention(hans, holder, words, contested):
    hans.tenant, hans.holder = None, holder
    assert step(hans) is Step.NEEDS_ATTENTION
    assert words in made(hans).because
    assert bool(made(hans).contest) is contested


@pytest.mark.parametrize("state", ["running", "suspended", TRASHED])
def test_an_order_of_a_name_that_the_same_customer_had_is_carried_out(hans, state):
    hans.tenant, hans.holder = None, Holder("hans", state, "sub_1", dataclasses.replace(ENDED, customer="cus_hans"))
    assert step(hans) is Step.CREATE


times = st.datetimes(datetime.datetime(2026, 1, 1), datetime.datetime(2027, 12, 31), timezones=st.just(datetime.UTC))
dates = st.dates(datetime.date(2026, 1, 1), datetime.date(2027, 12, 31))
invoices = st.builds(
    Invoice,
    id=st.uuids().map(str),
    status=st.sampled_from(["draft", "open", "paid", "uncollectible", "void"]),
    attempted=st.booleans(),
    created=times,
    finalized=st.none() | times,
    due=st.none() | times,
    link=st.sampled_from(["", "https://invoice.example/1"]),
)
subscriptions = st.builds(
    Subscription,
    id=st.sampled_from(["sub_1", "sub_2", "sub_3", "sub_4"]),
    customer=st.sampled_from(["cus_1", "cus_2"]),
    status=st.sampled_from("incomplete incomplete_expired trialing active past_due unpaid canceled paused".split()),
    prices=st.lists(st.sampled_from(["price_a", "price_b", "price_c"]), max_size=2).map(tuple),
    created=times,
    name=st.sampled_from(["", "hans"]),
    ended=st.none() | times,
    ends=st.none() | times,
)
notices = st.builds(Notice, on=dates, days=st.sampled_from([14, 7, 1]), sent=st.booleans())
tenants = st.none() | st.builds(
    BillingTenant,
    name=st.just("hans"),
    state=st.sampled_from(["running", "stopped", "suspended", "absent", TRASHED, PURGED]),
    plan=st.sampled_from(["", "a", "b"]),
    extended_until=st.none() | dates,
    notices=st.lists(notices, max_size=4).map(tuple),
    spared_until=st.none() | dates,
)
claims = st.builds(Claim, subscriptions, st.lists(invoices, max_size=2).map(tuple))
holders = st.none() | st.builds(
    Holder,
    name=st.just("hans"),
    state=st.sampled_from(["running", "stopped", "suspended", "absent", TRASHED, ""]),
    linked=st.sampled_from(["", "sub_2"]),
    subscription=st.none() | subscriptions,
)
cases = st.builds(
    Case,
    subscription=subscriptions,
    invoices=st.lists(invoices, max_size=4).map(tuple),
    tenant=tenants,
    claims=st.lists(claims, max_size=3, unique_by=lambda claim: claim.subscription.id).map(tuple),
    holder=holders,
)
policies = st.builds(
    BillingPolicy,
    plans=st.just({"price_a": "a", "price_b": "b"}),
    grace_days=st.integers(0, 14),
    deletion_days=st.integers(29, 60),
)


def pays(one, now):
    """Tell whether a subscription with its invoices is paid, in the test's own words."""
    return one.subscription.status in ("active", "trialing") and not any(
        bill.unpaid_since(now) for bill in one.invoices
    )


@given(cases, policies, times)
def test_nobody_is_deleted_who_paid_or_was_not_told_or_has_an_extension(case, policy, now):
    found, tenant = decide(case, policy, now), case.tenant
    status = case.subscription.status
    unpaid = any(one.unpaid_since(now) for one in case.invoices) or status in ("canceled", "incomplete_expired")
    if found.step is Step.DELETE:
        assert unpaid
        assert tenant.state in ("suspended", "absent")
        assert found.clock + policy.deletion_days * DAY <= today(now)
        assert any(notice.sent and notice.on == found.deletes <= today(now) for notice in tenant.notices)
        assert not tenant.extended_until or tenant.extended_until <= today(now)
        # There was time for all letters since the last day on which another one paid.
        assert not tenant.spared_until or tenant.spared_until + policy.notices[0] * DAY <= today(now)
    if found.step is Step.SUSPEND:
        assert tenant.state == "running"
        assert unpaid or status == "paused"
    if tenant and tenant.state in ("stopped", "absent", PURGED):
        assert found.step in (Step.NOTHING, Step.NEEDS_ATTENTION, Step.DELETE)
    if found.step is Step.CREATE:
        assert tenant is None
        assert status in ("active", "trialing")
    if found.notice:
        assert found.notice.on > today(now)


@given(cases, policies, times)
def test_nothing_is_taken_away_while_any_claim_is_paid(case, policy, now):
    found = decide(case, policy, now)
    if any(pays(claim, now) for claim in case.claims):
        assert found.step not in (Step.SUSPEND, Step.DELETE)
        assert found.notice is found.pay_by is None
    if found.contest:
        assert found.step is Step.NEEDS_ATTENTION
        assert not pays(case, now) or case.tenant is None
        assert found.contest.payers
    # Claims and holders never start, make or bring back anything that would not be without them.
    alone = decide(dataclasses.replace(case, claims=(), holder=None), policy, now)
    assert found.step in (alone.step, Step.NEEDS_ATTENTION, Step.NOTHING)
    if not found.takes_away and not alone.takes_away and case.holder is None:
        assert found == alone


@given(cases, policies, times, st.randoms())
def test_the_order_of_what_stripe_lists_counts_nothing(case, policy, now, chance):
    first = decide(case, policy, now)
    invoices, claims = list(case.invoices), list(case.claims)
    chance.shuffle(invoices)
    chance.shuffle(claims)
    second = decide(dataclasses.replace(case, invoices=tuple(invoices), claims=tuple(claims)), policy, now)
    assert dataclasses.replace(first, link="") == dataclasses.replace(second, link="")
