"""Wherever the controller is, and on days on which clocks change, what is promised for a day ends on that day."""

import dataclasses
import datetime
import time

import pytest

from silo.billing.decision import decide
from silo.billing.model import BillingTenant, Case, Invoice, Notice, Step, Subscription
from silo.billing.policy import BillingPolicy
from silo.notifications.letter import render
from silo.reports import report
from silo.tenants import TenantService

UTC = datetime.UTC
HALF_HOUR = datetime.timedelta(minutes=30)
# From the first to the last on earth, and one that changes its clocks on other days.
ZONES = ("UTC", "Europe/Zurich", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Australia/Lord_Howe")
# A payment that fails at noon, so that each of the two changes of clocks lies within its thirty days; and midnight
# in Switzerland at their end, in UTC.
AUTUMN = datetime.datetime(2026, 10, 10, 12, tzinfo=UTC), datetime.datetime(2026, 11, 8, 23, tzinfo=UTC)
SPRING = datetime.datetime(2027, 3, 10, 12, tzinfo=UTC), datetime.datetime(2027, 4, 8, 22, tzinfo=UTC)


@pytest.fixture
def zone(monkeypatch):
    """Puts this process into a time zone, as TZ does with a controller."""

    def put(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield put
    monkeypatch.undo()
    time.tzset()


def deletion(failed, now):
    """What is decided of a customer who was told all, and whose payment failed."""
    subscription = Subscription("sub_hans", "cus_hans", "past_due", ("price_small",), failed, "hans", "de")
    invoice = Invoice("in_1", "open", True, failed, failed, link="https://invoice.example/1")
    last = (failed + datetime.timedelta(days=30)).date()
    told = tuple(Notice(last, days, True) for days in (14, 7, 1))
    tenant = dataclasses.replace(BillingTenant("hans", "suspended", "small"), notices=told)
    return decide(Case(subscription, (invoice,), tenant), BillingPolicy({"price_small": "small"}), now)


@pytest.mark.fault(27)
@pytest.mark.parametrize(("failed", "midnight"), [AUTUMN, SPRING], ids=["autumn", "spring"])
def test_thirty_days_end_at_midnight_in_switzerland_wherever_the_controller_is(zone, seen, failed, midnight):
    moments = [midnight + number * HALF_HOUR for number in range(-96, 96)]
    found = {}
    for name in ZONES:
        zone(name)
        found[name] = [deletion(failed, moment) for moment in moments]
    assert all(decisions == found["UTC"] for decisions in found.values())
    deleted = [moment for moment, made in zip(moments, found["UTC"], strict=True) if made.step is Step.DELETE]
    assert deleted == [moment for moment in moments if moment >= midnight]
    seen(f"{len(moments)} half hours around a change of clocks, in {len(ZONES)} time zones: all end at the same one")


@pytest.mark.fault(27)
def test_two_weeks_in_the_trash_are_as_long_everywhere(path, runs, zone):
    zone("Pacific/Kiritimati")
    TenantService(path).create("hans", email="hans@example.ch", quota="1G")
    before = datetime.datetime.now(UTC)
    deletion = TenantService(path).delete("hans")
    assert deletion.when.endswith("+00:00")
    zone("Pacific/Pago_Pago")
    operator = TenantService(path)
    two_weeks = datetime.timedelta(days=14)
    assert operator.trash.due(before + two_weeks - HALF_HOUR) == ()
    assert [one.name for one in operator.trash.due(before + two_weeks + HALF_HOUR)] == ["hans"]


@pytest.mark.fault(27)
def test_a_letter_names_the_days_of_switzerland(path, runs, zone):
    TenantService(path).create("hans", email="hans@example.ch", quota="1G")
    deletion = TenantService(path).delete("hans")
    # Shortly before midnight in UTC, it is the next day there; two weeks later clocks have changed.
    late = dataclasses.replace(deletion, when="2026-10-11T22:30:00+00:00")
    texts = set()
    for name in ZONES:
        zone(name)
        texts.add(render(TenantService(path).trash.letter(late), "de").text)
    (text,) = texts
    assert "12. Oktober 2026, 00:30" in text
    assert "25. Oktober 2026" in text


@pytest.mark.fault(27)
def test_the_month_of_a_report_is_that_of_the_ledger(zone):
    moment = datetime.datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    for name in ZONES:
        zone(name)
        assert report.today(moment) == datetime.date(2026, 11, 1)
