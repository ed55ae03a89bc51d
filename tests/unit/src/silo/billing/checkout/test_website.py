"""What a customer sees and can do: choose, order, come back, pay; and what a stranger cannot."""

import html
import json
import logging
import re
import threading
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from silo.billing.checkout import account as accounts
from silo.billing.checkout.link_requests import DIRECTORY, LinkRequests
from silo.billing.checkout.links import DAY, HOUR, Order, Payment
from silo.billing.checkout.pages import LANGUAGES, texts
from silo.billing.checkout.website import PATHS
from silo.billing.errors import TryLater
from silo.billing.stripe.events import parse
from tests.stripe_api import Direct
from tests.stripe_api.server import CHECKOUT_KEY
from tests.unit.patience import PATIENCE

from .conftest import SECRET, Pages, field, query, shows

ROOT = Path(__file__).parents[6]
GERMAN = texts("de")


def order(pages, language="de", **fields):
    return pages.post("/checkout", language, **{"lang": language, "name": "hans", "price": "price_small", **fields})


def session_of(stripe, answer):
    """The session to which an answer leads."""
    assert answer.status_code == 303, answer.text
    return stripe.sessions.checkouts[answer.headers["location"].rpartition("/")[2]]


def in_text(name, tenant="hans", language="de"):
    return texts(language)[name]["text"].format(address=f"https://{tenant}.swissphoto.ch")


# Plans


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_plans_are_shown_in_each_language_with_the_operators_prices(pages, language):
    page = pages.get("/plans", language)
    assert page.status_code == 200
    assert f'<html lang="{language}">' in page.text
    assert page.headers["vary"] == "Accept-Language"
    for text in (texts(language)["plans"]["title"], "Klein", "Gross", "10.00" if language == "en" else "10", "CHF"):
        assert shows(page, text)
    assert shows(page, "1\N{NO-BREAK SPACE}To" if language == "fr" else "1\N{NO-BREAK SPACE}TB")
    other = next(one for one in LANGUAGES if one != language)
    assert shows(pages.get("/plans", language, lang=other), texts(other)["plans"]["title"])


