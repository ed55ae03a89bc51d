"""Paid, failed, thirty days: what a customer lives through, by real edits, real letters and a stand-in of Stripe."""

import json
import re

import pytest
import yaml
from click.testing import CliRunner

from silo import cli
from silo.ansible.contract import TaskId
from silo.billing.customer_mail import CustomerMail
from silo.billing.errors import NeedsAttention, TryLater
from silo.billing.operator_mail import notify_operator
from silo.billing.rate_limits import RateLimits
from silo.billing.reconciler import Reconciler
from silo.billing.state_store import StateStore
from silo.billing.worker import Trouble
from silo.diagnostics import Finding
from silo.tenants import TenantService

from .world import OPERATOR, event

HANS = "hans@example.ch"


def settings(world, name="hans"):
    return yaml.safe_load((world.path / "host_vars" / name / "tenant.yml").read_text())


def bodies(world, address):
    return [letter.get_body(("plain",)).get_content() for letter in world.post.to(address)]


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
    company.work()
    return hans


def test_who_pays_gets_a_cloud_of_the_plan_and_a_link_in_their_language(company):
    name = company.order("marie", "price_medium", "fr")
    company.work()
    assert company.machines.running == {"marie": "running"}
    found = settings(company, "marie")
    assert (found["tenant_plan"], found["tenant_language"]) == ("medium", "fr")
    assert (found["tenant_subscription"], found["tenant_email"]) == (name, "marie@example.ch")
    assert company.post.subjects("marie@example.ch") == ["Votre cloud photo est prêt"]


def test_who_does_not_pay_is_suspended_at_once_with_the_link_of_that_invoice(company, unpaid):
    assert company.machines.running == {"hans": "suspended"}
    assert company.machines.data == {"hans": "photos 1"}
    assert company.post.subjects(HANS)[1:] == ["Rechnung offen: Ihre Foto-Cloud ist geschlossen"]
    assert company.account.of(unpaid)[1]["hosted_invoice_url"] in bodies(company, HANS)[-1]


def test_who_pays_again_has_the_same_photos(company, unpaid):
    company.days(12)
    company.account.pay(unpaid)
    company.work()
    assert company.machines.running == {"hans": "running"}
    assert company.machines.data == {"hans": "photos 1"}
    assert company.post.subjects(HANS)[2:] == ["Ihre Foto-Cloud ist wieder offen"]


def test_after_thirty_days_with_three_letters_it_is_in_the_trash_with_a_record(company, unpaid):
    first = company.account.time.date()
    days = {}
    for day in range(1, 32):
        company.days(1)
        for subject in company.post.subjects(HANS)[2 + len(days) :]:
            days[day] = subject
    assert first.isoformat() == "2026-02-01"
    assert days == {
        16: "Ihre Foto-Cloud wird am 3. März 2026 gelöscht",
        23: "Ihre Foto-Cloud wird am 3. März 2026 gelöscht",
        29: "Ihre Foto-Cloud wird am 3. März 2026 gelöscht",
        30: "Ihre Foto-Cloud wurde gelöscht",
    }
    told = bodies(company, HANS)[2:5]
    assert ["in 14 Tagen" in told[0], "in 7 Tagen" in told[1], "in 1 Tag" in told[2]] == [True, True, True]
    assert company.machines.data == {}
    assert list(company.machines.trash.values()) == ["photos 1"]
    (deletion,) = TenantService(company.path).files.deletion_records()
    assert (deletion.name, deletion.subscription, deletion.by) == ("hans", unpaid, "billing, as nothing was paid")
    assert deletion.trashed
    assert not deletion.purged
    assert company.post.subjects(OPERATOR) == ["hans is deleted"]


def test_a_promise_that_does_not_hold_afterwards_is_told_to_the_operator_once_a_day(company):
    subscription = company.order("hans")
    for _event in range(2):
        operator = TenantService(company.path)
        operator.broken.append(Finding("memory", "hans/cache", "wrong", "2G; expected: 512M"))
        Reconciler(operator, company.client, clock=company.clock).settle(subscription)
    assert company.machines.running == {"hans": "running"}
    assert company.post.subjects(OPERATOR) == ["Verification of a tenant failed"]


