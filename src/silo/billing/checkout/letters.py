"""Links to pay in letters: they lead to what is owed when they are opened, also after the invoice's own has expired."""

from __future__ import annotations

from silo.billing.checkout.links import PAY_DAYS, Links, Payment, payment_address
from silo.billing.policy import CHECKOUT, HOST
from silo.billing.stripe import credentials
from silo.inventory import PlatformPolicy


def payment_link(policy: PlatformPolicy, tenant: str, subscription: str, language: str) -> str:
    """Return the link for the customer of a tenant, empty where there is no checkout; raises CredentialError."""
    if not policy.billing.get(CHECKOUT) or not credentials.has_checkout_secrets():
        return ""
    token = Links(credentials.checkout_secrets()).make(Payment(tenant, subscription, language), PAY_DAYS)
    return payment_address(str(policy.billing[HOST]), token)
