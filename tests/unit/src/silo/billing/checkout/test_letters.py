"""Letters about money lead over the checkout, to whatever is owed when the customer opens them."""

import re

import pytest

from silo.billing.checkout.links import DAY, Links, Payment
from silo.billing.stripe import credentials
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
