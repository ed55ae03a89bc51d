"""The lines of a letter to the operator that say whom and how much it concerns."""

from __future__ import annotations

from silo.billing.model import Case, Decision, Invoice
from silo.billing.money import money


def details(case: Case, decision: Decision) -> str:
    """Return customer, tenant, subscription and amount of a decision, one a line."""
    subscription, tenant = case.subscription, case.tenant
    address = f" ({subscription.email})" if subscription.email else ""
    why = f", {tenant.reason}" if tenant and tenant.reason else ""
    wished = f"none; ordered: {subscription.name!r}" if subscription.name else "none"
    lines = [
        f"Customer: {subscription.customer}{address}",
        f"Tenant: {tenant.name} ({tenant.state}{why})" if tenant else f"Tenant: {wished}",
        f"Subscription: {subscription.id} ({subscription.status})",
    ]
    if decision.reason:
        lines.append(f"Cause: {decision.reason.value.replace('_', ' ')}")
    if owed := amount(decision.invoice or _last(case)):
        lines.append(f"Amount: {owed}")
    return "\n".join(lines)


def amount(invoice: Invoice | None) -> str:
    """Return what remains to be paid of an invoice, with its id; empty if that is unknown."""
    if invoice is None or invoice.amount is None or not invoice.currency:
        return ""
    return f"{money(invoice.amount, invoice.currency)} of invoice {invoice.id}, which is {invoice.status}"


def _last(case: Case) -> Invoice | None:
    return max(case.invoices, key=lambda one: (one.created, one.id), default=None)
