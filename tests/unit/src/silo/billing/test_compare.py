"""Stripe, the inventory and the machines: what does not agree is told, and what can be settled is settled."""

import pytest

from silo.billing import tenant_lookup
from silo.billing.compare import cases, missed
from silo.billing.reconciler import Reconciler
from silo.billing.state_store import StateStore
from silo.tenants import TenantService

from .world import OPERATOR


def texts(found):
    return sorted((one.text, one.fix) for one in found)


@pytest.fixture
def hans(company):
    name = company.order("hans")
    company.work()
    return name


def test_where_all_agrees_nothing_is_told_and_nothing_is_run(company, hans):
    assert company.reconciliation().look() == []
    seen = len(company.machines.seen)
    assert company.reconciliation().sweep().done == ()
    assert len(company.machines.seen) == seen


@pytest.mark.fault(17)
def test_paid_without_a_cloud_and_a_cloud_without_a_payment_though_no_event_ever_came(company, hans):
    company.order("maria")
    company.account.cancel(hans)
    both = company.reconciliation()
    assert texts(both.look()) == [
        ("hans: suspend is due: its subscription ended on 2026-01-01", "settle"),
        ("maria: create is due: it is paid", "settle"),
    ]
    repair = both.fix(both.look())
    assert (len(repair.done), repair.left, repair.later) == (2, (), ())
    assert company.machines.running == {"hans": "suspended", "maria": "running"}
    assert both.look() == []


def test_what_runs_and_is_unknown_is_told_and_left_alone(company, hans):
    company.machines.running["ghost"] = "running"
    both = company.reconciliation()
    found = both.look()
    text = "ghost: it is running on silo1, but the inventory does not have it; silo does not change it"
    assert texts(found) == [(text, "operator")]
    assert both.fix(found).left == (found[0].text,)
    assert company.machines.running["ghost"] == "running"
    assert company.post.subjects(OPERATOR) == ["Stripe, inventory and machines differ"]
    company.account.advance(3)
    both.fix(found)
    assert len(company.post.to(OPERATOR)) == 1
    company.machines.running["another"] = "running"
    both.fix(both.look())
    assert len(company.post.to(OPERATOR)) == 2


@pytest.mark.parametrize(
    ("state", "runs", "text"),
    [
        ("running", "gone", "hans: it must be running, but is absent"),
        ("suspended", "running", "hans: it must be suspended, but is running"),
    ],
)
def test_what_is_not_as_the_inventory_says_is_applied(company, hans, state, runs, text):
    TenantService(company.path).change("hans", extended_until="2026-01-05", extension_reason="r")
    if state == "suspended":
        company.account.cancel(hans)
        TenantService(company.path).change("hans", extended_until=None, extension_reason=None)
        company.work()
    company.machines.running["hans"] = runs
    both = company.reconciliation()
    assert texts(both.look()) == [(text, "apply")]
    both.fix(both.look())
    assert company.machines.running["hans"] == state


def test_a_subscription_that_stripe_does_not_know_is_told(company, hans):
    TenantService(company.path).create("peter", email="p@example.ch", quota="10G", subscription="sub_other")
    assert texts(company.reconciliation().look()) == [
        ("peter belongs to sub_other, which Stripe does not know; silo does not change it", "operator")
    ]


def test_paid_and_stopped_by_choice_is_told_and_left(company, hans):
    TenantService(company.path).set_state("hans", "stopped")
    assert texts(company.reconciliation().look()) == [
        ("hans: it is paid, but stopped by the operator's choice", "operator")
    ]


def test_a_tenant_made_by_hand_without_a_subscription_is_nobodys_business(company, hans):
    TenantService(company.path).create("peter", email="p@example.ch", quota="10G")
    assert company.reconciliation().look() == []
    company.days(40)
    assert company.machines.running["peter"] == "running"


def test_a_change_that_was_cut_off_is_found(company, hans):
    StateStore(TenantService(company.path).state.folder).begin(hans, "hans", company.clock())
    both = company.reconciliation()
    assert texts(both.look()) == [("hans: a change was interrupted", "settle")]
    both.fix(both.look())
    assert both.look() == []


def test_one_that_fails_holds_up_no_other(company, hans):
    for name in ("www", "maria"):
        company.account.order(name, f"{name}@example.ch", "price_small")
    company.machines.fails = ""
    repair = company.reconciliation().sweep()
    assert "maria runs: it is paid; maria: it is paid" in repair.done
    assert len(repair.left) == 1
    assert "reserved for the platform" in repair.left[0]


def test_a_mistake_with_one_holds_up_no_other(company, hans, monkeypatch):
    wrong = company.order("maria")
    company.order("peter")
    settle = Reconciler.settle

    def mistaken(self, subscription):
        if subscription == wrong:
            raise KeyError("quota")
        return settle(self, subscription)

    monkeypatch.setattr(Reconciler, "settle", mistaken)
    repair = company.reconciliation().sweep()
    assert company.machines.running["peter"] == "running"
    (later,) = repair.later
    assert later.startswith("maria: create is due: it is paid; silo failed with KeyError")


def test_what_a_tenant_paid_counts_in_the_forecast_as_it_does_for_an_event(company, hans):
    company.account.break_card(hans)
    company.account.advance(31)
    known, policy = tenant_lookup.read(TenantService(company.path)), company.reconciler().policy
    (case,) = cases(known, company.client, policy)
    assert case.invoices == company.client.invoices(hans)
    assert {one.status for one in case.invoices} == {"paid", "open"}


def test_where_ansible_fails_it_is_for_later(company, hans):
    company.order("maria")
    company.machines.fails = "apply.yml"
    repair = company.reconciliation().sweep()
    assert len(repair.later) == 1
    company.machines.fails = ""
    assert company.reconciliation().sweep().later == ()
    assert company.machines.running["maria"] == "running"


@pytest.mark.fault(17)
def test_events_that_never_came_are_fetched_with_all_that_they_say(company, hans):
    company.account.dispute(hans)
    found = missed(company.client, company.account.time)
    assert [one.type for one in found][-1] == "charge.dispute.created"
    assert {one.id for one in found} == {one["id"] for one in company.account.events}
    assert {one.subscription for one in found} == {hans, ""}
