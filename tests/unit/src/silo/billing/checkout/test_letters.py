"""Letters about money lead over the checkout, to whatever is owed when the customer opens them."""

import os
import re
import threading

import pytest

from silo import email_address
from silo.billing.checkout.link_requests import LinkRequests
from silo.billing.checkout.link_sender import LinkSender, send
from silo.billing.checkout.links import DAY, Links, Payment
from silo.billing.stripe import credentials
from silo.tenants import TenantService
from tests.unit.src.silo.billing.checkout.conftest import SECRET

HANS = "hans@example.ch"


@pytest.fixture
def secrets(tmp_path, monkeypatch):
    monkeypatch.delenv(credentials.DIRECTORY, raising=False)
    file = tmp_path / "secrets"
    file.touch(0o600)
    file.write_text(f"{SECRET}\n")
    monkeypatch.setenv(credentials.CHECKOUT_SECRETS_FILE, str(file))


def linked(letter):
    text = letter.get_body(("plain",)).get_content()
    return re.findall(r"https://billing\.swissphoto\.ch/pay\?link=(\S+)", text)


def unpaid(company):
    subscription = company.order("hans")
    company.work()
    company.account.break_card(subscription)
    company.days(32)
    return subscription


def test_the_link_in_a_letter_is_one_of_ours_and_lasts_longer_than_that_of_the_invoice(company, secrets):
    company.set(billing_checkout_enabled=True)
    subscription = unpaid(company)
    letters = [token for letter in company.post.to(HANS) for token in linked(letter)]
    assert letters
    found = Links([SECRET], lambda: company.account.now).open(letters[0], Payment)
    assert found == Payment("hans", subscription, "de")
    assert "invoice.stripe.example" not in company.post.to(HANS)[-1].as_string()
    # Longer than Stripe's own link, which ends 30 days after the invoice.
    assert Links([SECRET], lambda: company.account.now + 60 * DAY).open(letters[0], Payment) == found


def test_without_a_checkout_the_letter_has_the_invoice_itself(company, secrets):
    unpaid(company)
    letters = company.post.to(HANS)
    assert not any(linked(letter) for letter in letters)
    assert any("https://invoice.stripe.example/i/" in letter.as_string() for letter in letters)


@pytest.mark.parametrize("ends", ["cancel", "pause"])
def test_who_ended_or_paused_the_subscription_gets_a_link_that_leads_on(company, secrets, ends):
    company.set(billing_checkout_enabled=True)
    subscription = company.order("hans")
    company.work()
    getattr(company.account, ends)(subscription)
    company.work()
    (token,) = set(linked(company.post.to(HANS)[-1]))
    found = Links([SECRET], lambda: company.account.now).open(token, Payment)
    assert found.subscription == subscription


@pytest.fixture
def sender(company, secrets):
    company.set(billing_checkout_enabled=True)
    requests = LinkRequests(company.path.parent / "requests")
    (company.path.parent / "requests").mkdir()
    sender = LinkSender(lambda: TenantService(company.path), requests, threading.Event(), company.clock)
    sender.requests = requests
    return sender


def test_who_asks_for_the_link_gets_it_at_the_address_that_is_known_and_nobody_else_does(company, sender):
    subscription = company.order("hans", language="fr")
    company.work()
    company.post.letters.clear()
    for address in ("HANS@example.ch", "nobody@example.ch"):
        assert sender.requests.leave(address)
    sender.answer()
    (letter,) = company.post.letters
    assert (letter["To"], letter["Subject"]) == (HANS, "Le lien vers votre facture")
    (token,) = set(linked(letter))
    assert Links([SECRET], lambda: company.account.now).open(token, Payment) == Payment("hans", subscription, "fr")
    # Nothing is left of it, and nobody's mailbox is filled.
    assert list((company.path.parent / "requests").iterdir()) == []
    sender.requests.leave(HANS)
    sender.answer()
    assert len(company.post.letters) == 1
    company.account.advance(9 / 24)
    sender.requests.leave(HANS)
    sender.answer()
    assert len(company.post.letters) == 2


def test_eight_hours_are_eight_hours_at_any_time_of_the_day(company, sender):
    company.order("hans")
    company.work()
    company.post.letters.clear()
    # A minute before 8, 16 or 24 o'clock.
    company.account.now += (8 * 3600 - company.account.now % (8 * 3600)) - 60
    for minutes, letters in ((0, 1), (2, 1), (7 * 60, 1), (60, 2), (2, 2)):
        company.account.now += minutes * 60
        sender.requests.leave(HANS)
        assert sender.answer()
        assert len(company.post.letters) == letters


def test_who_asks_while_nothing_can_be_read_gets_the_link_once_it_can(company, sender):
    company.order("hans")
    company.work()
    company.post.letters.clear()
    company.set(billing_checkout_enabled=True, letters_relay_port="none")
    sender.requests.leave(HANS)
    assert not sender.answer()
    company.set(letters_relay_port=company.post.controller.port)
    assert sender.answer()
    assert company.post.subjects(HANS) == ["Der Link zu Ihrer Rechnung"]
    assert list((company.path.parent / "requests").iterdir()) == []


def test_many_strangers_cost_no_more_than_one_look_at_each_address(company, sender, monkeypatch):
    for name in ("hans", "maria", "peter"):
        company.order(name)
    company.work()
    looked = []
    parse = email_address.parse
    monkeypatch.setattr(email_address, "parse", lambda text: looked.append(text) or parse(text))
    assert send(TenantService(company.path), [f"{number}@example.ch" for number in range(50)], company.clock()) == 0
    assert len(looked) < 100


def test_whose_cloud_is_in_the_trash_gets_the_link_too(company, sender):
    company.order("hans")
    company.work()
    TenantService(company.path).delete("hans")
    company.post.letters.clear()
    sender.requests.leave(HANS)
    sender.answer()
    assert company.post.subjects(HANS) == ["Der Link zu Ihrer Rechnung"]


def test_who_pays_by_no_subscription_has_no_link(company, sender):
    TenantService(company.path).create("hans", email=HANS, quota="10G")
    company.post.letters.clear()
    sender.requests.leave(HANS)
    sender.answer()
    assert company.post.letters == []


def test_what_the_internet_left_is_read_with_bounds(tmp_path):
    requests = LinkRequests(tmp_path)
    name = f"{'0' * 63}{{}}.json"
    (tmp_path / name.format(1)).write_text("[" * 2000)
    (tmp_path / name.format(2)).write_text("x" * 100_000)
    (tmp_path / name.format(3)).symlink_to("/etc/passwd")
    (tmp_path / name.format(4)).write_text('{"email": "x\\ny@example.ch"}')
    (tmp_path / "other").write_text('{"email": "hans@example.ch"}')
    os.mkfifo(tmp_path / name.format(5))
    assert requests.take() == []
    assert [one.name for one in tmp_path.iterdir()] == ["other"]
    assert requests.leave(HANS)
    assert requests.take() == [HANS]


def test_no_more_wait_than_a_bound_and_one_address_waits_once(tmp_path, monkeypatch):
    monkeypatch.setattr("silo.billing.checkout.link_requests.MOST", 3)
    requests = LinkRequests(tmp_path)
    assert [requests.leave(f"{number}@example.ch") for number in (1, 2, 2, 3, 4)] == [True, True, True, True, False]
    assert not LinkRequests(tmp_path / "missing").can_take