def test_the_page_loads_nothing_from_elsewhere_and_leads_to_stripe_alone(pages, stripe):
    page = pages.get("/plans")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    # Browsers apply it to the redirect that follows a form.
    assert policy["form-action"].split() == ["'self'", stripe.url, "https://invoice.stripe.example"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", page.text)
    assert re.findall(r'(?:src|href)="(http[^"]*)"', page.text) == []
    script = pages.get("/plans.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert (page.headers["referrer-policy"], page.headers["cache-control"]) == ("no-referrer", "no-store")


def test_a_plan_can_be_chosen_by_the_address(pages):
    page = pages.get("/plans", plan="large", name="hans")
    assert re.search(r'value="price_large" required checked', page.text)
    assert field(page, "name") == "hans"
    assert not re.search(r"required checked", pages.get("/plans", plan="huge").text)


def test_what_is_archived_or_not_ours_is_not_on_sale(pages, sold, clock):
    sold.sell("price_other", "Anderes")
    sold.prices["price_large"]["active"] = False
    page = pages.get("/plans")
    assert not shows(page, "Gross")
    assert not shows(page, "Anderes")
    for price in sold.prices.values():
        price["active"] = False
    clock.ahead += accounts.FRESH_SECONDS
    assert shows(pages.get("/plans"), GERMAN["plans"]["empty"])


def test_prices_are_read_once_in_a_while(pages, stripe, sold, clock):
    stripe.asked.clear()
    for _look in range(3):
        pages.get("/plans")
    assert stripe.asked == ["GET /v1/prices"]
    sold.prices["price_small"]["unit_amount"] = 1200
    assert not shows(pages.get("/plans"), "12.00")
    clock.ahead += accounts.FRESH_SECONDS
    assert shows(pages.get("/plans"), "12.00")


def test_who_comes_while_the_prices_are_read_waits_for_them_and_holds_up_nobody(stripe, sold, clock):
    account = accounts.Account(CHECKOUT_KEY, http=Direct(stripe), clock=clock)
    asked, go_on = threading.Event(), threading.Event()

    def before(_path):
        asked.set()
        assert go_on.wait(PATIENCE)

    stripe.before = before
    stripe.asked.clear()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(account.prices)
        assert asked.wait(PATIENCE)
        others = [pool.submit(account.prices) for _each in range(3)]
        assert account._lock.acquire(timeout=PATIENCE), "Stripe is asked without the lock"
        account._lock.release()
        go_on.set()
        assert {len(one.result(PATIENCE)) for one in (first, *others)} == {2}
    assert stripe.asked == ["GET /v1/prices"]


def test_a_list_of_stripe_without_end_is_read_no_further(stripe, sold, clock, monkeypatch):
    monkeypatch.setattr(accounts, "MOST", 1)
    account = accounts.Account(CHECKOUT_KEY, http=Direct(stripe), clock=clock)
    with pytest.raises(TryLater, match="more than 1 prices"):
        account.prices()
    for name in ("anna", "maria"):
        sold.order(name, "hans@example.ch", "price_small")
    (customer,) = {one["customer"] for one in list(sold.subscriptions.values())[:1]}
    for one in sold.subscriptions.values():
        one["customer"] = customer
    with pytest.raises(TryLater, match="more than 1 subscriptions"):
        account.has_ordered(Order("hans", customer=customer))


def test_stripe_that_is_away_is_a_page_that_says_so_and_is_left_alone_for_a_moment(pages, stripe, clock):
    stripe.away = True
    page = pages.get("/plans")
    assert page.status_code == 503
    assert shows(page, GERMAN["unavailable"]["title"])
    asked = len(stripe.asked)
    assert pages.get("/plans").status_code == order(pages).status_code == 503
    assert len(stripe.asked) == asked
    stripe.away = False
    clock.ahead += accounts.FAILED_SECONDS
    assert pages.get("/plans").status_code == 200


def test_without_a_catalogue_there_are_no_plans_and_with_one_there_are(open_pages, file):
    pages = open_pages(written=False)
    assert pages.get("/plans").status_code == pages.get("/health").status_code == 503
    assert shows(pages.get("/plans"), GERMAN["failed"]["title"])
    file()
    assert pages.get("/plans").status_code == pages.get("/health").status_code == 200


# Names


@pytest.mark.parametrize(
    ("wished", "state"),
    [
        ("hans", "free"),
        (" Hans ", "free"),
        ("anna", "taken"),
        ("ANNA", "taken"),
        ("rnaria", "taken"),
        ("silo1", "taken"),
        ("login", "reserved"),
        ("1ogin", "impossible"),
        ("logln", "reserved"),
        ("www", "reserved"),
        ("h", "impossible"),
        ("hans-peter", "impossible"),
        ("hänsel", "impossible"),
        ("x" * 5000, "impossible"),
        ("<b>", "impossible"),
        ("", "impossible"),
    ],
)
def test_a_name_is_judged(pages, wished, state):
    found = pages.name(wished)
    assert found["state"] == state
    text = GERMAN["names"][state]
    said = text.format(address="https://hans.swissphoto.ch") if state == "free" else text
    assert found["text"].startswith(said)


@pytest.mark.parametrize(
    ("wished", "near"),
    [
        ("Hans-Peter", "hanspeter"),
        ("Hänsel", "haensel"),
        ("4meiers", "meiers4"),
        ("An-Na", ""),
        ("<b>", ""),
        ("www-", ""),
    ],
)
def test_a_name_that_cannot_be_gets_a_proposal_that_is_free(pages, wished, near):
    text = GERMAN["names"]["impossible"]
    proposed = f" {GERMAN['names']['proposal'].format(name=near)}" if near else ""
    assert pages.name(wished)["text"] == f"{text}{proposed}"


def test_the_verdict_says_nothing_of_who_has_a_name(pages):
    """A customer, somebody who was one, a machine, and what only looks like one of them."""
    answers = {json.dumps(pages.name(name)) for name in ("anna", "silo1", "rnaria")}
    assert len(answers) == 1


def test_the_file_of_the_catalogue_names_nobody(file):
    text = file().read_text()
    assert not any(name in text for name in ("anna", "maria", "silo1"))
    assert file.path.stat().st_mode & 0o777 == 0o640


def test_one_source_asks_for_few_names_and_another_is_not_concerned(open_pages):
    pages = open_pages(per_minute=30)
    statuses = [pages.get("/name", wished=f"hans{number}").status_code for number in range(30)]
    assert statuses.count(429) == 10
    refused = pages.get("/name", wished="hans")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert shows(refused, GERMAN["limited"]["title"])
    assert Pages(pages.url, "192.0.2.8").name("hans")["state"] == "free"
    # Pages are counted by themselves.
    assert pages.get("/plans").status_code == 200


# Orders


def test_an_order_leads_to_stripe_and_carries_all_that_billing_needs(pages, stripe):
    session = session_of(stripe, order(pages, "fr", name=" Hans", price="price_large"))
    data = {"tenant": "hans", "plan": "large", "language": "fr"}
    assert session["metadata"] == data
    assert session["client_reference_id"] == "hans"
    assert (session["locale"], session["customer"], session["customer_email"]) == ("fr", None, None)
    assert session["line_items"] == [("price_large", 1)]
    assert 1800 < session["expires_at"] - time.time() <= accounts.SESSION_SECONDS
    assert session["success_url"].startswith("https://billing.swissphoto.ch/welcome?")
    assert query(session["success_url"]) == {"lang": "fr", "session_id": "{CHECKOUT_SESSION_ID}"}
    assert query(session["cancel_url"]) == {"lang": "fr", "plan": "large", "name": "hans"}

    stripe.sessions.pay(session["id"], "hans@example.ch")
    event = stripe.account.events[-1]
    assert event["type"] == "checkout.session.completed"
    subscription = stripe.account.subscriptions[parse(json.dumps(event).encode()).subscription]
    assert subscription["metadata"] == data
    assert stripe.account.customers[subscription["customer"]]["email"] == "hans@example.ch"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"name": "anna"}, GERMAN["names"]["taken"]),
        ({"name": "admin"}, GERMAN["names"]["reserved"]),
        ({"name": "Hans-Peter"}, GERMAN["names"]["impossible"]),
        ({"name": ""}, GERMAN["names"]["impossible"]),
        ({"price": "price_other"}, GERMAN["mistakes"]["plan"]),
        ({"price": ""}, GERMAN["mistakes"]["plan"]),
    ],
)
def test_what_is_wrong_with_an_order_is_said_in_the_form_and_nothing_is_ordered(pages, stripe, fields, text):
    answer = order(pages, **fields)
    assert answer.status_code == 422
    assert shows(answer, text)
    assert field(answer, "name") == fields.get("name", "hans")
    assert stripe.sessions.checkouts == {}


