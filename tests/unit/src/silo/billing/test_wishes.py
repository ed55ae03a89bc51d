"""Names, languages and addresses as customers type them at the checkout, and the address that they change later."""

import json

import pytest

from silo.billing.errors import NeedsAttention, TryLater
from silo.billing.stripe.events import parse
from silo.tenants import TenantService

from .world import OPERATOR

MAIL = "wish@example.ch"


def order(company, name, language="de"):
    found = company.account.order(name, MAIL, "price_small", language)
    company.work()
    return found


def settings(company, name):
    return TenantService(company.path).files.all()[name].settings


@pytest.mark.parametrize("typed", ["Hans", " hans ", "HANS"])
def test_a_name_that_means_one_thing_is_taken(company, typed):
    order(company, typed)
    assert company.machines.running == {"hans": "running"}
    (ready,) = company.post.to(MAIL)
    assert "https://hans." in ready.get_body(("plain",)).get_content()


@pytest.mark.parametrize(("typed", "near"), [("hans-peter", "hanspeter"), ("4meiers", "meiers4"), ("Rüegg", "rueegg")])
def test_another_name_becomes_a_proposal_once_for_the_customer_and_the_operator(company, typed, near):
    company.set(letters_operator=OPERATOR)
    found = order(company, typed, "fr-CH")
    with pytest.raises(NeedsAttention, match=f"its customer was proposed '{near}': once they agree, correct 'tenant'"):
        company.reconciler().settle(found)
    assert company.machines.running == {}
    (letter,) = company.post.to(MAIL)
    assert letter["Subject"] == "Quel nom pour votre cloud photo ?"
    assert f"https://{near}." in letter.get_body(("plain",)).get_content()
    # The customer agrees, and the operator corrects the order.
    company.account.subscriptions[found]["metadata"]["tenant"] = near
    company.reconciler().settle(found)
    assert company.machines.running == {near: "running"}


def test_a_name_that_somebody_has_is_proposed_to_nobody(company):
    company.order("hanspeter")
    company.work()
    found = order(company, "hans-peter")
    with pytest.raises(NeedsAttention, match="such as 'hanspeter'; ask the customer for another name, and correct"):
        company.reconciler().settle(found)
    assert company.post.subjects(MAIL) == ["Wir prüfen Ihre Bestellung"]


def test_a_language_is_what_it_means(company):
    order(company, "marie", "fr_CH.UTF-8")
    assert settings(company, "marie")["tenant_language"] == "fr"


def test_an_unknown_language_is_the_policys_and_told(company):
    company.set(letters_operator=OPERATOR)
    order(company, "juan", "es")
    assert "tenant_language" not in settings(company, "juan")
    assert TenantService(company.path).tenants()["juan"].language == "de"
    (subject,) = [one for one in company.post.subjects(OPERATOR) if "language" in one]
    assert subject == "juan ordered a language that silo does not have"


@pytest.fixture
def hans(company):
    found = company.order("hans")
    company.work()
    company.post.letters.clear()
    return found


def moved(company):
    return TenantService(company.path).tenants()["hans"].email


def test_an_address_that_changes_at_stripe_is_told_to_the_former_one_and_followed(company, hans):
    company.account.move(hans, "hans@new.example.ch")
    company.work()
    assert moved(company) == "hans@new.example.ch"
    assert company.post.subjects("hans@example.ch") == ["Ihre E-Mail-Adresse wird geändert"]
    assert company.machines.seen[-1] == ("apply.yml", ["hans"])
    company.account.break_card(hans)
    company.days(40)
    assert company.post.to("hans@new.example.ch") and len(company.post.to("hans@example.ch")) == 1


def test_an_address_that_the_operator_set_is_not_undone_by_what_else_changes_at_stripe(company, hans):
    TenantService(company.path).change("hans", email="hans@new.example.ch")
    company.account.rename(hans, "Hans Muster")
    company.work()
    company.days(2)
    assert moved(company) == "hans@new.example.ch"


def test_a_change_that_was_cut_off_is_completed_and_told_once(company, hans):
    company.account.move(hans, "hans@new.example.ch")
    (event,) = [one for one in company.events() if one["type"] == "customer.updated"]
    company.machines.fails = "apply.yml"
    with pytest.raises(TryLater):
        company.reconciler().consider(event)
    company.machines.fails, company.machines.seen = "", []
    company.reconciler().consider(event)
    assert ("apply.yml", ["hans"]) in company.machines.seen
    assert len(company.post.to("hans@example.ch")) == 1
    assert "no tenant's address differs" in company.reconciler().consider(event).message


def test_an_address_that_changes_while_the_tenant_is_in_the_trash_counts_when_it_is_back(company, hans):
    TenantService(company.path).delete("hans")
    company.post.letters.clear()
    company.account.move(hans, "hans@new.example.ch")
    (event,) = [one for one in company.events() if one["type"] == "customer.updated"]
    for _again in range(2):
        told = company.reconciler().consider(event).message
    assert company.post.subjects("hans@example.ch") == ["Ihre E-Mail-Adresse wird geändert"]
    assert told == "no tenant's address differs from it"
    TenantService(company.path).undelete("hans")
    assert moved(company) == "hans@new.example.ch"
    assert company.post.subjects("hans@new.example.ch") == ["Ihre Foto-Cloud ist wieder da"]
    assert company.machines.data == {"hans": "photos 1"}


@pytest.mark.parametrize(
    ("address", "words"), [("hans.@example.ch", "it must be an address such as"), (None, "has no e-mail address")]
)
def test_an_address_that_is_none_needs_attention_and_the_former_one_stays(company, hans, address, words):
    company.account.move(hans, address)
    (event,) = [one for one in company.events() if one["type"] == "customer.updated"]
    with pytest.raises(NeedsAttention, match=words):
        company.reconciler().consider(event)
    assert moved(company) == "hans@example.ch"
    assert company.post.to("hans@example.ch") == []


def test_an_event_of_a_customer_is_read_as_stripe_sends_it(company, hans):
    company.account.move(hans, "hans@new.example.ch")
    event = company.account.events[-1]
    assert event["data"]["previous_attributes"] == {"email": "hans@example.ch"}
    assert parse(json.dumps(event).encode()).subscription == ""
