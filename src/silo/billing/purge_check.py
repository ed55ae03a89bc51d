"""Asks Stripe, before deleted tenants are removed for good, whether somebody pays for one of them."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

from silo.billing import tenant_lookup
from silo.billing.errors import NeedsAttention
from silo.billing.model import ENDED, Claim, Subscription
from silo.billing.policy import BillingPolicy
from silo.billing.standing import lasts
from silo.billing.stripe.client import Client
from silo.inventory import DeletionRecord
from silo.tenants import TenantService

# For a tenant without a subscription: it has no customer, so only a name can claim it.
NOBODY = Subscription("", "", "canceled", (), datetime.datetime.min.replace(tzinfo=datetime.UTC))


def claimed(
    deletions: Sequence[DeletionRecord],
    service: TenantService,
    client: Client,
    policy: BillingPolicy,
    now: datetime.datetime,
) -> Mapping[str, str]:
    """Return who pays, or is about to, for which deleted tenants: path of the record to a clause for a message.

    Raises TryLater, because without an answer of Stripe nothing is removed for good.
    """
    known, listed = tenant_lookup.read(service), client.subscriptions(ended=False)
    found = {}
    for deletion in deletions:
        own = _own(deletion, client)
        others = known.claims(deletion.name, own, listed, policy.plans)
        some = [one for one in (own, *others) if one.status not in ENDED]
        payers = [one for one in some if lasts(Claim(one, client.invoices(one.id)), policy, now)]
        if payers:
            names = " and ".join(f"{one.id} of {one.customer} ({one.status})" for one in payers)
            found[deletion.path] = f"it is paid for by {names}"
    return found


def _own(deletion: DeletionRecord, client: Client) -> Subscription:
    if not deletion.subscription:
        return NOBODY
    try:
        return client.subscription(deletion.subscription)
    except NeedsAttention:  # of another account
        return NOBODY
