"""In whatever order events come, twice or not at all: with one look a day, all end in the same state."""

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from silo.tenants import TenantService
from tests.unit.examples import examples

from .world import remember

NAMES = ("anna", "bruno")
ACTIONS = (
    "break_card",
    "mend_card",
    "pay",
    "cancel",
    "change_large",
    "change_small",
    "dispute",
    "order_again",
    "order_anew",
)
steps = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(ACTIONS), st.sampled_from([0, 1, 8, 31])), min_size=1, max_size=5
)


@pytest.fixture
def remembered(monkeypatch):
    """Only edits write into the inventories of these stories."""
    remember(monkeypatch)


def act(company, names, name, action):
    account, subscription = company.account, names[name]
    ended = account.subscriptions[subscription]["status"] == "canceled"
    if action == "order_anew":
        # By another checkout, so by another customer; what they do then, they do with that one. A name that nobody has
        # yet is given to whose event comes first.
        if company.state(name):
            names[name] = account.order(name, f"{name}@example.ch", "price_small")
    elif action == "order_again":
        if ended:
            customer = account.subscriptions[subscription]["customer"]
            account.broken_cards.discard(customer)
            names[name] = account.subscribe(customer, "price_medium", {"tenant": name, "language": "de"})
    elif action.startswith("change_"):
        if not ended:
            account.change(subscription, action.replace("change", "price"))
    elif not (ended and action == "cancel"):
        getattr(account, action)(subscription)


def live(company, story, deliver):
    """Live through a story, each day's events delivered as `deliver` has it; return what is left of it."""
    names = {name: company.order(name) for name in NAMES}
    for name, action, days in [*story, ("anna", "dispute", 1)]:
        act(company, names, name, action)
        for day in range(days):
            company.account.advance(1)
            for event in deliver(company.events()):
                company.take(event)
            company.reconciliation().sweep()
            assert company.reconciliation().sweep().done == (), (name, action, day)
    return picture(company)


def picture(company):
    tenants = TenantService(company.path).tenants()
    settings_ = {
        name: (tenant.state, tenant.settings.get("tenant_plan"), tenant.settings["tenant_subscription"])
        for name, tenant in tenants.items()
    }
    runs = {name: state for name, state in company.machines.running.items() if state == "running"}
    deletions = TenantService(company.path).files.deletion_records()
    assert set(company.machines.trash) == {(deletion.name, deletion.index) for deletion in deletions}
    deletions = sorted(deletion.name for deletion in deletions)
    # Who is made first gets the lower index: that is of the order, and not of the state.
    trash = sorted(name for name, _index in company.machines.trash)
    return settings_, runs, sorted(company.machines.data), trash, deletions


@pytest.mark.fault(15, 16)
@examples(2, 8, HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
@given(steps, st.randoms(use_true_random=False))
@example([("anna", "break_card", 31), ("anna", "pay", 0), ("anna", "mend_card", 1)], None)
@example([("anna", "break_card", 31), ("bruno", "cancel", 31), ("anna", "pay", 1), ("bruno", "order_again", 1)], None)
@example([("anna", "break_card", 1), ("anna", "cancel", 0), ("anna", "break_card", 31)], None)
@example([("anna", "cancel", 0), ("anna", "order_anew", 31), ("anna", "cancel", 31)], None)
@example([("anna", "break_card", 31), ("anna", "order_anew", 31), ("anna", "break_card", 31)], None)
def test_late_doubled_missing_and_disordered_events_end_in_the_same_state(companies_of, remembered, story, chance):
    def confused(events):
        if chance is None:
            return [*reversed(events), *events]
        some = [event for event in events for _again in range(chance.choice([0, 1, 1, 2]))]
        chance.shuffle(some)
        return some

    assert live(companies_of(), story, lambda events: events) == live(companies_of(), story, confused)


@pytest.mark.fault(15)
def test_no_letter_comes_twice_however_often_an_event_does(companies_of, remembered):
    company = companies_of()
    live(company, [("anna", "break_card", 31), ("anna", "pay", 1)], lambda events: events * 3)
    assert company.post.subjects("anna@example.ch") == [
        "Ihre Foto-Cloud ist bereit",
        "Ihre Foto-Cloud ist geschlossen",
        "Ihre Foto-Cloud ist wieder offen",
    ]