def test_a_name_is_shown_as_it_was_typed_and_as_nothing_else(pages):
    hostile = "<script>alert(1)</script>\"'\x1b[2J"
    answer = order(pages, name=hostile)
    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert field(answer, "name") == hostile[:64]


def test_who_goes_back_and_orders_again_does_not_pay_twice(pages, stripe):
    first = session_of(stripe, order(pages))
    # Nothing is paid yet, so that the customer may choose again.
    second = session_of(stripe, order(pages, price="price_large"))
    assert first["id"] != second["id"]
    stripe.sessions.pay(second["id"], "hans@example.ch")
    answer = order(pages)
    assert answer.status_code == 422
    assert shows(answer, GERMAN["mistakes"]["ordered"])


def test_a_metered_price_has_no_quantity_and_is_shown_as_the_least(open_pages, sold, stripe):
    sold.sell(
        "price_small",
        "Nach Gebrauch",
        unit_amount=5,
        recurring={"interval": "month", "interval_count": 3, "usage_type": "metered"},
    )
    pages = open_pages()
    page = pages.get("/plans", "en")
    assert shows(page, "from CHF")
    assert shows(page, "every 3 months")
    assert session_of(stripe, order(pages))["line_items"] == [("price_small", 1)]


def test_a_key_without_the_right_is_a_page_for_the_customer_and_a_line_for_the_operator(pages, stripe, caplog):
    stripe.checkout_rights = set()
    with caplog.at_level(logging.ERROR, "silo.billing.checkout"):
        answer = order(pages)
    assert answer.status_code == 503
    assert shows(answer, GERMAN["unavailable"]["title"])
    assert "lacks the right" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        b"lang=de&name=hans&" + b"x" * 9000,
        b"\xff\xfe",
        b"a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8&i=9",
        b"name=%ff%fe",
    ],
)
def test_a_form_that_is_none_is_refused(pages, stripe, body):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = pages.ask("POST", "/checkout", data=body, headers=headers)
    assert answer.status_code == 400
    assert shows(answer, GERMAN["unreadable"]["text"])
    assert pages.ask("POST", "/checkout", json={"name": "hans"}).status_code == 400
    assert stripe.sessions.checkouts == {}


