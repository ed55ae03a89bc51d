"""What is set up at Stripe and what is not, each with what to do; against a stand-in of its API."""

import http.server
import threading

import pytest

from silo.billing.errors import TryLater
from silo.billing.stripe import setup_check
from silo.billing.stripe.client import API_VERSION, connect
from silo.billing.stripe.credentials import CredentialError
from silo.billing.stripe.events import WANTED
from silo.billing.stripe.setup_check import Setup, check, check_credential, check_route
from tests.stripe_api import Account, Server
from tests.stripe_api.server import KEY

URL = "https://billing.swissphoto.ch/stripe/webhook"
SETUP = Setup(URL, {"price_small": "small"}, ["small", "large"])
ON = {"enabled": True}
KINDS = ["subscriptions", "invoices", "customers", "events", "prices", "products", "configurations"]
KINDS += ["webhook_endpoints", "invoice_payments", "payment_intents"]


@pytest.fixture(scope="module")
def server():
    with Server(Account()) as server:
        yield server


@pytest.fixture
def account(server):
    """Set up as docs/operate/billing.md says."""
    account = server.account = Account()
    server.away, server.writes, server.rights = False, False, None
    account.sell("price_small", "Small")
    account.portals["bpc_1"] = {
        "id": "bpc_1",
        "object": "billing_portal.configuration",
        "active": True,
        "is_default": True,
        "features": {
            "payment_method_update": ON,
            "invoice_history": ON,
            "subscription_cancel": ON | {"mode": "at_period_end"},
            "subscription_update": ON | {"products": [{"product": "prod_1", "prices": ["price_small"]}]},
        },
    }
    account.endpoints["we_1"] = {
        "id": "we_1",
        "object": "webhook_endpoint",
        "url": URL,
        "status": "enabled",
        "api_version": API_VERSION,
        "enabled_events": sorted(WANTED),
    }
    return account


@pytest.fixture
def look(server, account):
    """What is not right: state, place and text of each finding; each of them says what to do."""

    def look(setup=SETUP, key=KEY):
        found = check(connect(key, server.url), key, setup)
        assert all(bool(one.fix) == (one.state != "ok") for one in found)
        assert KEY not in repr(found)
        bad = [(one.state, one.subject, one.message) for one in found if one.state != "ok"]
        return [one for one in bad if "test mode" not in one[2]]

    return look


def test_all_is_right_and_a_key_of_the_test_mode_is_named(look, server, account):
    assert look() == []
    found = check(connect(KEY, server.url), KEY, SETUP)
    assert [one.message for one in found if one.state != "ok"] == [
        "it belongs to Stripe's test mode, in which nobody pays"
    ]
    assert "plan small: 10.00 CHF every 1 month" in [one.message for one in found]


def test_nothing_is_written(look, server):
    server.asked.clear()
    look()
    written = [asked for asked in server.asked if not asked.startswith("GET")]
    assert all(asked.endswith("/silo_check_of_rights") for asked in written)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"currency": "jpy", "unit_amount": 1500}, "plan small: 1500 JPY every 1 month"),
        (
            {"billing_scheme": "tiered", "unit_amount": None, "tiers": [{"up_to": None, "flat_amount": 700}]},
            "plan small: from 7.00 CHF every 1 month",
        ),
    ],
)
def test_a_price_is_told_in_its_currency_and_by_its_first_tier(server, account, changes, text):
    account.prices["price_small"] |= changes
    found = check(connect(KEY, server.url), KEY, SETUP)
    assert text in [one.message for one in found]


def test_a_price_without_an_amount_is_wrong(look, account):
    account.prices["price_small"]["unit_amount"] = None
    assert look() == [("wrong", "price_small", "it has no amount that the checkout could show")]


def test_a_key_that_may_write_is_a_danger(look, server):
    server.writes = True
    (found,) = look()
    assert found == ("warning", "stripe", "it can write Customers, Subscriptions, Invoices")


def test_a_key_without_limits_is_a_danger(look, server):
    server.key = KEY.replace("rk_", "sk_")
    try:
        assert [text for _state, _place, text in look(key=server.key)] == [
            "it has full access to the account, because it is not a restricted key"
        ]
    finally:
        server.key = KEY


@pytest.mark.parametrize("kind", KINDS)
def test_each_right_that_is_missing_is_named(look, server, kind):
    server.rights = set(KINDS) - {kind}
    (found,) = look()
    assert found[0] == "wrong"
    assert found[2].startswith("it cannot read ")


def told_by_part(server, key):
    """Check to the text of what is wrong with it."""
    return {one.id: one.message for one in check(connect(key, server.url), key, SETUP) if one.state == "wrong"}


