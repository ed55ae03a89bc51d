"""Several subscriptions of one name: what is paid by any of them is not taken away, and nothing is given by guess."""

import datetime

import pytest
from click.testing import CliRunner

from silo import cli
from silo.billing.errors import NeedsAttention, NeedsAttentionReported, TryLater
from silo.billing.state_store import StateStore
from silo.billing.tenant_lookup import NOTICE
from silo.tenants import TenantService

from .world import OPERATOR

HANS = "hans@example.ch"
TITLE = "Another subscription pays for hans"
# The letters to Hans until he orders anew, and the one on that order.
READY, PARKED = "Ihre Foto-Cloud ist bereit", "Wir prüfen Ihre Bestellung"


def bodies(company, subject=TITLE):
    letters = [letter for letter in company.post.to(OPERATOR) if letter["Subject"] == subject]
    return [letter.get_body(("plain",)).get_content().replace("=\n", "") for letter in letters]


def anew(company, name="hans"):
    """Order a name by the documented checkout: another customer at Stripe, another subscription."""
    return company.account.order(name, HANS, "price_small")


def customer(company, subscription):
    return company.account.subscriptions[subscription]["customer"]


@pytest.fixture
def hans(company):
    name = company.order("hans")
    company.work()
    return name


@pytest.fixture
def unpaid(company, hans):
    """Hans, whose second month was not paid an hour ago."""
    company.account.break_card(hans)
    company.account.advance(31.05)
    return hans


@pytest.fixture
def suspended(company, unpaid):
    company.work()
    assert company.state("hans") == "suspended"
    return unpaid


def test_who_cancels_and_orders_again_keeps_what_they_have(company, hans):
    company.account.cancel(hans, at_period_end=True)
    company.days(20)
    anew(company)
    company.days(80)
    assert company.machines.running == {"hans": "running"}
    assert company.machines.data == {"hans": "photos 1"}
    assert company.post.subjects(HANS) == [READY, PARKED]


@pytest.mark.parametrize("grace", [0, 5])
def test_who_does_not_pay_and_orders_again_at_once_is_neither_suspended_nor_asked(company, unpaid, grace):
    company.set(billing_grace_days=grace)
    anew(company)
    company.work()
    company.days(60)
    assert company.machines.running == {"hans": "running"}
    assert company.post.subjects(HANS) == [READY, PARKED]


def test_the_operator_hears_of_it_once_with_all_that_is_needed(company, unpaid):
    new = anew(company)
    company.work()
    company.days(40)
    (body,) = bodies(company)
    for part in (unpaid, customer(company, unpaid), new, customer(company, new), "hans is running and stays so"):
        assert part in body
    assert f"'silo set hans --subscription {new}'" in body
    assert "although somebody pays for it" not in body


def test_who_is_suspended_and_orders_again_is_neither_started_nor_given_away_nor_deleted(company, suspended):
    company.days(20)
    written = len(company.post.to(HANS))
    new = anew(company)
    with pytest.raises(NeedsAttentionReported, match="is suspended, although this order pays for it"):
        company.reconciler().settle(new)
    (body,) = bodies(company)
    assert "hans is suspended and stays so" in body
    assert "It is suspended although somebody pays for it. It is not started automatically" in body
    company.days(60)
    assert company.machines.running == {"hans": "suspended"}
    assert TenantService(company.path).tenants()["hans"].settings["tenant_subscription"] == suspended
    assert company.post.subjects(HANS)[written:] == [PARKED]
    assert len(bodies(company)) == 1


def test_a_tenant_that_was_suspended_in_between_is_told_of_again(company, unpaid):
    new = anew(company)
    company.work()
    company.account.subscriptions[new]["status"] = "past_due"
    company.reconciler().settle(unpaid)
    company.account.subscriptions[new]["status"] = "active"
    for _again in range(2):
        with pytest.raises(NeedsAttentionReported):
            company.reconciler().settle(new)
    assert ["although somebody pays for it" in body for body in bodies(company)] == [False, True]