def test_paid_after_the_deletion_it_comes_back_with_the_same_photos(company, unpaid):
    company.days(33)
    assert company.machines.running == {}
    company.account.mend_card(unpaid)
    company.account.pay(unpaid)
    company.work()
    assert company.machines.running == {"hans": "running"}
    assert company.machines.data == {"hans": "photos 1"}
    assert TenantService(company.path).files.deletion_records() == ()


def test_paid_after_all_was_removed_for_good_needs_attention(company, unpaid):
    company.days(33)
    operator = TenantService(company.path)
    operator.trash.purge(operator.trash.kept())
    company.account.mend_card(unpaid)
    company.account.pay(unpaid)
    with pytest.raises(
        NeedsAttention, match=r"hans \(sub_\d+\): it is paid again, but the data of hans has been purged"
    ):
        company.reconciler().settle(unpaid)
    assert company.machines.running == {}


def test_paid_at_the_very_moment_of_the_deletion_it_is_not_deleted(company, unpaid, stripe):
    company.days(29)
    asked = []

    def pays(path):
        # At the second look, which is the one before the deletion.
        asked.append(path)
        if [one for one in asked if one == f"subscriptions/{unpaid}"] == [f"subscriptions/{unpaid}"] * 2:
            company.account.mend_card(unpaid)
            company.account.pay(unpaid)

    company.account.advance(1)
    stripe.before = pays
    told = company.reconciler().settle(unpaid).message
    assert told == "hans is not deleted: it is paid"
    stripe.before = lambda _path: None
    company.work()
    assert company.machines.running == {"hans": "running"}
    assert "Ihre Foto-Cloud wurde gelöscht" not in company.post.subjects(HANS)


def test_with_a_relay_that_is_away_nobody_is_deleted_and_the_letter_names_a_later_day(company, unpaid):
    company.days(10)
    company.post.refuses = True
    company.days(25)
    assert company.state("hans") == "suspended"
    company.post.refuses = False
    TenantService(company.path).outbox.deliver(at_once=True)
    announced = [subject for subject in company.post.subjects(HANS) if "gelöscht" in subject]
    assert len(announced) == 1
    assert "3. März" not in announced[0]


def test_within_the_grace_one_letter_asks_for_the_payment_and_a_paid_one_is_not_asked(company, hans):
    company.set(billing_grace_days=5)
    company.account.break_card(hans)
    company.account.advance(31.05)
    company.work()
    company.days(3)
    assert company.state("hans") == "running"
    assert company.post.subjects(HANS)[1:] == ["Ihre Zahlung ist nicht angekommen"]
    assert "vor dem 6. Februar 2026" in bodies(company, HANS)[-1]
    company.days(2)
    assert company.state("hans") == "suspended"


def test_a_letter_that_waits_is_taken_back_once_it_is_paid(company, hans):
    company.set(billing_grace_days=5)
    company.account.break_card(hans)
    company.post.refuses = True
    company.account.advance(31.05)
    company.work()
    company.account.pay(hans)
    company.work()
    company.post.refuses = False
    TenantService(company.path).outbox.deliver(at_once=True)
    assert company.post.subjects(HANS)[1:] == []


def test_ended_by_the_customer_it_is_suspended_that_day_and_deleted_thirty_days_later(company, hans):
    company.account.cancel(hans, at_period_end=True)
    company.work()
    assert company.state("hans") == "running"
    company.days(31)
    assert company.state("hans") == "suspended"
    company.days(30)
    assert company.state("hans") is None


def test_ordered_anew_by_the_same_customer_it_is_the_same_cloud(company, hans):
    company.account.cancel(hans)
    company.work()
    customer = company.account.subscriptions[hans]["customer"]
    name = company.account.subscribe(customer, "price_large", {"tenant": "hans", "language": "de"})
    company.work()
    assert company.machines.running == {"hans": "running"}
    assert company.machines.data == {"hans": "photos 1"}
    assert (settings(company)["tenant_subscription"], settings(company)["tenant_plan"]) == (name, "large")
    # The subscription that ended has no say any more.
    company.reconciler().settle(hans)
    assert company.state("hans") == "running"


