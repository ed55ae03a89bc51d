"""What dunning says is what then happens, day by day."""

import collections
import dataclasses
import datetime
import re

import pytest

from silo.billing import tenant_lookup
from silo.billing.compare import cases
from silo.billing.forecast import forecast
from silo.billing.model import Holder, Notice
from silo.billing.tenant_lookup import NOTICE
from silo.tenants import TenantService

from .conftest import FAILED, Customer
from .world import PLANS

DAYS = 45
# What is left to the operator begins with the tenant, and with the subscription if there was an attempt.
PARKED = re.compile(r"\w+(?: \(sub_\w+\))?")


def coming(hans, days=DAYS):
    found = forecast([hans.case], hans.policy, FAILED, days)
    return [(one.day.isoformat(), one.what) for one in found]


def test_a_customer_who_pays_has_nothing_to_fear(hans):
    assert coming(hans) == []


def test_one_who_does_not_pay_with_a_grace(hans):
    hans.rules(grace_days=5)
    hans.fails()
    assert coming(hans) == [
        ("2026-12-01", "payment_failed"),
        ("2026-12-06", "suspend"),
        ("2026-12-17", "deletion_announced"),
        ("2026-12-24", "deletion_announced"),
        ("2026-12-30", "deletion_announced"),
        ("2026-12-31", "delete"),
    ]
    assert coming(hans, 5) == coming(hans)[:1]


def test_a_letter_that_is_written_already_is_not_told_again(hans):
    hans.rules(grace_days=5)
    hans.fails()
    hans.holds(reminded=(datetime.date(2026, 12, 6),))
    assert coming(hans, 10) == [("2026-12-06", "suspend")]


def test_one_whose_end_is_known(hans):
    hans.says(ends=FAILED + datetime.timedelta(days=20))
    assert coming(hans) == [
        ("2026-12-21", "suspend"),
        ("2027-01-06", "deletion_announced"),
        ("2027-01-13", "deletion_announced"),
    ]


def test_an_order_that_nobody_can_carry_out_is_told_today(hans):
    hans.tenant = None
    hans.says(prices=("price_other",))
    assert coming(hans) == [("2026-12-01", "needs_attention")]


def test_one_whose_name_another_pays_for_needs_attention_until_that_ends_and_then_told_anew(hans):
    hans.fails()
    hans.others(ends=FAILED + datetime.timedelta(days=10))
    assert coming(hans) == [
        ("2026-12-01", "needs_attention"),
        ("2026-12-11", "suspend"),
        ("2026-12-17", "deletion_announced"),
        ("2026-12-24", "deletion_announced"),
        ("2026-12-30", "deletion_announced"),
        ("2026-12-31", "delete"),
    ]
    hans.claims.clear()
    hans.others(ends=FAILED + datetime.timedelta(days=20))
    hans.holds(state="suspended")
    assert coming(hans) == [
        ("2026-12-01", "needs_attention"),
        ("2026-12-21", "deletion_announced"),
        ("2026-12-28", "deletion_announced"),
        ("2027-01-03", "deletion_announced"),
        ("2027-01-04", "delete"),
    ]


def test_one_who_is_about_to_leave_needs_attention_on_that_day(hans):
    hans.says(ends=FAILED + datetime.timedelta(days=20))
    hans.others()
    assert coming(hans) == [("2026-12-21", "needs_attention")]


def test_an_order_of_a_taken_name_needs_attention_until_the_same_customer_is_free_to_take_over(hans):
    before = dataclasses.replace(hans.subscription, id="sub_1", ends=FAILED + datetime.timedelta(days=3))
    hans.tenant, hans.holder = None, Holder("hans", "running", "sub_1", before)
    assert coming(hans) == [("2026-12-01", "needs_attention"), ("2026-12-04", "create")]
    hans.holder = Holder("hans", "running", "sub_1", dataclasses.replace(before, customer="cus_1"))
    assert coming(hans) == [("2026-12-01", "needs_attention")]


def test_what_needs_attention_counts_on_no_rate_limit(hans):
    hans.fails()
    spared = Customer()
    spared.fails()
    spared.others()
    some = [*[spared.case] * 7, *[hans.case] * 5]
    assert [one for one in forecast(some, hans.policy, FAILED, 1) if one.asked] == []


def test_more_than_one_day_allows_is_marked(hans):
    hans.fails()
    some = [hans.case] * 7
    found = [one.asked for one in forecast(some, hans.policy, FAILED, 1) if one.what == "suspend"]
    assert found == [False] * 5 + [True] * 2


def happened(company):
    """Return the state, the plan and the subscription of each tenant, and the letters on payments that were sent."""
    found = {}
    edits = TenantService(company.path)
    for name, tenant in edits.tenants().items():
        found[name] = (tenant.state, tenant.settings.get("tenant_plan"), tenant.settings["tenant_subscription"])
    letters = {event for event in edits.outbox.states() if NOTICE.fullmatch(event) or event.startswith("payment_fail")}
    return found, letters


