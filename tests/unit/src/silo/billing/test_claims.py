"""What claims a tenant at Stripe, and in which state its payments are: nothing that is paid is taken away."""

import concurrent.futures
import datetime
import json

import pytest
from click.testing import CliRunner

from silo import cli
from silo.billing.errors import NeedsAttention, TryLater
from silo.billing.stripe import credentials
from silo.cli import billing
from silo.tenants import TenantService
from tests.stripe_api.account import DAY, SLOW_DAYS
from tests.stripe_api.server import KEY

from .world import OPERATOR

HANS = "hans@example.ch"
READY, SUSPENDED, OPEN = (
    "Ihre Foto-Cloud ist bereit",
    "Rechnung offen: Ihre Foto-Cloud ist geschlossen",
    "Ihre Foto-Cloud ist wieder offen",
)
PARKED = "Wir prüfen Ihre Bestellung"


def settings(company, name="hans"):
    return TenantService(company.path).tenants()[name].settings


def letters(company, subject):
    found = [letter for letter in company.post.to(OPERATOR) if letter["Subject"] == subject]
    return [letter.get_body(("plain",)).get_content().replace("=\n", "") for letter in found]


@pytest.fixture
def hans(company):
    name = company.order("hans")
    company.work()
    return name


def customer(company, subscription):
    return company.account.subscriptions[subscription]["customer"]


def test_a_direct_debit_is_not_unpaid_while_it_is_on_its_way(company, hans):
    company.account.slow.add(customer(company, hans))
    company.days(200)
    assert company.machines.running == {"hans": "running"}
    assert company.post.subjects(HANS) == [READY]


def test_a_direct_debit_that_fails_at_last_is_unpaid_then(company, hans):
    company.account.slow.add(customer(company, hans))
    company.account.advance(31)
    company.account.break_card(hans)
    company.days(SLOW_DAYS - 2)
    assert company.state("hans") == "running"
    company.days(3)
    assert company.state("hans") == "suspended"


def test_who_is_suspended_and_pays_by_direct_debit_is_not_deleted_meanwhile_and_starts_when_it_has_come(company, hans):
    company.account.break_card(hans)
    company.days(31 + 28)
    assert company.state("hans") == "suspended"
    written = len(company.post.to(HANS))
    company.account.mend_card(hans)
    company.account.pay_slowly(hans)
    company.days(SLOW_DAYS - 1)
    assert company.state("hans") == "suspended"
    assert len(company.post.to(HANS)) == written
    company.days(2)
    assert company.state("hans") == "running"
    assert company.post.subjects(HANS)[-1] == OPEN


def test_a_last_direct_debit_that_fails_gives_time_for_all_letters(company, hans):
    company.account.break_card(hans)
    company.days(31 + 28)
    company.account.pay_slowly(hans)
    company.days(SLOW_DAYS + 1)
    assert company.state("hans") == "suspended"
    company.days(15)
    assert company.state("hans") is None
    announced = [subject for subject in company.post.subjects(HANS) if "gelöscht" in subject]
    assert len(announced) == 2 + 3 + 1


def test_an_order_by_direct_debit_is_carried_out_when_the_money_has_come(company):
    name = company.account.order("hans", HANS, "price_small", slowly=True)
    company.work()
    assert "its first payment is under way" in company.reconciler().settle(name).message or not company.machines.running
    company.days(SLOW_DAYS - 1)
    assert company.machines.running == {}
    company.days(2)
    assert company.machines.running == {"hans": "running"}


def test_who_must_confirm_at_the_bank_is_told_so_and_has_time_for_it(company, hans):
    company.account.asking.add(customer(company, hans))
    company.account.advance(31)
    company.days(1)
    assert company.state("hans") == "running"
    assert company.post.subjects(HANS) == [READY, "Bitte bestätigen Sie Ihre Zahlung"]
    company.account.pay(hans)
    company.days(20)
    assert company.post.subjects(HANS) == [READY, "Bitte bestätigen Sie Ihre Zahlung"]
    assert company.state("hans") == "running"