def test_ordered_anew_while_it_is_in_the_trash_it_comes_back(company, hans):
    company.account.cancel(hans)
    company.work()
    company.days(31)
    assert company.state("hans") is None
    customer = company.account.subscriptions[hans]["customer"]
    company.account.subscribe(customer, "price_small", {"tenant": "hans", "language": "de"})
    company.work()
    assert company.machines.running == {"hans": "running"}
    assert company.machines.data == {"hans": "photos 1"}


@pytest.mark.parametrize(
    ("wished", "words"),
    [
        ("hans", "another tenant has its name and belongs to sub_.* \\(active\\); refund"),
        ("www", "this name is reserved for the platform"),
        ("Ha ns", "this name cannot be used"),
        ("", "its metadata has no 'tenant'"),
    ],
)
def test_a_name_that_cannot_be_needs_attention(company, hans, wished, words):
    other = company.account.order(wished, "other@example.ch", "price_small")
    with pytest.raises(NeedsAttention, match=words):
        company.reconciler().settle(other)
    assert list(company.machines.running) == ["hans"]


@pytest.mark.parametrize("wished", ["login", "rnaria", "l0gin"])
def test_a_name_by_which_a_stranger_could_pass_for_another_needs_attention(company, hans, wished):
    company.order("maria")
    company.work()
    company.account.order(wished, "other@example.ch", "price_small")
    company.work()
    assert sorted(company.machines.running) == ["hans", "maria"]


def purged(company, name):
    """Have a tenant deleted and purged, as a timer does in time."""
    service = TenantService(company.path)
    service.delete(name)
    service.trash.purge(service.trash.kept())


def test_the_name_of_a_purged_tenant_is_no_strangers(company, hans):
    company.account.cancel(hans)
    company.work()
    purged(company, "hans")
    other = company.account.order("hans", "other@example.ch", "price_small")
    with pytest.raises(NeedsAttention, match="a deleted tenant had this name"):
        company.reconciler().settle(other)
    assert company.machines.running == {}


def test_the_same_customer_gets_the_name_of_their_purged_tenant_back(company, hans):
    company.account.cancel(hans)
    company.work()
    purged(company, "hans")
    customer = company.account.subscriptions[hans]["customer"]
    company.account.subscribe(customer, "price_small", {"tenant": "hans", "language": "de"})
    company.work()
    assert company.machines.running == {"hans": "running"}


HOSTILE = ["evil.example/login?for=", "[/x]", "\x1b[2J", "a\nSubject: x", "\u202ehans", "../../etc"]


@pytest.mark.parametrize("wished", HOSTILE)
def test_a_wished_name_that_is_none_waits_in_no_queue_and_stands_in_no_link(company, wished):
    company.machines.pool = 1024**3
    company.order("anna")
    company.account.order(wished, "hans@example.ch", "price_small")
    company.work()
    assert [order.tenant for order in StateStore(TenantService(company.path).state.folder).waiting()] == ["anna"]
    # That the order needs a person is all that its customer is told.
    (parked,) = company.post.to("hans@example.ch")
    assert parked["Subject"] == "Wir prüfen Ihre Bestellung"
    for part in ("plain", "html"):
        text = parked.get_body((part,)).get_content()
        assert wished not in text
        assert re.findall(r"https?://[^\s\"<]+", text) == ["https://swissphoto.ch/pay"] * (1 if part == "plain" else 2)
    for letter in company.post.letters:
        assert "https://evil" not in str(letter)
        assert letter["Subject"].isprintable()