def test_what_goes_wrong_with_a_form_is_told_in_its_language(pages, stripe, links):
    pages.get("/plans")
    stripe.away = True
    answer = pages.post("/checkout", "de", lang="fr", name="hans", price="price_small")
    assert shows(answer, texts("fr")["unavailable"]["title"])
    answer = pages.post("/pay", "de", lang="it", link="x")
    assert shows(answer, texts("it")["ended"]["title"])


def test_few_orders_of_one_source_reach_stripe(open_pages, stripe):
    pages = open_pages(per_minute=30)
    statuses = [order(pages, name=f"hans{number}").status_code for number in range(7)]
    assert statuses == [303] * 5 + [429] * 2
    assert len(stripe.sessions.checkouts) == 5


def test_a_page_of_stripe_that_browsers_refuse_is_a_line_for_the_operator(pages, file, caplog):
    file(payment_pages=("https://checkout.stripe.com",))
    with caplog.at_level(logging.ERROR, "silo.billing.checkout"):
        assert order(pages).status_code == 303
    assert "add it to billing_checkout_payment_pages" in caplog.text


# Links of one customer


def test_a_link_of_a_new_customer_has_name_plan_language_and_address(pages, stripe, links):
    token = links.make(Order("hans", "large", "it", email="hans@example.ch"), 14)
    page = pages.get("/plans", link=token)
    assert '<html lang="it">' in page.text
    assert re.search(r'value="price_large" required checked', page.text)
    assert shows(page, texts("it")["plans"]["own"].format(address="https://hans.swissphoto.ch"))
    assert '<input id="name"' not in page.text
    assert "noindex" in page.text
    assert "hans@example.ch" not in page.text
    # The name in a form is not believed.
    session = session_of(stripe, order(pages, "it", name="peter", price="price_large", link=token))
    assert (session["metadata"]["tenant"], session["customer_email"]) == ("hans", "hans@example.ch")
    assert query(session["cancel_url"])["link"] == token


def test_a_returning_customer_is_the_same_customer_at_stripe(pages, stripe, sold, links):
    old = sold.order("anna", "anna@example.ch", "price_small")
    customer = sold.subscriptions[old]["customer"]
    sold.cancel(old)
    token = links.make(Order("anna", customer=customer, own=True), 14)
    session = session_of(stripe, order(pages, link=token))
    assert (session["customer"], session["customer_email"]) == (customer, None)
    stripe.sessions.pay(session["id"])
    page = pages.get("/welcome", session_id=session["id"])
    assert shows(page, in_text("paid_again", "anna"))
    # The link is still valid, and does not charge a second time.
    assert shows(order(pages, link=token), GERMAN["mistakes"]["ordered"])


