"""Amounts of money as Stripe counts them, in a sentence."""

from __future__ import annotations

# The currencies whose smallest unit is not a hundredth at Stripe, which is not the same list as that of ISO 4217.
WHOLE = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
THOUSANDTHS = frozenset("BHD JOD KWD OMR TND".split())


def money(amount: int, currency: str) -> str:
    """Return an amount in the smallest unit of its currency (1000, "chf") as CHF 10.00."""
    code = currency.upper()
    digits = 0 if code in WHOLE else 3 if code in THOUSANDTHS else 2
    return f"{code} {amount / 10**digits:,.{digits}f}".replace(",", "'")