def test_another_key_is_a_sentence_without_it(server, account):
    found = told_by_part(server, "rk_live_anotherOne12")
    assert all("the key is invalid" in text and "anotherOne" not in text for text in found.values())


def test_stripe_that_is_away_is_told_of_each_part(server, account):
    server.away = True
    found = told_by_part(server, KEY)
    assert list(found) == ["key", "prices", "portal", "endpoint"]
    assert all("did not return" in text for text in found.values())


def test_a_part_that_fails_keeps_nobody_from_the_others(server, account, monkeypatch):
    def fails(*_arguments):
        raise TryLater("Stripe did not return prices: APIConnectionError")
        yield

    monkeypatch.setattr(setup_check, "_prices", fails)
    account.endpoints.clear()
    found = told_by_part(server, KEY)
    assert found == {
        "prices": "Stripe did not return prices: APIConnectionError",
        "endpoint": "Stripe has no endpoint with this address",
    }


def _no_product(account):
    for product in account.products.values():
        product["active"] = False


CHANGES = {
    "a price that is not there": (lambda one: one.prices.clear(), "wrong", "Stripe does not know this price"),
    "a price that is archived": (lambda one: one.prices["price_small"].update(active=False), "warning", "is archived"),
    "a product that is archived": (_no_product, "warning", "is archived"),
    "a price to pay once": (lambda one: one.prices["price_small"].update(type="one_time"), "wrong", "one-time price"),
    "a price of no plan": (lambda one: one.sell("price_gift", "Gift"), "warning", "needs attention"),
    "no portal": (lambda one: one.portals.clear(), "wrong", "not set up"),
    "a portal of nobody": (lambda one: one.portals["bpc_1"].update(is_default=False), "wrong", "not set up"),
    "no other card": (
        lambda one: one.portals["bpc_1"]["features"].update(payment_method_update={"enabled": False}),
        "warning",
        "payment_method_update is off",
    ),
    "a change to another price": (
        lambda one: one.portals["bpc_1"]["features"]["subscription_update"]["products"][0]["prices"].append("price_x"),
        "wrong",
        "price_x",
    ),
    "no endpoint": (lambda one: one.endpoints.clear(), "wrong", "no endpoint"),
    "an endpoint elsewhere": (lambda one: one.endpoints["we_1"].update(url=f"{URL}/"), "wrong", "no endpoint"),
    "a disabled endpoint": (lambda one: one.endpoints["we_1"].update(status="disabled"), "wrong", "disabled"),
    "an older version": (lambda one: one.endpoints["we_1"].update(api_version="2020-08-27"), "warning", "2020-08-27"),
    "the account's version": (lambda one: one.endpoints["we_1"].update(api_version=None), "warning", "of the account"),
    "a missing event": (
        lambda one: one.endpoints["we_1"]["enabled_events"].remove("invoice.paid"),
        "wrong",
        "does not send these events: invoice.paid",
    ),
    "an event too many": (
        lambda one: one.endpoints["we_1"]["enabled_events"].append("customer.created"),
        "warning",
        "silo does not need: customer.created",
    ),
    "all events": (lambda one: one.endpoints["we_1"].update(enabled_events=["*"]), "warning", "all types"),
    "two endpoints": (
        lambda one: one.endpoints.update(we_2=dict(one.endpoints["we_1"])),
        "warning",
        "2 endpoints",
    ),
}


@pytest.mark.parametrize(("change", "state", "text"), CHANGES.values(), ids=CHANGES.keys())
def test_what_is_not_as_it_should_be_is_told(look, account, change, state, text):
    change(account)
    (found,) = look()
    assert found[0] == state
    assert text in found[2]


def test_a_plan_that_is_not_there(look):
    (found,) = look(Setup(URL, {"price_small": "tiny"}, ["small"]))
    assert found == ("wrong", "price_small", "billing_plans gives it the plan tiny, which does not exist")


def test_nothing_is_sold(look, account):
    account.prices.clear()
    account.portals["bpc_1"]["features"]["subscription_update"]["products"] = []
    (found,) = look(Setup(URL, {}, ["small"]))
    assert found == ("wrong", "billing_plans", "it names no price, so nobody can order")


def test_a_way_that_leads_nowhere():
    found = check_route("https://127.0.0.1:1/stripe/webhook")
    assert found.state == "wrong"
    assert "does not answer" in found.message


def test_a_way_without_tls_is_none():
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as plain:
        threading.Thread(target=plain.handle_request, daemon=True).start()
        assert check_route(f"https://127.0.0.1:{plain.server_port}/stripe/webhook").state == "wrong"


def test_where_a_key_lies():
    def missing():
        raise CredentialError("stripe-key: it is not set")

    assert check_credential("stripe-key", missing).message == "stripe-key: it is not set"
    assert check_credential("stripe-key", str).state == "ok"