def test_without_a_link_nobody_is_somebody_else(pages, stripe, sold):
    sold.order("anna", "anna@example.ch", "price_small")
    answer = order(pages, name="anna", customer="cus_00000001", own="1")
    assert answer.status_code == 422
    assert stripe.sessions.checkouts == {}


@pytest.mark.parametrize("change", ["older", "cut", "changed", "another kind", "nonsense", "long"])
def test_a_link_that_is_not_valid_is_a_page_that_says_so(pages, links, clock, change):
    token = links.make(Order("anna", customer="cus_1", own=True), 14)
    tokens = {
        "older": token,
        "cut": token[:-4],
        "changed": token[:40] + ("A" if token[40] != "A" else "B") + token[41:],
        "another kind": links.make(Payment("anna", "sub_1"), 14),
        "nonsense": "é\x00\u202e",
        "long": token * 20,
    }
    clock.ahead = 14 * DAY + 1 if change == "older" else 0
    for answer in (pages.get("/plans", link=tokens[change]), order(pages, link=tokens[change])):
        assert answer.status_code == 404
        assert shows(answer, GERMAN["ended"]["title"])


# After the payment


def test_the_page_after_the_payment_says_what_happens_now_and_when(pages, stripe):
    session = session_of(stripe, order(pages))
    answers = [pages.get("/welcome", session_id=session["id"])]
    assert shows(answers[0], in_text("open"))
    stripe.sessions.pay(session["id"], "hans@example.ch")
    answers.append(pages.get("/welcome", session_id=session["id"]))
    assert shows(answers[1], GERMAN["paid"]["title"])
    assert shows(answers[1], in_text("paid"))
    assert shows(answers[1], "fünf Minuten")
    for answer in answers:
        assert answer.status_code == 200
        assert "hans@example.ch" not in answer.text
        assert "cus_" not in answer.text
    # Another language of the same page.
    assert f"lang=fr&amp;session_id={session['id']}" in answers[1].text


def test_a_payment_that_takes_days_says_so(pages, stripe):
    session = session_of(stripe, order(pages))
    stripe.sessions.pay(session["id"], "hans@example.ch", delayed=True)
    assert shows(pages.get("/welcome", session_id=session["id"]), in_text("pending"))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "changes", [{"payment_status": "no_payment_required"}, {"amount_total": 0}], ids=["a trial", "a coupon"]
)
def test_an_order_for_which_nothing_is_paid_now_is_not_said_to_be_paid(pages, stripe, language, changes):
    session = session_of(stripe, order(pages, language))
    stripe.sessions.pay(session["id"], "hans@example.ch")
    session |= changes
    for name in ("free", "free_again"):
        page = pages.get("/welcome", language, session_id=session["id"])
        assert shows(page, texts(language)[name]["title"]) and shows(page, in_text(name, language=language))
        assert not shows(page, texts(language)["paid"]["title"])
        session["metadata"][accounts.RETURNS] = "yes"
    assert shows(order(pages), GERMAN["mistakes"]["ordered"]), "it is not ordered a second time"


def test_an_order_that_was_not_paid_in_time_says_so(pages, stripe):
    session = session_of(stripe, order(pages))
    session["expires_at"] = int(time.time()) - 1
    page = pages.get("/welcome", session_id=session["id"])
    assert shows(page, GERMAN["expired"]["title"])
    assert "/plans?lang=de" in page.text


@pytest.mark.parametrize("session", ["", "cs_test_nobody", "../prices", "cs_1\nx", "sub_1"])
def test_a_session_that_nobody_has_says_nothing(pages, stripe, session):
    stripe.asked.clear()
    answer = pages.get("/welcome", session_id=session)
    assert answer.status_code == 404
    assert {asked for asked in stripe.asked if "sessions" in asked} <= {"GET /v1/checkout/sessions/cs_test_nobody"}