def test_what_the_letter_says_next_is_what_helps(company, suspended):
    new = anew(company)
    company.days(40)
    set_ = CliRunner().invoke(cli.main, ["-i", str(company.path), "set", "hans", "--subscription", new])
    assert set_.exit_code == 0, set_.output
    company.days(40)
    assert company.machines.running == {"hans": "running"}
    assert company.machines.data == {"hans": "photos 1"}


def announced(company):
    """Return the announcements that were sent to Hans: the day that each names, and how many days before."""
    states = TenantService(company.path).outbox.states()
    found = (NOTICE.fullmatch(event) for event, (state, _why) in states.items() if state == "sent")
    return {(datetime.date.fromisoformat(one[2]), int(one[3])) for one in found if one and one[1] == "hans"}


def lapse(company, other, how):
    """End what another subscription pays for the name."""
    known = company.account.subscriptions[other]
    if how == "it is cancelled":
        company.account.cancel(other)
    elif how == "its payment fails":
        known["status"] = "past_due"
        company.account.break_card(other)
    elif how == "it is given another name":
        known["metadata"]["tenant"] = "maria"
    else:
        TenantService(company.path).create("peter", email="p@example.ch", plan="small", subscription=other)


@pytest.mark.parametrize(
    "how", ["it is cancelled", "its payment fails", "it is given another name", "it is given to another tenant"]
)
@pytest.mark.parametrize(("begins", "ends"), [(2, 20), (20, 28), (20, 50)])
def test_once_the_other_pays_no_more_the_deletion_is_announced_anew_by_all_letters(
    company, suspended, how, begins, ends
):
    company.days(begins)
    other = anew(company)
    company.work()
    company.account.advance(ends - begins - 1)
    company.days(1)
    assert company.state("hans") == "suspended"
    lapse(company, other, how)
    before, written, last = announced(company), {}, company.account.time.date()
    while company.state("hans"):
        company.days(1)
        written |= dict.fromkeys(announced(company) - before - written.keys(), company.account.time.date())
        assert (company.account.time.date() - last).days <= 30
    gone = company.account.time.date()
    assert written == {(gone, days): gone - datetime.timedelta(days=days) for days in (14, 7, 1)}


def test_written_in_large_letters_it_is_the_same_name(company, unpaid):
    anew(company, " Hans ")
    with pytest.raises(NeedsAttentionReported, match="its name is paid for by"):
        company.reconciler().settle(unpaid)
    assert company.state("hans") == "running"


@pytest.mark.parametrize("how", ["its own invoice is not paid", "another name", "it is another tenant's"])
def test_what_does_not_pay_for_this_name_spares_nobody(company, unpaid, how):
    other = anew(company, "maria" if how == "another name" else "hans")
    if how == "its own invoice is not paid":
        company.account.of(other)[0] |= {"status": "uncollectible"}
    if how == "it is another tenant's":
        TenantService(company.path).create("maria", email="m@example.ch", quota="10G", subscription=other)
    company.reconciler().settle(unpaid)
    assert company.state("hans") == "suspended"


def test_paid_by_another_at_the_very_moment_of_the_deletion_it_is_not_deleted(company, suspended, stripe):
    company.days(29)
    looks = []

    def orders(path):
        # At the second look, which is the one before the deletion.
        looks.append(path)
        if looks.count(f"subscriptions/{suspended}") == 2 and path == f"subscriptions/{suspended}":
            anew(company)

    company.account.advance(1)
    stripe.before = orders
    with pytest.raises(NeedsAttentionReported, match="it stays suspended until you decide whose it is"):
        company.reconciler().settle(suspended)
    assert company.state("hans") == "suspended"
    assert "Ihre Foto-Cloud wurde gelöscht" not in company.post.subjects(HANS)