def test_a_parked_event_whose_reason_has_several_lines_is_a_letter_with_a_subject_of_one(company):
    trouble = Trouble("billing/needs_attention/1", "An event needs you: a\nBcc: x@example.ch", "a\n\x1b[2J\u202eb")
    assert notify_operator(TenantService(company.path), trouble.key, trouble.subject, trouble.text)
    TenantService(company.path).outbox.deliver()
    (letter,) = company.post.to(OPERATOR)
    assert letter["Subject"] == "An event needs you: a Bcc: x@example.ch"
    assert letter["Bcc"] is None
    text = letter.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert text == "a\n\\x1b[2J\\u202eb\n"


@pytest.mark.parametrize("subscription", ["/etc/nologin", "../x", "sub_1/../..", ""])
def test_what_is_no_subscription_becomes_no_file(company, subscription, tmp_path):
    with pytest.raises(NeedsAttention, match="is not the id of a subscription"):
        company.reconciler().settle(subscription)


def test_a_price_that_is_nobodys_needs_attention(company):
    company.account.sell("price_other", "Another product")
    name = company.order("hans", "price_other")
    with pytest.raises(NeedsAttention, match="billing_plans must name exactly one plan"):
        company.reconciler().settle(name)
    assert company.machines.running == {}


def test_a_tenant_that_others_have_by_hand_is_nobodys_by_guess(company):
    TenantService(company.path).create("hans", email="other@example.ch", quota="10G")
    name = company.order("hans")
    with pytest.raises(NeedsAttention, match="'silo set hans --subscription sub_"):
        company.reconciler().settle(name)
    linked = CliRunner().invoke(cli.main, ["-i", str(company.path), "set", "hans", "--subscription", name])
    assert linked.exit_code == 0, linked.output
    assert "its own quota" in company.reconciler().settle(name).message


def test_a_larger_plan_is_there_at_once_and_the_customer_is_told(company, hans):
    company.account.change(hans, "price_large")
    company.work()
    assert settings(company)["tenant_plan"] == "large"
    assert company.post.subjects(HANS)[1:] == ["Ihr Abo wurde geändert"]


def test_a_smaller_plan_than_what_is_stored_is_told_to_the_operator_once_and_not_forced(company, hans):
    company.account.change(hans, "price_large")
    company.work()
    company.machines.used["hans"] = 300 * 1024**3
    company.account.change(hans, "price_small")
    company.days(3)
    assert settings(company)["tenant_plan"] == "large"
    assert company.post.subjects(OPERATOR) == ["hans stores more than the plan that was bought"]
    assert not [run for run in company.machines.seen[-4:] if run[0] == "apply.yml"]
    company.machines.used["hans"] = 30 * 1024**3
    company.days(1)
    assert settings(company)["tenant_plan"] == "small"


def test_what_the_operator_stopped_no_payment_starts(company, hans):
    TenantService(company.path).set_state("hans", "stopped")
    company.account.advance(31.05)
    company.work()
    assert company.state("hans") == "stopped"


def test_an_extension_opens_again_and_holds_until_its_day(company, unpaid):
    TenantService(company.path).change("hans", extended_until="2026-03-20", extension_reason="is in hospital")
    company.days(1)
    assert company.state("hans") == "running"
    company.days(45)
    assert (company.account.time.date().isoformat(), company.state("hans")) == ("2026-03-19", "running")
    company.days(1)
    assert company.state("hans") == "suspended"
    assert [subject for subject in company.post.subjects(HANS) if "3. April" in subject] == [
        "Ihre Foto-Cloud wird am 3. April 2026 gelöscht"
    ]
    company.days(13)
    assert company.state("hans") == "suspended"
    company.days(1)
    assert company.state("hans") is None


def test_disputes_and_refunds_are_told_and_do_nothing(company, hans):
    company.account.dispute(hans)
    company.account.refund(hans)
    company.work()
    assert company.post.subjects(OPERATOR) == [
        "A customer disputes a payment at the bank",
        "A customer got a refund",
    ]
    assert company.state("hans") == "running"
    assert "does not process" in company.reconciler().consider({"type": "customer.updated"}).message


