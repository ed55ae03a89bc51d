"""One customer's whole story, in a browser: orders, logs in, does not pay, asks for the link, pays, leaves, comes back.

Each test goes on where the one before it ended.
"""

import hashlib
import http.client

import pytest
import yaml

from silo.billing.checkout.pages import texts

from ..billing import billing_of, checkout_of
from ..browser import Browser
from ..cloud import Cloud, picture
from ..operator import ROOT
from ..relay import link, pay_link, text
from ..waiting import wait_for

NAME, EMAIL = "emilia", "emilia@example.ch"
PASSWORD = "Emilias eigenes Passwort"
CHECKOUT = texts("de")
ACCESS, PAGES = (
    yaml.safe_load((ROOT / "roles" / role / "vars" / "main.yml").read_text())[f"__{role}_texts"]["de"]
    for role in ("access", "pages")
)


@pytest.fixture(scope="module")
def billing(lab, operator, silo, relay, tmp_path_factory):
    with billing_of(lab, operator, silo, tmp_path_factory.mktemp("customer"), NAME) as billing:
        yield billing


@pytest.fixture(scope="module")
def checkout(lab, operator, billing):
    with checkout_of(lab, operator, billing, "traefik,pages") as checkout:
        yield checkout


@pytest.fixture
def browser(lab, tmp_path):
    """A new one each time, as nothing that she does needs the one of before."""
    browser = Browser(lab, tmp_path / "home")
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def photo():
    return picture(200)


@pytest.fixture(scope="module")
def cloud(lab):
    return Cloud(lab, NAME)


@pytest.fixture
def settle(billing):
    def settled():
        billing.hear()
        billing.settled()

    return settled


def subjects(relay):
    return [letter["Subject"] for letter in relay.to(EMAIL)]


def photos(cloud):
    """The digest of each photo that the customer sees."""
    found = cloud.post("/api/search/metadata", {"size": 10}).json["assets"]["items"]
    originals = [cloud.get(f"/api/assets/{one['id']}/original").body for one in found]
    return [hashlib.sha256(original).hexdigest() for original in originals]


def test_she_chooses_a_plan_pays_and_logs_in_by_the_letter(billing, checkout, settle, relay, browser, cloud, photo):
    page = browser.open(f"https://{checkout.host}/plans?lang=de&name={NAME}")
    assert CHECKOUT["plans"]["title"] in page
    browser.press(".offer")
    browser.press("button.go")
    browser.wait_for("Subscribe")
    browser.fill(email=EMAIL)
    browser.wait_for(CHECKOUT["paid"]["title"])
    settle()
    (letter,) = relay.to(EMAIL)
    browser.open(link(letter))
    browser.fill(password=PASSWORD, repeated=PASSWORD)
    browser.wait_for(ACCESS["done"]["title"])
    browser.log_in(f"https://{cloud.host}", EMAIL, PASSWORD)
    assert cloud.login(EMAIL, PASSWORD).status == http.client.CREATED
    assert cloud.upload(photo, "emilia.jpg").status == http.client.CREATED


def test_she_does_not_pay_and_the_page_tells_strangers_nothing_and_her_where_to_ask(
    billing, checkout, settle, relay, browser, cloud
):
    account = billing.stripe.account
    (subscription,) = account.subscriptions
    account.break_card(subscription)
    account.advance(31)
    settle()
    assert subjects(relay)[-1] == "Rechnung offen: Ihre Foto-Cloud ist geschlossen"
    page = browser.open(f"https://{cloud.host}/")
    assert PAGES["suspended"]["title"] in page
    for word in ("Rechnung", "bezahl", EMAIL):
        assert word not in page
    assert account.of(subscription)[-1]["hosted_invoice_url"] not in browser.driver.page_source
    browser.press(".owner a")
    browser.wait_for(CHECKOUT["ask"]["title"])
    assert browser.driver.current_url.startswith(f"https://{checkout.host}/pay")


