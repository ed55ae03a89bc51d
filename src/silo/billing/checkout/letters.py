"""Links to pay in letters: they lead to what is owed when they are opened, also after the invoice's own has expired."""

from __future__ import annotations

import dataclasses

from silo.billing.checkout.links import PAY_DAYS, Links, Payment, payment_address
from silo.billing.errors import TryLater
from silo.billing.model import PURGED, TRASHED, Case, Decision
from silo.billing.policy import CHECKOUT, HOST
from silo.billing.stripe import credentials
from silo.billing.stripe.credentials import CredentialError
from silo.inventory import PlatformPolicy
from silo.languages import LANGUAGES


def with_link(decision: Decision, case: Case, policy: PlatformPolicy) -> Decision:
    """Return a decision whose link to pay leads over the checkout, where there is one. Raises TryLater."""
    tenant, subscription = case.tenant, case.subscription
    if tenant is None or tenant.state in (TRASHED, PURGED) or (decision.clock is None and decision.reason is None):
        return decision
    link = pay_link(tenant.name, subscription.id, subscription.language, policy)
    return dataclasses.replace(decision, link=link, leads=True) if link else decision


def pay_link(tenant: str, subscription: str, language: str, policy: PlatformPolicy) -> str:
    """Return the address at which the customer of a tenant pays; empty where there is no checkout. Raises TryLater."""
    if not policy.billing.get(CHECKOUT) or not credentials.has_checkout_secrets():
        return ""
    try:
        links = Links(credentials.checkout_secrets())
    except CredentialError as error:
        raise TryLater(str(error)) from error
    known = language if language in LANGUAGES else ""
    token = links.make(Payment(tenant, subscription, known), PAY_DAYS)
    return payment_address(str(policy.billing[HOST]), token)