def test_no_room_the_orders_wait_in_their_order_and_are_made_when_there_is(company):
    company.set(silo_memory_of_server="37G")  # one tenant
    company.order("hans")
    first, second = company.order("maria", language="it"), company.order("peter", language="en")
    company.work()
    assert list(company.machines.running) == ["hans"]
    assert company.post.subjects("maria@example.ch") == ["Il Suo ordine attende un posto libero"]
    assert company.post.subjects("peter@example.ch") == ["Your order is waiting for a free place"]
    assert company.post.subjects(OPERATOR) == ["An order waits for room: maria", "An order waits for room: peter"]
    company.days(3)
    assert len(company.post.letters) == 5
    TenantService(company.path).set_state("hans", "stopped")
    told = company.reconciler().settle(second).message
    assert told.startswith("peter waits for room to create: maria comes first: it has waited for plan ")
    company.days(1)
    assert company.machines.running == {"hans": "stopped", "maria": "running"}
    assert company.post.subjects("maria@example.ch")[1:] == ["Il Suo cloud fotografico è pronto"]
    company.account.cancel(first)
    company.days(1)
    assert company.machines.running["peter"] == "running"


def test_an_order_that_became_unclear_holds_up_no_other(company):
    company.set(silo_memory_of_server="37G")
    company.order("hans")
    company.order("maria")
    company.order("peter")
    company.work()
    company.set(silo_memory_of_server="42G")
    # By hand, the operator gives somebody else the name that waits.
    TenantService(company.path).create("maria", email="other@example.ch", quota="10G")
    left = company.days(1)
    assert ["maria" in text and "and no subscription" in text for text in left] == [True]
    company.days(1)
    assert company.machines.running == {"hans": "running", "maria": "running", "peter": "running"}


def test_paid_again_and_no_room_by_now_it_waits_too(company, unpaid):
    company.set(silo_memory_of_server="37G")
    company.order("maria")
    company.work()
    company.account.mend_card(unpaid)
    company.account.pay(unpaid)
    company.work()
    assert company.machines.running == {"hans": "suspended", "maria": "running"}
    assert company.post.subjects(HANS)[-1] == "Ihre Bestellung wartet auf einen freien Platz"
    TenantService(company.path).set_state("maria", "stopped")
    company.days(1)
    assert company.state("hans") == "running"


@pytest.mark.parametrize("playbook", ["apply.yml", "letters.yml"])
def test_a_run_that_is_cut_off_is_completed_by_the_next_settlement(company, playbook):
    name = company.order("hans")
    company.machines.fails = playbook
    with pytest.raises(TryLater, match="the cable is out"):
        company.reconciler().settle(name)
    company.machines.fails = ""
    company.reconciler().settle(name)
    assert company.machines.running == {"hans": "running"}
    assert company.post.subjects(HANS) == ["Ihre Foto-Cloud ist bereit"]
    seen = len(company.machines.seen)
    company.reconciler().settle(name)
    assert len(company.machines.seen) == seen


def test_an_order_waits_for_machines_that_are_away(company, monkeypatch):
    name = company.order("hans")
    silent = {"unreachable": True, "msg": "No route to host"}
    there = company.machines.run_storage
    monkeypatch.setattr(company.machines, "run_storage", lambda *_given: [event(TaskId.QUOTAS, {"silo1": silent})])
    with pytest.raises(TryLater, match="hans: nothing was changed. silo1 cannot be reached.*: No route to host"):
        company.reconciler().settle(name)
    assert "hans" not in TenantService(company.path).tenants()
    monkeypatch.setattr(company.machines, "run_storage", there)
    company.reconciler().settle(name)
    assert company.state("hans") == "running"


def test_a_deletion_that_is_cut_off_is_completed_though_nothing_asks_for_it(company, unpaid):
    company.days(29)
    company.account.advance(1)
    company.machines.fails = "trash.yml"
    with pytest.raises(TryLater, match="its data are not in the trash yet"):
        company.reconciler().settle(unpaid)
    company.machines.fails = ""
    company.days(1)
    assert list(company.machines.trash.values()) == ["photos 1"]
    (deletion,) = TenantService(company.path).files.deletion_records()
    assert deletion.trashed
    (letter,) = [one for one in company.post.to(OPERATOR) if one["Subject"] == "hans is deleted"]
    said = letter.get_body(("plain",)).get_content()
    assert "hans is deleted, because its deletion, which had been cut off, is complete. Its 7 files" in said
    assert f"Subscription: {unpaid}" in said
    assert "Cause: unpaid" in said