def test_who_never_confirms_is_suspended_when_the_time_is_over(company, hans):
    company.account.asking.add(customer(company, hans))
    company.account.advance(31)
    company.work()
    company.days(2)
    assert company.state("hans") == "running"
    company.days(2)
    assert company.state("hans") == "suspended"
    assert company.post.subjects(HANS)[-1] == SUSPENDED


def test_an_upgrade_that_is_not_paid_ends_no_period_that_is_and_gives_no_larger_plan(company, hans):
    company.account.advance(5)
    company.account.break_card(hans)
    company.account.change(hans, "price_large", at_once=True)
    company.days(3)
    assert (company.state("hans"), settings(company)["tenant_plan"]) == ("running", "small")
    (text,) = letters(company, "An invoice of hans is not paid, and a later period is")
    assert "CHF 5.00" in text
    assert "Remind the customer, or void the invoice" in text
    assert company.post.subjects(HANS) == [READY]
    company.account.mend_card(hans)
    company.account.pay(hans)
    company.days(1)
    assert settings(company)["tenant_plan"] == "large"


def test_an_old_invoice_that_is_written_off_counts_until_a_later_period_is_paid(company, hans):
    company.account.break_card(hans)
    company.days(32)
    assert company.state("hans") == "suspended"
    company.account.write_off(hans)
    company.days(2)
    assert company.state("hans") == "suspended"
    company.account.mend_card(hans)
    company.days(30)
    assert company.state("hans") == "running"


def test_the_operator_may_have_it_count_for_ever(company, hans):
    company.set(billing_written_off="unpaid")
    company.account.break_card(hans)
    company.days(32)
    company.account.write_off(hans)
    company.account.mend_card(hans)
    company.days(30)
    assert company.state("hans") is None or company.state("hans") == "suspended"


@pytest.mark.parametrize("behavior", ["keep_as_draft", "mark_uncollectible", "void"])
def test_what_the_operator_gives_for_free_is_not_unpaid(company, hans, behavior):
    company.account.pause_collection(hans, behavior)
    company.days(70)
    assert company.state("hans") == "running"
    assert company.post.subjects(HANS) == [READY]


def test_a_trial_that_ends_without_a_card_is_suspended_with_a_letter_that_says_so(company):
    who = company.account.register(HANS)
    company.account.subscribe(who, "price_small", {"tenant": "hans", "language": "en"}, trial_days=14)
    company.work()
    assert company.machines.running == {"hans": "running"}
    company.account.broken_cards.add(who)
    company.days(60)
    assert company.state("hans") == "suspended"
    assert settings(company)["tenant_state_reason"] == "trial_over"
    assert company.post.subjects(HANS) == ["Your photo cloud is ready", "Your trial is over"]


def test_a_coupon_over_everything_is_paid(company):
    company.account.sell("price_small", "Small", amount=0)
    company.order("hans")
    company.days(65)
    assert company.machines.running == {"hans": "running"}


def test_a_bill_by_mail_is_due_on_its_day(company):
    who = company.account.register(HANS)
    company.account.subscribe(who, "price_small", {"tenant": "hans"}, days_until_due=20)
    company.days(19)
    assert company.machines.running == {"hans": "running"}
    company.days(2)
    assert company.state("hans") == "suspended"


def test_three_of_one_plan_are_a_question_to_the_operator(company):
    who = company.account.register(HANS)
    name = company.account.subscribe(who, "price_small", {"tenant": "hans"}, quantity=3)
    with pytest.raises(NeedsAttention, match=r"\(3 x price_small\), each bought once; correct the quantity") as caught:
        company.reconciler().settle(name)
    assert f"Customer: {who} ({HANS})" in caught.value.about
    assert "CHF 30.00" in caught.value.about or "Amount: CHF 0.00" in caught.value.about
    assert company.machines.running == {}


