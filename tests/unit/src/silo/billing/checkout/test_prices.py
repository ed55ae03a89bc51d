"""Prices as Stripe has them, and as customers read them."""

from decimal import Decimal

import pytest

from silo.billing.checkout import prices
from silo.billing.checkout.pages import LANGUAGES

PRODUCT = {"id": "prod_1", "active": True, "name": "Small", "description": None, "metadata": {}}
PRICE = {
    "id": "price_1",
    "active": True,
    "billing_scheme": "per_unit",
    "currency": "chf",
    "product": PRODUCT,
    "recurring": {"interval": "month", "interval_count": 1, "usage_type": "licensed"},
    "tax_behavior": "inclusive",
    "unit_amount": 1000,
    "unit_amount_decimal": "1000",
}


def parsed(**changes):
    return prices.parse({**PRICE, **changes})


def money(language="de", **changes):
    return prices.money(parsed(**changes), language).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("currency", "amount", "shown"),
    [
        ("chf", 1000, "CHF 10.00"),
        ("chf", 990, "CHF 9.90"),
        ("chf", 0, "CHF 0.00"),
        ("chf", 123456, "CHF 1’234.56"),
        ("jpy", 1500, "JPY 1’500"),
        ("krw", 12000, "KRW 12’000"),
        ("kwd", 5120, "KWD 5.120"),
        ("isk", 50000, "ISK 500"),
        ("ugx", 50000, "UGX 500"),
    ],
)
def test_the_smallest_unit_is_that_of_the_currency(currency, amount, shown):
    found = money(currency=currency, unit_amount=amount, unit_amount_decimal=None)
    # Some currencies have a sign of their own in this language.
    assert found.split(" ")[-1] == shown.split(" ")[-1]
    assert parsed(currency=currency, unit_amount=amount, unit_amount_decimal=None).currency == shown[:3]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_writes_money_its_own_way(language):
    assert "10.00" in money(language).replace(",", ".")
    assert "CHF" in money(language)


def test_an_amount_below_the_smallest_coin_is_not_rounded_away():
    assert money(unit_amount=None, unit_amount_decimal="0.5") == "CHF 0.005"
    assert money(unit_amount=None, unit_amount_decimal=Decimal("1250.25")) == "CHF 12.5025"


TIERS = [
    {"up_to": 1, "flat_amount": 500, "flat_amount_decimal": "500", "unit_amount": 400, "unit_amount_decimal": "400"},
    {"up_to": None, "flat_amount": None, "unit_amount": 300, "unit_amount_decimal": "300"},
]


def test_of_tiers_the_first_is_the_least():
    found = parsed(billing_scheme="tiered", unit_amount=None, unit_amount_decimal=None, tiers=TIERS)
    assert (found.amount, found.is_least) == (Decimal("9.00"), True)
    flat = [{"up_to": None, "flat_amount": 700, "unit_amount": None}]
    assert parsed(billing_scheme="tiered", unit_amount=None, unit_amount_decimal=None, tiers=flat).amount == 7


def test_usage_makes_more_of_it():
    metered = {"interval": "month", "interval_count": 1, "usage_type": "metered"}
    assert parsed(recurring=metered).is_least
    assert parsed(recurring=metered).is_metered
    assert not parsed().is_least


@pytest.mark.parametrize(
    "changes",
    [
        {"active": False},
        {"product": PRODUCT | {"active": False}},
        {"product": "prod_1"},
        {"recurring": None},
        {"billing_scheme": "tiered", "unit_amount": None, "unit_amount_decimal": None},
        {"unit_amount": None, "unit_amount_decimal": None, "custom_unit_amount": {"minimum": 1}},
    ],
)
def test_what_nobody_can_order_is_not_shown(changes):
    assert parsed(**changes) is None


def test_a_product_has_texts_in_languages_by_its_metadata():
    product = PRODUCT | {"metadata": {"name_fr": "Petit", "description_de": "Für zwei\nPersonen"}}
    found = parsed(product=product)
    assert found.titles == {"": "Small", "fr": "Petit"}
    assert found.texts == {"de": "Für zwei Personen"}


@pytest.mark.parametrize(
    ("count", "language", "shown"),
    [
        (100 * prices.GB, "de", "100 GB"),
        (100 * prices.GB, "fr", "100 Go"),
        (1024 * prices.GB, "en", "1 TB"),
        (1536 * prices.GB, "de", "1’536 GB"),
        (1536 * prices.GB, "en", "1,536 GB"),
    ],
)
def test_storage_is_shown_as_it_is_sold(count, language, shown):
    assert prices.storage(count, language).replace("\N{NO-BREAK SPACE}", " ") == shown
