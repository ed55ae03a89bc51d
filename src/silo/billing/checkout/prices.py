"""The prices of plans as Stripe has them, and how a customer reads them in a language."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from decimal import Decimal

from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable
from babel.numbers import format_currency, format_decimal

from silo.billing.checkout.catalogue import Plan
from silo.notifications.letter import LOCALES

Object = Mapping[str, t.Any]
# Stripe's amounts are in the smallest unit of a currency, which has two decimals but for these. Those of ISK and UGX
# have two at Stripe, although nobody uses them.
ZERO_DECIMALS = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
THREE_DECIMALS = frozenset("bhd jod kwd omr tnd".split())
INTERVALS = ("day", "week", "month", "year")
GB = 1024**3


@dataclasses.dataclass(frozen=True)
class Price:
    """A price on sale. `amount` is what one customer pays at least in each of `count` intervals.

    `is_least`: whether it may become more, by tiers or by usage. `is_metered`: whether only usage is paid. `plus_tax`:
    whether tax is added. `titles` and `texts` are the product's name and description by language, "" for any.
    """

    id: str
    amount: Decimal
    currency: str
    interval: str
    count: int
    is_least: bool
    is_metered: bool
    plus_tax: bool
    titles: Mapping[str, str]
    texts: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Offer:
    """A plan with its price."""

    plan: Plan
    price: Price


def parse(found: Object) -> Price | None:
    """Return a price of the API with its product; None for one that nobody can order, such as an archived one."""
    product, every = found["product"], found.get("recurring") or {}
    on_sale = found.get("active") and isinstance(product, dict) and product.get("active", True)
    if not on_sale or every.get("interval") not in INTERVALS:
        return None
    amount, is_least = _amount(found)
    if amount is None:
        return None
    is_metered = every.get("usage_type") == "metered"
    currency = str(found["currency"]).lower()
    return Price(
        id=str(found["id"]),
        amount=amount.scaleb(-decimals(currency)),
        currency=currency.upper(),
        interval=str(every["interval"]),
        count=int(every.get("interval_count") or 1),
        is_least=is_least or is_metered,
        is_metered=is_metered,
        plus_tax=found.get("tax_behavior") == "exclusive",
        titles=_by_language(product, "name"),
        texts=_by_language(product, "description"),
    )


def decimals(currency: str) -> int:
    """Return how many decimals Stripe's amounts have in a currency (in small letters)."""
    if currency in THREE_DECIMALS:
        return 3
    return 0 if currency in ZERO_DECIMALS else 2


def money(price: Price, language: str) -> str:
    """Return the amount in a language, such as "CHF 10.00"; an amount below the smallest coin keeps its decimals."""
    locale = LOCALES[language]
    shown = format_currency(price.amount, price.currency, locale=locale)
    coin = Decimal(1).scaleb(-decimals(price.currency.lower()))
    if price.amount % coin:
        exact = format_decimal(
            price.amount.normalize(), "#,##0.############", locale=locale, decimal_quantization=False
        )
        shown = f"{price.currency}\N{NO-BREAK SPACE}{exact}"
    return shown


def storage(count: int, language: str) -> str:
    """Return the storage of a plan, as it is sold: 100 GB for 100 GiB, which are a little more."""
    value, unit = (count // (1024 * GB), "T") if count >= 1024 * GB and count % (1024 * GB) == 0 else (count // GB, "G")
    letter = "o" if language == "fr" else "B"
    return f"{format_decimal(value, locale=LOCALES[language])}\N{NO-BREAK SPACE}{unit}{letter}"


def _amount(found: Object) -> tuple[Decimal | None, bool]:
    """Return what one unit costs, in the smallest unit of the currency, and whether more may come to it."""
    if found.get("billing_scheme") == "tiered":
        tiers = found.get("tiers") or ()
        if not tiers:
            return None, True
        first = tiers[0]
        return (_exact(first, "flat_amount") or Decimal(0)) + (_exact(first, "unit_amount") or Decimal(0)), True
    return _exact(found, "unit_amount"), False


def _exact(found: Object, key: str) -> Decimal | None:
    """Return an amount, of which the API gives whole numbers, and decimals where it is not whole."""
    value = found.get(f"{key}_decimal")
    value = found.get(key) if value is None else value
    return None if value is None else Decimal(str(value))


def _by_language(product: Object, key: str) -> dict[str, str]:
    """Return a text of a product by language: `name` for any language, metadata such as `name_fr` for one."""
    metadata = product.get("metadata") or {}
    texts = {"": product.get(key), **{language: metadata.get(f"{key}_{language}") for language in LOCALES}}
    return {language: printable(str(text), 200) for language, text in texts.items() if text}