def test_another_product_of_the_account_is_none_of_silos_business(company, hans):
    company.account.sell("price_course", "A course")
    who = company.account.register("somebody@example.ch")
    name = company.account.subscribe(who, "price_course", {})
    assert "it buys nothing of silo" in company.reconciler().settle(name).message
    assert company.reconciliation().compare() == []
    assert company.post.subjects(OPERATOR) == []
    assert company.post.to("somebody@example.ch") == []


def test_an_invoice_that_stripe_cannot_finalise_is_told_once_and_costs_the_customer_nothing(company, hans):
    invoice = company.account.fail_to_finalise(hans)
    company.work()
    company.days(3)
    (text,) = letters(company, "Stripe could not finalise an invoice of hans")
    for part in (invoice, "The customer's address is not valid.", "Tenant: hans (running)", f"Subscription: {hans}"):
        assert part in text
    assert company.state("hans") == "running"


def test_a_test_clock_counts_by_its_own_time(company, hans):
    clock = {"id": "clock_1", "object": "test_helpers.test_clock", "frozen_time": company.account.now + 100 * DAY}
    company.account.clocks["clock_1"] = clock
    who = company.account.register("maria@example.ch", test_clock="clock_1")
    maria = company.account.subscribe(who, "price_small", {"tenant": "maria"})
    company.work()
    assert company.state("maria") == "running"
    company.account.now += 99 * DAY
    company.account.cancel(maria)
    company.account.now -= 99 * DAY
    company.days(1)
    assert company.state("maria") == "suspended"
    assert company.state("hans") == "running"
    assert settings(company, "maria")["tenant_state_since"] == (
        datetime.datetime.fromtimestamp(clock["frozen_time"], datetime.UTC).date().isoformat()
    )


def test_an_order_of_the_same_customer_that_names_nobody_claims_what_they_have(company, hans):
    company.account.break_card(hans)
    company.account.advance(31)
    who = customer(company, hans)
    company.account.broken_cards.discard(who)
    company.account.subscribe(who, "price_small", {"language": "de"})
    company.account.broken_cards.add(who)
    company.days(10)
    assert company.state("hans") == "running"


def test_a_customer_who_names_the_tenant_claims_it(company, hans):
    company.account.cancel(hans)
    who = company.account.register(HANS, metadata={"tenant": "hans"})
    company.account.subscribe(who, "price_small", {})
    company.days(40)
    assert company.state("hans") == "running"


def test_of_two_orders_of_one_name_at_the_same_time_one_gets_it_and_the_other_is_told(company):
    names = [company.account.order("hans", f"{one}@example.ch", "price_small") for one in ("first", "second")]

    def settle(name):
        try:
            return company.reconciler().settle(name).message
        except (NeedsAttention, TryLater) as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(2) as lanes:
        results = list(lanes.map(settle, names))
    for _again in range(2):
        for name in names:
            settle(name)
    TenantService(company.path).outbox.deliver(at_once=True)
    assert company.machines.running == {"hans": "running"}
    owner = settings(company)["tenant_subscription"]
    assert owner in names
    assert [isinstance(one, str) for one in results].count(True) <= 1
    told = {one: company.post.subjects(f"{one}@example.ch") for one in ("first", "second")}
    won = ("first", "second")[names.index(owner)]
    lost = "second" if won == "first" else "first"
    assert told == {won: [READY], lost: [PARKED]}


@pytest.fixture
def silo(company, tmp_path, stripe, monkeypatch):
    key = tmp_path / "key"
    key.write_text(f"{KEY}\n")
    key.chmod(0o600)
    monkeypatch.setenv(credentials.KEY_FILE, str(key))
    monkeypatch.setenv(billing.API, stripe.url)
    return lambda *arguments: CliRunner().invoke(cli.main, ["-i", str(company.path), *arguments])


@pytest.fixture
def trashed(company, hans):
    """Hans, whom the operator deleted."""
    company.account.cancel(hans)
    company.work()
    TenantService(company.path).delete("hans")
    return hans


