"""Stripe is read as it is, page by page, and what fails is a sentence without the key."""

import datetime
import time

import pytest

from silo.billing.errors import NeedsAttention, TryLater
from silo.billing.stripe import client as stripe_client
from silo.billing.stripe.client import Client
from tests.stripe_api import DAY, Account, Server
from tests.stripe_api.server import KEY
from tests.unit.hostile_servers import HOSTILE, endless, serving
from tests.unit.patience import PATIENCE


@pytest.fixture(scope="module")
def server():
    with Server(Account()) as server:
        yield server


@pytest.fixture
def account(server):
    server.account, server.away, server.rights = Account(), False, None
    server.account.sell("price_small", "Small")
    server.asked.clear()
    return server.account


@pytest.fixture
def client(server, account):
    return Client(KEY, api=server.url)


def test_a_subscription_with_what_the_customer_wished(client, account):
    name = account.order("hans", "hans@example.ch", "price_small", "fr")
    found = client.subscription(name)
    assert (found.id, found.status, found.prices) == (name, "active", ("price_small",))
    assert (found.name, found.language, found.email) == ("hans", "fr", "hans@example.ch")
    assert (found.created, found.ended, found.ends) == (account.time, None, None)


def test_a_subscription_that_ends_and_one_that_ended(client, account):
    name = account.order("hans", "hans@example.ch", "price_small")
    begun = account.time
    account.cancel(name, at_period_end=True)
    assert client.subscription(name).ends == begun + datetime.timedelta(days=31)
    account.advance(40)
    found = client.subscription(name)
    assert (found.status, found.ended) == ("canceled", begun + datetime.timedelta(days=31))


def test_an_invoice_is_unpaid_since_it_was_first_tried_however_often_it_is_tried_again(client, account):
    name = account.order("hans", "hans@example.ch", "price_small")
    account.break_card(name)
    account.advance(31)
    first = account.time
    account.advance(20)
    paid, unpaid = sorted(client.invoices(name), key=lambda one: one.created)
    assert (paid.status, paid.unpaid_since(account.time)) == ("paid", None)
    assert account.of(name)[1]["attempt_count"] == 4
    assert unpaid.unpaid_since(account.time) == first
    assert unpaid.link.startswith("https://invoice.stripe.example/")
    assert client.unpaid() == {name: (unpaid,)}
    assert client.subscription(name).status == "unpaid"


def test_all_pages_are_read(client, account, server):
    names = {account.order(f"t{number}", "t@example.ch", "price_small") for number in range(230)}
    account.cancel(min(names))
    assert {one.id for one in client.subscriptions()} == names
    assert server.asked.count("GET /v1/subscriptions") == 3
    assert {one.id for one in client.subscriptions(ended=False)} == names - {min(names)}
    assert server.asked.count("GET /v1/subscriptions") == 6
    found = list(client.events(["checkout.session.completed"], account.time))
    assert len(found) == 230
    assert found[0]["data"]["object"]["subscription"] == min(names)


def test_events_of_other_types_and_times_are_not_asked_for(client, account):
    account.order("hans", "hans@example.ch", "price_small")
    account.now += DAY
    name = account.order("anna", "anna@example.ch", "price_small")
    found = list(client.events(["invoice.paid"], account.time))
    assert [one["data"]["object"]["parent"]["subscription_details"]["subscription"] for one in found] == [name]


def test_what_stripe_does_not_know_needs_attention(client):
    with pytest.raises(NeedsAttention, match="Stripe does not know subscription sub_other; it may belong to"):
        client.subscription("sub_other")


def test_what_fails_is_tried_later_and_names_no_key(client, account, server):
    name = account.order("hans", "hans@example.ch", "price_small")
    server.rights = {"subscriptions"}
    with pytest.raises(TryLater, match="the key is invalid or lacks the right to read this"):
        client.invoices(name)
    server.away = True
    for ask in (lambda: client.subscription(name), client.subscriptions, client.unpaid):
        with pytest.raises(TryLater, match="Stripe did not return") as raised:
            ask()
        assert KEY not in str(raised.value)
    with pytest.raises(TryLater, match="the key is invalid"):
        server.away = False
        Client("rk_test_other", api=server.url).subscription(name)


def test_nothing_is_ever_written(client, account, server):
    name = account.order("hans", "hans@example.ch", "price_small")
    client.subscription(name), client.invoices(name), client.subscriptions(), client.unpaid()
    assert {one.split()[0] for one in server.asked} == {"GET"}


@pytest.mark.parametrize("name", ["drip of a head", "drip of a body", "flood of headers", "compressed bomb", "no HTTP"])
def test_an_answer_that_does_not_come_to_an_end_is_tried_later(name, monkeypatch):
    monkeypatch.setattr(stripe_client, "TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(stripe_client, "RETRIES", 0)
    with serving(HOSTILE[name]) as (port, _asked):
        begin = time.monotonic()
        with pytest.raises(TryLater, match="Stripe did not return subscription sub_1: APIConnectionError"):
            Client(KEY, api=f"http://127.0.0.1:{port}").subscription("sub_1")
        assert time.monotonic() - begin < PATIENCE


def test_an_answer_that_is_too_large_is_tried_later(monkeypatch):
    monkeypatch.setattr(stripe_client, "LARGEST", 1000)
    with serving(endless) as (port, _asked), pytest.raises(TryLater, match="APIConnectionError"):
        Client(KEY, api=f"http://127.0.0.1:{port}").subscription("sub_1")


def test_headers_are_found_in_whatever_letters():
    headers = stripe_client.CaseInsensitiveHeaders({"request-id": "req_1"})
    assert ("Request-Id" in headers, headers["Request-Id"], headers.get("REQUEST-ID")) == (True, "req_1", "req_1")


@pytest.mark.parametrize(
    "change",
    [
        {"items": {"data": [{"price": None}]}},
        {"items": None},
        {"created": None},
        {"cancel_at": 10**15},
        {"metadata": "tenant"},
    ],
    ids=str,
)
def test_an_object_of_another_form_than_described_is_a_sentence_and_is_tried_later(client, account, change):
    name = account.order("hans", "hans@example.ch", "price_small")
    account.subscriptions[name] |= change
    for ask in (lambda: client.subscription(name), client.subscriptions):
        with pytest.raises(TryLater, match=r"Stripe returned subscription.* in a form that silo cannot read \("):
            ask()
