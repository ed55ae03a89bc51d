"""What an event is about, in the shapes that Stripe's versions have."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silo.billing.stripe.events import MalformedError, parse
from silo.inventory.validation import new_values
from tests.unit.examples import examples

SUBSCRIPTION = {"subscription": "sub_1"}


def event(kind, about, **more):
    return json.dumps({"id": "evt_1", "object": "event", "type": kind, "created": 7, "data": {"object": about}} | more)


@pytest.mark.parametrize(
    ("kind", "about", "subscription"),
    [
        ("customer.subscription.updated", {"id": "sub_1"}, "sub_1"),
        ("checkout.session.completed", {"mode": "subscription", **SUBSCRIPTION}, "sub_1"),
        ("checkout.session.completed", {"mode": "payment", "subscription": None}, ""),
        ("invoice.paid", {"parent": {"type": "subscription_details", "subscription_details": SUBSCRIPTION}}, "sub_1"),
        ("invoice.paid", {"parent": {"subscription_details": {"subscription": {"id": "sub_1"}}}}, "sub_1"),
        ("invoice.payment_failed", SUBSCRIPTION, "sub_1"),
        ("invoice.paid", {"parent": {"type": "quote_details", "quote_details": {}}}, ""),
        ("invoice.paid", {"parent": None}, ""),
        ("charge.dispute.created", {"id": "dp_1", **SUBSCRIPTION}, ""),
        ("customer.updated", {"id": "cus_1"}, ""),
        ("invoice.paid", {"subscription": "../etc"}, ""),
        ("invoice.paid", [], ""),
    ],
)
def test_the_subscription_is_found_where_each_version_has_it(kind, about, subscription):
    found = parse(event(kind, about).encode())
    assert (found.subscription, found.queue_key) == (subscription, subscription or "evt_1")
    assert (found.id, found.type, found.created) == ("evt_1", kind, 7.0)


@given(st.from_regex(r"sub_[A-Za-z0-9_]{1,250}", fullmatch=True))
def test_a_subscription_that_an_event_may_name_is_one_that_a_tenant_may_have(name):
    found = parse(event("customer.subscription.updated", {"id": name}).encode())
    assert found.subscription == name
    assert new_values("hans", {"subscription": name}, ()) == {"tenant_subscription": name}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "its id"),
        (event("x", {}, id=None), "its id"),
        (event("x", {}, id="evt_1; drop"), "its id"),
        (event("x", {}, id="e" * 256), "its id"),
        (event("", {}), "its type"),
        (event("a b", {}), "its type"),
    ],
)
def test_what_is_no_event_is_named_and_not_quoted(body, said):
    with pytest.raises(MalformedError, match=said) as caught:
        parse(body.encode())
    assert "drop" not in str(caught.value)


@examples(30, 100)
@given(st.recursive(st.none() | st.integers() | st.text() | st.floats(), lambda one: st.dictionaries(st.text(), one)))
def test_whatever_lies_in_an_event_breaks_nothing(about):
    assert parse(event("invoice.paid", about).encode()).id == "evt_1"