def test_nobody_is_removed_for_good_whom_somebody_pays_for(company, trashed, silo):
    new = company.order("hans")
    result = silo("purge", "hans", "--confirm", "hans", "--yes")
    assert result.exit_code == 0, result.output
    assert f"1-hans is not removed: it is paid for by {new} of cus_" in result.output
    assert list(company.machines.trash.values()) == ["photos 1"]
    company.account.cancel(new)
    assert "Removed for good: 1-hans." in silo("purge", "hans", "--confirm", "hans", "--yes").output
    assert company.machines.trash == {}


def test_where_stripe_does_not_answer_nobody_is_removed_for_good(company, trashed, silo, stripe):
    stripe.away = True
    result = silo("purge", "hans", "--confirm", "hans", "--yes")
    assert (result.exit_code, "Stripe did not return" in result.output) == (1, True)
    assert list(company.machines.trash.values()) == ["photos 1"]


@pytest.fixture
def cut_off(company, hans):
    """Hans, whose deletion by billing was cut off before his data were in the trash."""
    company.account.break_card(hans)
    company.days(31 + 29)
    company.account.advance(1)
    company.machines.fails = "trash.yml"
    with pytest.raises(TryLater, match="its data are not in the trash yet"):
        company.reconciler().settle(hans)
    company.machines.fails = ""
    return hans


def test_a_deletion_that_was_cut_off_is_not_completed_if_it_is_paid_meanwhile(company, cut_off):
    company.account.mend_card(cut_off)
    company.account.pay(cut_off)
    TenantService(company.path).apply()
    assert company.machines.trash == {}
    company.work()
    assert company.machines.running == {"hans": "running"}
    assert company.machines.data == {"hans": "photos 1"}
    assert TenantService(company.path).files.deletion_records() == ()
    assert "Ihre Foto-Cloud wurde gelöscht" not in company.post.subjects(HANS)


def test_nor_if_somebody_else_pays_for_its_name(company, cut_off):
    company.order("hans")
    company.days(1)
    assert company.machines.data == {"hans": "photos 1"}
    assert company.machines.trash == {}


def test_a_deletion_that_was_cut_off_as_its_containers_were_gone_ends_with_a_payment_too(company, hans):
    company.account.break_card(hans)
    company.days(31 + 29)
    company.account.advance(1)
    company.machines.fails = "apply.yml"
    with pytest.raises(TryLater):
        company.reconciler().settle(hans)
    company.machines.fails = ""
    assert settings(company)["tenant_state"] == "absent"
    company.account.mend_card(hans)
    company.account.pay(hans)
    company.work()
    assert company.machines.running == {"hans": "running"}


def test_the_reason_stands_in_the_inventory_and_in_the_record(company, hans, silo):
    company.account.cancel(hans)
    company.work()
    found = settings(company)
    assert (found["tenant_state_reason"], found["tenant_state_since"]) == ("cancelled", "2026-01-01")
    assert company.post.subjects(HANS)[1:] == ["Ihre Foto-Cloud ist geschlossen"]
    company.days(30)
    (deletion,) = TenantService(company.path).files.deletion_records()
    assert deletion.reason == "cancelled"
    bodies = [one.get_body(("plain",)).get_content() for one in company.post.to(HANS)[2:]]
    assert all("Der Grund: Ihr Abo ist beendet." in body for body in bodies)
    customer_ = customer(company, hans)
    company.account.subscribe(customer_, "price_small", {"tenant": "hans", "language": "de"})
    company.work()
    assert "tenant_state_reason" not in settings(company)


def test_who_does_not_pay_and_then_cancels_is_told_what_helps_now(company, hans):
    company.account.break_card(hans)
    company.days(32)
    assert settings(company)["tenant_state_reason"] == "unpaid"
    company.account.cancel(hans)
    company.work()
    assert settings(company)["tenant_state_reason"] == "cancelled"
    assert company.post.subjects(HANS) == [READY, SUSPENDED, "Ihre Foto-Cloud ist geschlossen"]