def test_a_session_of_something_else_is_none_of_ours(pages, stripe):
    session = session_of(stripe, order(pages))
    session["metadata"] = {"tenant": "<b>"}
    assert pages.get("/welcome", session_id=session["id"]).status_code == 404


# Invoices


@pytest.fixture
def unpaid(sold):
    """Anna's subscription, whose second invoice is open."""
    subscription = sold.order("anna", "anna@example.ch", "price_small", "fr")
    sold.break_card(subscription)
    sold.advance(31)
    return subscription


def pay_with(pages, token, language="fr"):
    page = pages.get("/pay", link=token)
    assert page.status_code == 200
    return page, pages.post("/pay", lang=language, link=field(page, "link"))


def test_the_link_to_pay_leads_to_the_oldest_open_invoice(pages, sold, unpaid, links, stripe):
    sold.advance(31)
    invoices = [one for one in sold.of(unpaid) if one["status"] == "open"]
    stripe.asked.clear()
    token = links.make(Payment("anna", unpaid, "fr"), 90)
    page = pages.get("/pay", link=token)
    assert shows(page, in_text("pay", "anna", "fr"))
    # A mail filter that opens the link makes nothing.
    assert stripe.asked == []
    _page, answer = pay_with(pages, token)
    assert answer.status_code == 303
    assert answer.headers["location"] == invoices[0]["hosted_invoice_url"]
    assert "anna@example.ch" not in page.text


def test_a_language_that_nobody_writes_in_is_that_of_the_browser(pages, unpaid, links):
    token = links.make(Payment("anna", unpaid, "../rm"), 90)
    assert '<html lang="it">' in pages.get("/pay", "it", link=token).text
    token = links.make(Order("hans", language="rm"), 14)
    assert '<html lang="it">' in pages.get("/plans", "it", link=token).text


def test_without_a_debt_a_fresh_link_opens_the_portal_and_an_old_one_does_not(
    pages, sold, unpaid, links, stripe, clock
):
    token = links.make(Payment("anna", unpaid, "fr"), 90)
    sold.pay(unpaid)
    _page, answer = pay_with(pages, token)
    (portal,) = stripe.sessions.portals.values()
    assert answer.headers["location"] == portal["url"]
    assert portal["customer"] == sold.subscriptions[unpaid]["customer"]
    assert (portal["return_url"], portal["locale"]) == ("https://anna.swissphoto.ch", "fr")
    clock.ahead = 73 * HOUR
    _page, answer = pay_with(pages, token)
    assert answer.status_code == 200
    assert shows(answer, texts("fr")["settled"]["title"])
    assert len(stripe.sessions.portals) == 1


def test_an_ended_subscription_leads_to_a_new_order_of_the_same_customer(pages, sold, unpaid, links, stripe):
    sold.cancel(unpaid)
    _page, answer = pay_with(pages, links.make(Payment("anna", unpaid, "fr"), 90))
    there = urllib.parse.urlsplit(answer.headers["location"])
    assert (answer.status_code, there.netloc, there.path) == (303, "billing.swissphoto.ch", "/plans")
    again = links.open(query(answer.headers["location"])["link"], Order)
    assert again == Order("anna", language="fr", customer=sold.subscriptions[unpaid]["customer"], own=True)
    session = session_of(stripe, order(pages, link=query(answer.headers["location"])["link"]))
    assert session["metadata"]["tenant"] == "anna"


def test_without_a_link_to_pay_the_page_says_where_it_is(pages):
    page = pages.get("/pay")
    assert page.status_code == 200
    assert shows(page, GERMAN["letter"]["text"])
    assert pages.post("/pay", lang="de").status_code == 404


def test_a_link_to_order_does_not_pay(pages, links):
    token = links.make(Order("anna", customer="cus_1", own=True), 14)
    assert pages.get("/pay", link=token).status_code == pages.post("/pay", link=token).status_code == 404