@pytest.mark.parametrize("day", [0, 16, 30])
@pytest.mark.parametrize("asked", ["subscriptions", "invoices"])
def test_where_stripe_does_not_tell_who_else_pays_nothing_is_done(company, unpaid, stripe, day, asked):
    if day:
        company.days(day - 1)
        company.account.advance(1)
        company.events()
    before, written = company.state("hans"), len(company.post.to(HANS))
    anew(company)
    paths = []

    def fails(path):
        paths.append(path)
        listed = "subscriptions" in paths
        stripe.away = path == "subscriptions" if asked == "subscriptions" else listed and path == "invoices"

    stripe.before = fails
    with pytest.raises(TryLater, match="Stripe did not return"):
        company.reconciler().settle(unpaid)
    assert (company.state("hans"), len(company.post.to(HANS))) == (before, written)


def test_a_letter_on_its_way_that_is_true_no_more_is_taken_back(company, suspended):
    company.days(15)
    company.post.refuses = True
    company.days(1)
    assert [state for event, (state, _why) in letters(company) if "announced" in event] == ["pending"]
    new = anew(company)
    with pytest.raises(NeedsAttention):
        company.reconciler().settle(new)
    assert [event for event, _state in letters(company) if "announced" in event] == []


def letters(company):
    return TenantService(company.path).outbox.states().items()


def test_what_needs_attention_counts_on_no_rate_limit(company):
    company.set(billing_suspensions_per_day=1)
    names = [company.order(name) for name in ("hans", "maria")]
    company.work()
    for name in names:
        company.account.break_card(name)
    company.account.advance(31.05)
    anew(company)
    company.work()
    assert company.machines.running == {"hans": "running", "maria": "suspended"}
    assert "Billing reached a daily limit" not in company.post.subjects(OPERATOR)


def test_others_are_asked_for_only_where_something_would_be_taken_away(company, hans, stripe):
    def listed(subscription):
        stripe.asked.clear()
        company.reconciler().settle(subscription)
        return stripe.asked.count("GET /v1/subscriptions")

    assert listed(hans) == 0
    maria = company.order("maria")
    assert listed(maria) == 0
    company.account.break_card(hans)
    company.account.advance(31.05)
    # Before the suspension, and at the look at what holds after it.
    assert listed(hans) == 2
    company.account.pay(hans)
    assert listed(hans) == 0


def test_the_next_order_of_the_same_customer_takes_over_without_a_word_on_a_suspension(company, hans):
    company.account.cancel(hans)
    new = company.account.subscribe(customer(company, hans), "price_small", {"tenant": "hans", "language": "de"})
    company.work()
    assert TenantService(company.path).tenants()["hans"].settings["tenant_subscription"] == new
    assert company.machines.running == {"hans": "running"}
    assert company.post.subjects(HANS) == ["Ihre Foto-Cloud ist bereit"]
    assert company.post.subjects(OPERATOR) == []


def test_the_nightly_look_finds_it_though_no_event_ever_came(company, unpaid):
    new = anew(company)
    found = company.reconciliation().compare()
    assert {(one.fix, one.subscription) for one in found} == {("needs_attention", unpaid), ("needs_attention", new)}
    repair = company.reconciliation().sweep()
    assert (repair.done, repair.later) == ((), ())
    assert [f"its name is paid for by {new}" in text for text in repair.left] == [True, False]
    assert len(bodies(company)) == 1
    assert company.machines.running == {"hans": "running"}
    assert StateStore(TenantService(company.path).state.folder).spared() == {unpaid: datetime.date(2026, 2, 2)}


def test_an_order_of_a_name_in_use_changes_nothing_where_that_is_paid(company, hans):
    new = anew(company)
    with pytest.raises(NeedsAttention, match="another tenant has its name") as raised:
        company.reconciler().settle(new)
    assert not isinstance(raised.value, NeedsAttentionReported)
    assert bodies(company) == []