def test_whoever_asks_reads_the_same_and_she_alone_gets_a_letter(billing, checkout, relay, browser):
    before = len(relay.letters)
    for address in ("stranger@example.ch", EMAIL):
        browser.open(f"https://{checkout.host}/pay?lang=de")
        browser.fill(email=address)
        browser.wait_for(CHECKOUT["asked"]["title"])
        assert address not in browser.text
    wait_for(lambda: len(relay.letters) > before, 60)
    assert subjects(relay)[-1] == "Der Link zu Ihrer Rechnung"
    assert len(relay.letters) == before + 1
    wait_for(lambda: list((billing.folder / "requests").iterdir()) == [])


def test_she_pays_by_that_link_and_finds_her_photo(billing, settle, relay, browser, cloud, photo):
    browser.open(pay_link(relay.to(EMAIL)[-1]))
    browser.wait_for(CHECKOUT["pay"]["title"])
    browser.press("button.go")
    browser.wait_for("Pay invoice")
    (subscription,) = billing.stripe.account.subscriptions
    billing.stripe.account.mend_card(subscription)
    browser.press("button")
    browser.wait_for("paid")
    settle()
    assert subjects(relay)[-1] == "Ihre Foto-Cloud ist wieder offen"
    assert photos(cloud) == [hashlib.sha256(photo).hexdigest()]
    browser.log_in(f"https://{cloud.host}", EMAIL, PASSWORD)


def test_she_leaves_by_the_portal_and_reads_what_is_true(billing, settle, relay, browser, cloud):
    # The link of before is still young, and nothing is owed.
    browser.open(pay_link(next(one for one in reversed(relay.to(EMAIL)) if "/pay?link=" in text(one))))
    browser.press("button.go")
    browser.wait_for("Portal")
    browser.press("button")
    wait_for(lambda: all(one["status"] == "canceled" for one in billing.stripe.account.subscriptions.values()))
    settle()
    letter = relay.to(EMAIL)[-1]
    assert letter["Subject"] == "Ihre Foto-Cloud ist geschlossen"
    assert "Ihr Abo ist beendet" in text(letter)
    assert "Rechnung" not in text(letter)
    page = browser.open(f"https://{cloud.host}/")
    assert PAGES["cancelled"]["title"] in page


def test_she_comes_back_by_the_letter_to_the_same_cloud(billing, operator, settle, relay, browser, cloud, photo):
    former = operator.settings(NAME)
    browser.open(pay_link(relay.to(EMAIL)[-1]))
    browser.wait_for(CHECKOUT["pay"]["title"])
    browser.press("button.go")
    browser.wait_for(CHECKOUT["plans"]["title"])
    assert f"https://{cloud.host}" in browser.text
    browser.press(".offer")
    browser.press("button.go")
    browser.wait_for("Subscribe")
    # Stripe knows her already.
    assert f'value="{EMAIL}" readonly' in browser.driver.page_source
    browser.press("button")
    browser.wait_for(CHECKOUT["paid_again"]["text"].split("{address}")[0].strip())
    settle()
    settings = operator.settings(NAME)
    assert settings["tenant_index"] == former["tenant_index"]
    assert settings["tenant_subscription"] != former["tenant_subscription"]
    assert settings.get("tenant_state", "running") == "running"
    assert subjects(relay)[-1] == "Ihre Foto-Cloud ist wieder offen"
    assert photos(cloud) == [hashlib.sha256(photo).hexdigest()]
    browser.log_in(f"https://{cloud.host}", EMAIL, PASSWORD)


def test_nothing_of_it_is_left_waiting(billing, silo, monkeypatch):
    monkeypatch.setenv("SILO_BILLING_INBOX", str(billing.folder / "inbox.db"))
    found = silo.json("billing", "waiting")
    assert found["problems"] == []
    assert [one for one in found["waiting"] if NAME in (one["tenant"], *one["number"].split("/"))] == []