# All of it


def test_no_secret_and_no_link_is_in_the_log(pages, links, stripe, caplog):
    token = links.make(Payment("anna", "sub_nobody"), 90)
    with caplog.at_level(logging.DEBUG):
        assert pages.post("/pay", link=token).status_code == 404
        pages.get("/plans", link=token)
        order(pages)
        stripe.away = True
        pages.get("/welcome", session_id="cs_test_1")
    said = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("silo"))
    assert "sub_nobody" in said
    assert not any(secret in said for secret in (token, SECRET, CHECKOUT_KEY))


def test_answers_are_counted_by_page_and_status(pages):
    pages.get("/plans")
    pages.get("/plans")
    order(pages, name="anna")
    text = pages.get("/metrics").text
    assert 'silo_checkout_requests_total{page="/plans",status="200"} 2.0' in text
    assert 'silo_checkout_requests_total{page="/checkout",status="422"} 1.0' in text


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/plans"), ("GET", "/checkout"), ("PUT", "/pay"), ("GET", "/.env")]
)
def test_there_is_nothing_else(pages, method, path):
    assert pages.ask(method, path).status_code in (404, 405)


def test_the_address_alone_leads_to_the_plans(pages):
    answer = pages.get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/plans")


def test_traefik_leads_to_these_paths_and_no_others():
    defaults = yaml.safe_load((ROOT / "roles" / "traefik" / "defaults" / "main.yml").read_text())
    assert defaults["traefik_checkout_pages"] == [path for method, path in PATHS if method == "GET"]
    assert defaults["traefik_checkout_forms"] == [path for method, path in PATHS if method == "POST"]


@pytest.fixture
def waiting(file):
    """The directory in which addresses are left for the worker."""
    folder = file.path.with_name(DIRECTORY)
    folder.mkdir()
    return folder


@pytest.mark.parametrize("language", LANGUAGES)
def test_who_has_lost_the_letter_asks_for_the_link_and_learns_nothing_of_others(open_pages, file, waiting, language):
    pages = open_pages()
    file(letters=True)
    asked = pages.get("/pay", language)
    assert shows(asked, texts(language)["ask"]["title"])
    answers = {pages.post("/pay", language, lang=language, email=one).text for one in ("hans@example.ch", "x@y.ch")}
    (answer,) = answers
    assert texts(language)["asked"]["title"] in html.unescape(answer)
    assert sorted(LinkRequests(waiting).take()) == ["hans@example.ch", "x@y.ch"]


def test_an_address_that_is_none_is_told_and_not_left(open_pages, file, waiting):
    pages = open_pages()
    file(letters=True)
    answer = pages.post("/pay", lang="fr", email='"><script>alert(1)</script>')
    assert answer.status_code == 422
    assert shows(answer, texts("fr")["mistakes"]["email"])
    assert "<script>alert" not in answer.text
    assert list(waiting.iterdir()) == []


@pytest.mark.parametrize("missing", ["relay", "worker"])
def test_where_nobody_could_send_a_link_nobody_is_promised_one(open_pages, file, waiting, missing):
    pages = open_pages()
    file(letters=missing != "relay")
    if missing == "worker":
        waiting.rmdir()
    for answer in (pages.get("/pay"), pages.post("/pay", email="hans@example.ch")):
        assert shows(answer, texts("de")["letter"]["title"])
        assert 'name="email"' not in answer.text
    assert not waiting.exists() or list(waiting.iterdir()) == []


def test_few_addresses_of_one_source_are_taken_in_a_minute(open_pages, file, waiting):
    pages = open_pages(per_minute=60)
    file(letters=True)
    statuses = [pages.post("/pay", email=f"{number}@example.ch").status_code for number in range(8)]
    assert statuses == [200] * 5 + [429] * 3
    assert len(list(waiting.iterdir())) == 5