def test_what_the_operator_suspended_for_a_dispute_no_payment_starts(company, hans, silo):
    assert silo("stop", "hans", "--because", "disputed", "--yes", "--no-verify").exit_code == 0
    company.days(40)
    assert company.state("hans") == "suspended"
    assert settings(company)["tenant_state_reason"] == "disputed"
    assert company.post.subjects(HANS) == [READY, "Ihre Foto-Cloud ist geschlossen"]
    assert silo("start", "hans", "--yes", "--no-verify").exit_code == 0
    company.days(2)
    assert company.state("hans") == "running"


def test_a_new_order_after_a_dispute_asks_the_operator_at_once_and_tells_the_customer_that_it_waits(
    company, hans, silo
):
    company.account.cancel(hans, cause="payment_disputed")
    company.work()
    assert (company.state("hans"), settings(company)["tenant_state_reason"]) == ("suspended", "disputed")
    company.days(3)
    again = company.account.subscribe(customer(company, hans), "price_small", {"tenant": "hans", "language": "de"})
    with pytest.raises(
        NeedsAttention, match=f"{again} is a new order, and paid, but hans .* 'silo start hans' opens it"
    ):
        company.reconciler().settle(again)
    assert settings(company)["tenant_subscription"] == again
    assert company.post.subjects(HANS)[-1] == PARKED
    company.days(40)
    assert company.state("hans") == "suspended"
    assert company.post.subjects(HANS).count(PARKED) == 1
    assert silo("start", "hans", "--yes", "--no-verify").exit_code == 0
    company.days(2)
    assert company.state("hans") == "running"
    assert company.reconciliation().compare() == []


def test_a_new_order_after_a_dispute_brings_nothing_out_of_the_trash_without_the_operator(company, hans, silo):
    company.account.cancel(hans, cause="payment_disputed")
    company.days(40)
    (deletion,) = TenantService(company.path).files.deletion_records()
    assert deletion.reason == "disputed"
    again = company.account.subscribe(customer(company, hans), "price_small", {"tenant": "hans", "language": "de"})
    with pytest.raises(NeedsAttention, match=f"{again} is a new order, and paid, but hans is in the trash after a"):
        company.reconciler().settle(again)
    assert company.post.subjects(HANS)[-1] == PARKED
    company.days(2)
    assert "hans" not in TenantService(company.path).tenants()
    assert silo("undelete", "hans", "--yes").exit_code == 0
    company.days(2)
    assert (company.state("hans"), settings(company)["tenant_subscription"]) == ("running", again)


def test_a_new_order_after_a_dispute_whose_event_was_lost_is_found_at_night(company, hans):
    company.account.cancel(hans, cause="payment_disputed")
    company.work()
    company.days(3)
    company.account.subscribe(customer(company, hans), "price_small", {"tenant": "hans", "language": "de"})
    company.events()
    for _night in range(2):
        company.reconciliation().sweep()
    assert company.post.subjects(HANS).count(PARKED) == 1


def test_two_reasons_are_one_too_many(company, hans, silo):
    assert silo("stop", "hans", "--unpaid", "--because", "disputed", "--yes").exit_code == 2


def test_a_letter_on_a_dispute_names_whom_how_much_why_and_what_next(company, hans):
    company.account.dispute(hans)
    company.account.dispute(hans)
    company.work()
    texts = letters(company, "A customer disputes a payment at the bank")
    assert len(texts) == 2
    for part in (customer(company, hans), "Tenant: hans", f"Subscription: {hans}", "CHF 10.00", "Cause: general"):
        assert part in texts[0]
    assert "'silo stop hans --because disputed'" in texts[0]


def test_dunning_names_the_cause(company, silo):
    company.account.now = int(datetime.datetime.now(datetime.UTC).timestamp())
    name = company.order("hans")
    company.work()
    company.account.cancel(name)
    found = json.loads(silo("dunning", "--json").stdout)["coming"]
    assert {one["reason"] for one in found} == {"cancelled"}