def test_a_deletion_that_is_cut_off_before_the_operator_hears_of_it_is_told_by_the_next_settlement(
    company, unpaid, monkeypatch
):
    company.days(29)
    company.account.advance(1)

    def killed(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(CustomerMail, "operator", killed)
        with pytest.raises(KeyboardInterrupt):
            company.reconciler().settle(unpaid)
    assert company.state("hans") is None
    for _again in range(2):
        company.reconciler().settle(unpaid)
    assert company.post.subjects(OPERATOR).count("hans is deleted") == 1


def test_stripe_that_is_away_changes_nothing(company, unpaid, stripe):
    stripe.away = True
    company.account.advance(60)
    with pytest.raises(TryLater, match="Stripe did not return"):
        company.reconciler().settle(unpaid)
    assert company.state("hans") == "suspended"


def test_more_than_a_day_allows_stops_and_asks_until_the_operator_agrees(company):
    names = [company.order(f"t{number}") for number in range(8)]
    company.work()
    for name in names:
        company.account.break_card(name)
    company.account.advance(31.05)
    company.work()
    suspended = [name for name, state in company.machines.running.items() if state == "suspended"]
    assert len(suspended) == 5
    company.days(5)
    assert list(company.machines.running.values()).count("suspended") == 5
    assert company.post.subjects(OPERATOR) == ["Billing reached a daily limit"]
    edits = TenantService(company.path)
    RateLimits(StateStore(edits.state.folder), company.reconciler().policy).release()
    company.days(1)
    assert list(company.machines.running.values()).count("suspended") == 8


def test_notes_that_cannot_be_read_hold_everything(company, hans):
    (company.path / ".silo" / "billing.json").write_text("{")
    with pytest.raises(TryLater, match=r"billing.json cannot be read: JSONDecodeError; it holds the rate limits"):
        company.reconciler().settle(hans)


def test_a_tenant_whose_file_is_wrong_is_left_alone(company, hans):
    file = company.path / "host_vars" / "hans" / "tenant.yml"
    file.write_text(file.read_text().replace("tenant_plan: small", "tenant_plan: small\ntenant_state: odd"))
    company.account.cancel(hans)
    with pytest.raises(NeedsAttention, match="hans: its settings are invalid, so billing does not change it"):
        company.reconciler().settle(hans)
    assert company.reconciliation().sweep().left[0].startswith("hans: its settings are invalid")


def test_two_tenants_of_one_subscription_are_left_alone_and_hold_up_nobody_else(company, hans):
    maria = company.order("maria")
    company.work()
    TenantService(company.path).create("peter", email="p@example.ch", quota="10G", subscription=hans)
    company.account.cancel(hans)
    company.account.cancel(maria)
    with pytest.raises(NeedsAttention, match=f"hans and peter both have {hans}; remove it from one of them"):
        company.reconciler().settle(hans)
    repair = company.reconciliation().sweep()
    assert repair.left == (f"hans and peter both have {hans}; remove it from one of them",)
    assert (company.state("hans"), company.state("peter"), company.state("maria")) == (
        "running",
        "running",
        "suspended",
    )


def test_rules_that_are_wrong_hold_everything(company, hans):
    company.set(billing_deletion_days=1)
    with pytest.raises(TryLater, match="billing_deletion_days is 1; it must be more than 1"):
        company.reconciler().settle(hans)


def test_what_billing_keeps_is_for_its_owner_alone(company, hans):
    folder = company.path / ".silo"
    for file in [folder / "billing.json", *(folder / "billing").iterdir()]:
        assert file.stat().st_mode & 0o077 == 0
    assert hans in [file.name for file in (folder / "billing").iterdir()]
    assert json.loads((folder / "billing.json").read_text())["begun"] == {}
