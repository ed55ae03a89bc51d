"""A customer who pays 10 francs a month for a small photo cloud, and whose payment fails on the first of December."""

import dataclasses
import datetime

import pytest

from silo.billing.model import Invoice, Subscription, Tenant
from silo.billing.policy import Policy

FAILED = datetime.datetime(2026, 12, 1, 9, tzinfo=datetime.UTC)


class Customer:
    """What is known of one; `at` is days after the first payment that failed."""

    def __init__(self):
        begun = FAILED - datetime.timedelta(days=31)
        self.subscription = Subscription("sub_hans", "cus_hans", "active", ("price_small",), begun, "hans", "de")
        self.invoices = [Invoice("in_1", "paid", True, begun, begun)]
        self.tenant = Tenant("hans", "running", "small")
        self.policy = Policy({"price_small": "small", "price_large": "large"})

    def says(self, **changes):
        self.subscription = dataclasses.replace(self.subscription, **changes)

    def holds(self, **changes):
        self.tenant = dataclasses.replace(self.tenant, **changes)

    def rules(self, **changes):
        self.policy = dataclasses.replace(self.policy, **changes)

    def fails(self, at=0, link="https://invoice.example/1", status="past_due"):
        self.says(status=status)
        when = FAILED + datetime.timedelta(days=at)
        self.invoices.append(Invoice(f"in_{len(self.invoices) + 1}", "open", True, when, when, link=link))


@pytest.fixture
def hans():
    return Customer()
