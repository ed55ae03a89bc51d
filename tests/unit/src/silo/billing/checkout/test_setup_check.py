"""What of the checkout is set up and what is not, each with what to do."""

import http.server
import threading

import pytest

from silo.billing.checkout.setup_check import check_key, check_pages
from silo.billing.errors import TryLater
from silo.billing.stripe.client import connect
from tests.stripe_api import Direct
from tests.stripe_api.server import CHECKOUT_KEY, CHECKOUT_WRITES


@pytest.fixture
def look(stripe, sold):
    """State and text of each finding on a key; each that is not ok says what to do."""

    def of(key=CHECKOUT_KEY):
        found = list(check_key(connect(key, http=Direct(stripe)), key))
        assert all(one.ok or one.fix for one in found)
        return [(one.state, one.message) for one in found]

    return of


def test_a_key_with_all_rights_and_no_others_is_right(look, stripe):
    assert look() == [("ok", "it can do all that the checkout needs")]
    # Nothing was made.
    assert stripe.sessions.checkouts == stripe.sessions.portals == {}


@pytest.mark.parametrize(
    ("left", "right"), [(CHECKOUT_WRITES[0], "Customer portal"), (CHECKOUT_WRITES[1], "Checkout Sessions")]
)
def test_a_missing_right_is_named(look, stripe, left, right):
    stripe.checkout_rights = {left}
    assert look() == [("wrong", f"it lacks the right to write {right}")]


def test_the_key_that_only_reads_is_not_the_one(look, stripe):
    assert [text for _state, text in look(stripe.key)] == [
        "it lacks the right to write Checkout Sessions",
        "it lacks the right to write Customer portal",
    ]


def test_stripe_that_is_away_is_no_finding(look, stripe):
    stripe.away = True
    with pytest.raises(TryLater):
        look()


class Behind(http.server.BaseHTTPRequestHandler):
    status, text = 200, ""

    def log_message(self, *_arguments):
        pass

    def do_GET(self):  # noqa: N802
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.text.encode())


@pytest.fixture
def host(monkeypatch):
    """A host that answers without TLS, which is somebody else's test."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Behind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    from silo.billing.checkout import setup_check

    ask = setup_check.http_client.ask
    monkeypatch.setattr(
        setup_check.http_client, "ask", lambda url, **more: ask(url.replace("https://", "http://"), **more)
    )
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (200, '<form method="post" action="/checkout">', "it shows the plans"),
        (200, "<p>nothing</p>", "it has nothing to sell"),
        (503, "", "it cannot show the plans now"),
        (404, "", "another program than the checkout answers (404)"),
    ],
)
def test_what_answers_at_the_address_is_told(host, monkeypatch, status, text, said):
    monkeypatch.setattr(Behind, "status", status)
    monkeypatch.setattr(Behind, "text", text)
    found = check_pages(host)
    assert found.message == said
    assert found.ok == (said == "it shows the plans")
    assert found.ok or found.fix


def test_an_address_at_which_nobody_answers_is_wrong():
    found = check_pages("127.0.0.1:1")
    assert (found.state, found.message.partition(":")[0]) == ("wrong", "it does not answer")