def told_and_seen(company):
    """Return what dunning says, and by day what it says and what then happens, with one look a day."""
    told = forecast(
        cases(tenant_lookup.read(TenantService(company.path)), company.client, company.reconciler().policy),
        company.reconciler().policy,
        company.account.time,
        DAYS,
    )
    expected = {}
    for one in told:
        expected.setdefault(one.day, set()).add((one.tenant, one.what))
    seen, waiting = {}, set()
    company.delivered = len(company.account.events)
    for day in range(DAYS):
        before, letters = happened(company)
        if day:
            company.account.advance(1)
            company.work()
        left = {PARKED.match(text)[0] for text in company.reconciliation().sweep().left}
        after, more = happened(company)
        found = seen.setdefault(company.account.time.date(), set())
        found |= {(event.split("/")[1], event.split("/")[0]) for event in more - letters}
        found |= {(one.split()[0], "needs_attention") for one in left - waiting}
        waiting = left
        for name in before.keys() | after.keys():
            was, now = before.get(name), after.get(name)
            if was and not now:
                found.add((name, "delete"))
            elif was[0] != now[0]:
                found.add((name, {"running": "start", "suspended": "suspend"}[now[0]]))
            if was and now and was[1] != now[1]:
                found.add((name, "change"))
            if was and now and was[2] != now[2]:
                found.add((name, "create"))
    return told, expected, {day: found for day, found in seen.items() if found}


@pytest.mark.long("45 days, each with a look")
def test_what_is_told_is_what_happens_then_day_by_day(company):
    company.set(billing_grace_days=3)
    people = ("anton", "berta", "carla", "dora", "emil", "franz", "gerda", "ida", "jana", "kurt")
    names = {name: company.order(name) for name in people}
    company.work()
    # So that each day is looked at once, late on it.
    company.account.advance(13 / 24)
    for name in ("anton", "berta", "carla", "dora"):
        company.account.break_card(names[name])
    for name in ("emil", "ida"):
        company.account.cancel(names[name], at_period_end=True)
    company.account.break_card(names["jana"])
    company.days(9)
    helga = company.order("helga")
    company.work()
    company.account.break_card(helga)
    company.days(10)
    # Before hers ends, and at Stripe she is another customer; Jana does so after she was suspended.
    anew = {"ida": company.order("ida")}
    company.days(20)
    # Her payment fails today, and nobody has looked yet.
    company.account.advance(1)
    company.account.mend_card(names["berta"])
    company.account.pay(names["berta"])
    company.account.change(names["franz"], "price_large")
    anew["jana"] = company.order("jana")
    for name in anew.values():
        company.account.cancel(name, at_period_end=True)
    # Kurt leaves today, and his next order takes over.
    company.account.cancel(names["kurt"])
    customer = company.account.subscriptions[names["kurt"]]["customer"]
    company.account.subscribe(customer, "price_small", {"tenant": "kurt", "language": "de"})
    operator = TenantService(company.path)
    operator.change("carla", extended_until="2026-03-01", extension_reason="asked for it")
    operator.set_state("dora", "stopped")
    told, expected, seen = told_and_seen(company)
    assert seen == expected
    assert sorted({what for _name, what in set().union(*expected.values())}) == [
        "change",
        "create",
        "delete",
        "deletion_announced",
        "needs_attention",
        "payment_failed",
        "start",
        "suspend",
    ]
    assert {name for name, _what in set().union(*expected.values())} == {
        "anton",
        "berta",
        "carla",
        "emil",
        "franz",
        "helga",
        "ida",
        "jana",
        "kurt",
    }
    for name, suspended in (("ida", 1), ("jana", 0)):
        whats = collections.Counter(one.what for one in told if one.tenant == name)
        assert whats == collections.Counter(needs_attention=2, suspend=suspended, deletion_announced=3, delete=1)


def test_what_is_told_of_whoever_is_neither_paid_nor_simply_unpaid_happens_too(company):
    company.set(billing_grace_days=3)
    company.account.sell("price_gift", "Gift", amount=0)
    company.set(billing_plans={**PLANS, "price_gift": "small"})
    names = {name: company.order(name) for name in ("ulla", "willi", "paula", "dirk")}
    names["gita"] = company.order("gita", "price_gift")
    company.work()
    company.account.advance(13 / 24)
    company.days(10)
    # Ulla's larger plan is not paid, and nor is her next month; Willi's last month is written off.
    company.account.break_card(names["ulla"])
    company.account.change(names["ulla"], "price_large", at_once=True)
    company.account.break_card(names["willi"])
    company.days(21)
    company.account.write_off(names["willi"])
    company.account.pause(names["paula"], "pause_requested")
    company.days(1)
    company.account.take(names["dirk"], 3)
    company.account.advance(1)
    _told, expected, seen = told_and_seen(company)
    assert seen == expected
    whats = collections.defaultdict(set)
    for found in expected.values():
        for name, what in found:
            whats[name].add(what)
    assert whats["willi"] == {"suspend", "deletion_announced", "delete"}
    assert whats["dirk"] == {"needs_attention"}
    assert "delete" in whats["ulla"]
    assert not whats["paula"] | whats["gita"]


def test_a_notice_is_an_event_of_its_own():
    notice = Notice(datetime.date(2026, 12, 31), 14)
    assert NOTICE.fullmatch(notice.event("hans")).groups() == ("hans", "2026-12-31", "14")
