"""A customer at the checkout, with a browser: chooses a name and a plan, pays at Stripe, comes back; and pays later."""

import http.client
import json

import pytest

from silo.billing.checkout.pages import texts

from ..billing import billing_of, checkout_of
from ..browser import Browser
from ..cloud import Cloud
from ..relay import pay_link, text
from ..waiting import wait_for

NAME, EMAIL = "carla", "carla@example.ch"
GERMAN = texts("de")
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def billing(lab, operator, silo, relay, tmp_path_factory):
    with billing_of(lab, operator, silo, tmp_path_factory.mktemp("checkout"), NAME) as billing:
        yield billing


@pytest.fixture(scope="module")
def checkout(lab, operator, billing):
    with checkout_of(lab, operator, billing) as checkout:
        yield checkout


@pytest.fixture
def browser(lab, tmp_path):
    browser = Browser(lab, tmp_path / "home")
    yield browser
    browser.quit()


def test_a_customer_orders_pays_and_comes_back(billing, checkout, operator, relay, browser):
    address = f"https://{NAME}.{checkout.host.partition('.')[2]}"
    page = browser.open(f"https://{checkout.host}/plans?lang=de")
    assert GERMAN["plans"]["title"] in page
    assert "CHF" in page
    # While it is typed, the name is judged.
    for wished, verdict in (
        ("hans", GERMAN["names"]["taken"]),
        ("login", GERMAN["names"]["reserved"]),
        ("x-y", GERMAN["names"]["impossible"]),
        (NAME, GERMAN["names"]["free"].format(address=address)),
    ):
        browser.type("name", wished)
        browser.wait_for(verdict)
    browser.press(".offer")
    browser.press("button.go")
    # Stripe's own page: the browser was let go there.
    browser.wait_for("Subscribe")
    assert browser.driver.current_url.startswith(billing.stripe.url)
    browser.fill(email=EMAIL)
    browser.wait_for(GERMAN["paid"]["title"])
    assert address in browser.text
    assert EMAIL not in browser.driver.page_source
    assert browser.driver.get_cookies() == []
    errors = [line["message"] for line in browser.driver.get_log("browser") if line["level"] == "SEVERE"]
    assert [line for line in errors if "favicon" not in line] == []

    billing.hear()
    billing.settled()
    settings = operator.settings(NAME)
    assert (settings["tenant_plan"], settings["tenant_language"], settings["tenant_email"]) == ("small", "de", EMAIL)
    assert "/silo/welcome/" in text(relay.to(EMAIL)[-1])


def test_the_name_is_taken_from_then_on(checkout):
    wait_for(lambda: checkout.get(f"/name?wished={NAME}").json["state"] == "taken", 60)


def test_without_a_script_the_form_says_what_is_wrong(billing, checkout):
    before = len(billing.stripe.sessions.checkouts)
    body = b"lang=fr&name=hans&price=price_small"
    answer = checkout.request("POST", "/checkout", body, Content_Type=FORM)
    assert answer.status == http.client.UNPROCESSABLE_ENTITY
    assert texts("fr")["names"]["taken"] in answer.body.decode().replace("&#39;", "'")
    assert len(billing.stripe.sessions.checkouts) == before


def test_who_has_not_paid_finds_the_invoice_by_the_letter_and_is_let_in_again(billing, checkout, relay, browser):
    account = billing.stripe.account
    (subscription,) = account.subscriptions
    account.break_card(subscription)
    account.advance(31)
    billing.hear()
    billing.settled()
    assert Cloud(checkout.lab, NAME).get("/", Accept="text/html").status == http.client.SERVICE_UNAVAILABLE
    link = pay_link(relay.to(EMAIL)[-1])
    assert link.startswith(f"https://{checkout.host}/pay?link=")

    browser.open(link)
    browser.wait_for(GERMAN["pay"]["title"])
    browser.press("button.go")
    browser.wait_for("Pay invoice")
    account.mend_card(subscription)
    browser.press("button")
    browser.wait_for("paid")
    billing.hear()
    billing.settled()
    assert Cloud(checkout.lab, NAME).works()
    # Nothing is owed any more: the same link opens the portal, while it is young.
    browser.open(link)
    browser.press("button.go")
    browser.wait_for("Portal")
    browser.press("#back")
    wait_for(lambda: browser.driver.current_url.startswith(f"https://{NAME}."), 30)


def test_the_operator_gives_a_link_to_one_customer(billing, checkout, operator, silo, browser, monkeypatch):
    monkeypatch.setenv("SILO_STRIPE_API", billing.stripe.url)
    for variable in ("SILO_STRIPE_KEY_FILE", "SILO_CHECKOUT_SECRETS_FILE"):
        monkeypatch.setenv(variable, billing.environment[variable])
    found = silo.json("checkout", "dora", "--plan", "small", "--language", "it", "--email", "dora@example.ch")
    assert found["kind"] == "order"
    page = browser.open(found["link"])
    assert texts("it")["plans"]["title"] in page
    assert "https://dora." in page
    browser.press("button.go")
    browser.wait_for("Subscribe")
    # Stripe knows the address already.
    assert 'value="dora@example.ch" readonly' in browser.driver.page_source
    browser.press("#back")
    browser.wait_for(texts("it")["plans"]["title"])
    assert silo.json("checkout", NAME)["kind"] == "pay"
    # A link is in no log.
    assert json.dumps(found)
    for name in ("checkout.said", "worker.said"):
        assert found["link"].partition("link=")[2] not in (billing.folder / name).read_text()


def test_one_source_is_told_to_wait(checkout):
    statuses = [checkout.get(f"/name?wished=emil{number}").status for number in range(120)]
    assert http.client.OK in statuses
    assert http.client.TOO_MANY_REQUESTS in statuses


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health"), ("GET", "/metrics"), ("POST", "/plans"), ("PUT", "/pay")]
)
def test_nothing_else_of_it_is_on_the_internet(checkout, method, path):
    answer = checkout.request(method, path)
    assert answer.status == http.client.NOT_FOUND
    assert b"silo_checkout" not in answer.body
