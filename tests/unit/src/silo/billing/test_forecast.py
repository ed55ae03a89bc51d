"""What dunning says is what then happens, day by day."""

import datetime

from silo.billing import facts
from silo.billing.facts import NOTICE
from silo.billing.forecast import Case, forecast
from silo.billing.model import Notice
from silo.billing.reconciliation import cases
from silo.edits import Edits
from silo.operation import Operator

from .conftest import FAILED

DAYS = 45


def coming(hans, days=DAYS):
    case = Case(hans.subscription, tuple(hans.invoices), hans.tenant)
    found = forecast([case], hans.policy, FAILED, days)
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
    assert coming(hans) == [("2026-12-01", "park")]


def test_more_than_one_day_allows_is_marked(hans):
    hans.fails()
    some = [Case(hans.subscription, tuple(hans.invoices), hans.tenant)] * 7
    found = [one.asked for one in forecast(some, hans.policy, FAILED, 1) if one.what == "suspend"]
    assert found == [False] * 5 + [True] * 2


def happened(company):
    """Return what is so now, by tenant: its state and plan, and the letters on payments that its customer was sent."""
    found = {}
    edits = Edits(company.path)
    for name, tenant in edits.tenants().items():
        found[name] = (tenant.state, tenant.settings.get("tenant_plan"))
    letters = {event for event in edits.outbox.states() if NOTICE.fullmatch(event) or event.startswith("payment_fail")}
    return found, letters


def test_what_is_told_is_what_happens_then_day_by_day(company):
    company.set(billing_grace_days=3)
    names = {name: company.order(name) for name in ("anton", "berta", "carla", "dora", "emil", "franz", "gerda")}
    company.work()
    # So that each day is looked at once, late on it.
    company.account.advance(13 / 24)
    for name in ("anton", "berta", "carla", "dora"):
        company.account.break_card(names[name])
    company.account.cancel(names["emil"], at_period_end=True)
    company.days(9)
    helga = company.order("helga")
    company.work()
    company.account.break_card(helga)
    company.days(30)
    # Her payment fails today, and nobody has looked yet.
    company.account.advance(1)
    company.account.mend_card(names["berta"])
    company.account.pay(names["berta"])
    company.account.change(names["franz"], "price_large")
    operator = Operator(Edits(company.path))
    operator.change("carla", extended_until="2026-03-01", extension_reason="asked for it")
    operator.set_state("dora", "stopped")
    told = forecast(
        cases(facts.read(Edits(company.path)), company.gateway), company.settlement().policy, company.account.time, DAYS
    )
    expected = {}
    for one in told:
        expected.setdefault(one.day, set()).add((one.tenant, one.what))
    seen = {}
    company.delivered = len(company.account.events)
    for day in range(DAYS):
        before, letters = happened(company)
        if day:
            company.account.advance(1)
            company.work()
        company.reconciliation().sweep()
        after, more = happened(company)
        found = seen.setdefault(company.account.time.date(), set())
        found |= {(event.split("/")[1], event.split("/")[0]) for event in more - letters}
        for name in before.keys() | after.keys():
            was, now = before.get(name), after.get(name)
            if was and not now:
                found.add((name, "delete"))
            elif was[0] != now[0]:
                found.add((name, {"running": "start", "suspended": "suspend"}[now[0]]))
            if was and now and was[1] != now[1]:
                found.add((name, "change"))
    assert {day: found for day, found in seen.items() if found} == expected
    assert sorted({what for _name, what in set().union(*expected.values())}) == [
        "change",
        "delete",
        "deletion_announced",
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
    }


def test_a_notice_is_an_event_of_its_own():
    notice = Notice(datetime.date(2026, 12, 31), 14)
    assert NOTICE.fullmatch(notice.event("hans")).groups() == ("hans", "2026-12-31", "14")
