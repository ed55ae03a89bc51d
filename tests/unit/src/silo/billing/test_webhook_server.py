"""The intake: only what Stripe signed just now comes in, and only what is on disk is answered with 200."""

import json
import sqlite3
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from stripe import WebhookSignature

from silo.billing.inbox import Inbox
from silo.billing.stripe.signature import Refused, Verifier
from silo.billing.webhook_server import LARGEST_BYTES, WebhookServer

OURS, OLDER, NOBODYS = "whsec_current1", "whsec_before12", "whsec_strange1"
PATH = "/stripe/webhook"


def an_event(number=1, kind="invoice.paid", **more):
    return {"id": f"evt_{number}", "type": kind, "created": 1, "data": {"object": {"subscription": "sub_1"}}, **more}


def written(event):
    return json.dumps(event, indent=2).encode()


def signature(body, secret=OURS, ago=0):
    return WebhookSignature.generate_signature_header(body.decode("latin-1"), secret, int(time.time()) - ago)


@pytest.fixture
def inbox(tmp_path):
    return Inbox(tmp_path / "inbox.db")


@pytest.fixture
def client(inbox):
    with TestClient(WebhookServer(inbox, Verifier([OURS, OLDER])).application()) as client:
        yield client


@pytest.fixture
def post(client):
    def post(body, header=None):
        headers = {"Stripe-Signature": signature(body) if header is None else header}
        return client.post(PATH, content=body, headers=headers)

    return post


def numbers(client):
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_a_signed_event_is_kept_as_it_came(post, inbox):
    body = written(an_event(kind="customer.subscription.updated") | {"note": "Zoë, \u2028 und 10 €"})
    assert post(body).status_code == 200
    (row,) = inbox.rows()
    assert (row.body, row.state) == (body, "new")


@pytest.mark.fault(18)
def test_both_secrets_hold_while_one_takes_the_place_of_the_other(post, inbox):
    for number, secret in enumerate((OURS, OLDER)):
        body = written(an_event(number))
        assert post(body, signature(body, secret)).status_code == 200
    body = written(an_event(2))
    both = f"{signature(body, NOBODYS)},{signature(body, OLDER).partition(',')[2]}"
    assert post(body, both).status_code == 200
    assert len(inbox.rows()) == 3


@pytest.mark.fault(15)
def test_an_event_that_comes_twice_is_answered_as_the_first_and_kept_once(post, inbox, client):
    body = written(an_event())
    header = signature(body)
    assert [post(body, header).status_code for _ in range(3)] == [200, 200, 200]
    assert len(inbox.rows()) == 1
    assert numbers(client)["silo_billing_requests_total", "known"] == 2


def test_a_type_that_nobody_knows_is_kept(post, inbox):
    assert post(written(an_event(kind="v2.core.something.new"))).status_code == 200
    assert [(row.type, row.state) for row in inbox.rows()] == [("v2.core.something.new", "done")]


SOON, LONG_AGO = -360, 301
GOOD = written(an_event())


def refused():
    """Whom each is refused as; made anew for each test, as a signature is of its minute."""
    return {
        "no signature": (GOOD, "", 400, "unsigned"),
        "a secret of nobody": (GOOD, signature(GOOD, NOBODYS), 400, "signature"),
        "another body": (GOOD + b" ", signature(GOOD), 400, "signature"),
        "another scheme": (GOOD, signature(GOOD).replace("v1=", "v0="), 400, "signature"),
        "nonsense": (GOOD, "nonsense", 400, "signature"),
        "letters of nowhere": (GOOD, "t=1,v1=é".encode(), 400, "signature"),
        "no time": (GOOD, signature(GOOD).partition(",")[2], 400, "signature"),
        "a header without end": (GOOD, signature(GOOD) + ",v1=0" * 2000, 400, "signature"),
        "replayed": (GOOD, signature(GOOD, ago=LONG_AGO), 400, "time"),
        "of the future": (GOOD, signature(GOOD, ago=SOON), 400, "time"),
        "of 1970": (GOOD, signature(GOOD, ago=int(time.time())), 400, "time"),
        "no UTF-8": (b'{"id": "\xff"}', signature(b'{"id": "\xff"}'), 400, "encoding"),
        "no JSON": (b"paid", signature(b"paid"), 400, "malformed"),
        "no event": (b'{"paid": true}', signature(b'{"paid": true}'), 400, "malformed"),
        "too large": (b" " * (LARGEST_BYTES + 1), "t=1,v1=0", 413, "size"),
    }


@pytest.mark.fault(18)
@pytest.mark.parametrize("case", refused())
def test_it_is_refused(post, inbox, client, case):
    body, header, status, reason = refused()[case]
    answer = post(body, header)
    assert answer.status_code == status
    assert inbox.rows() == []
    assert numbers(client)["silo_billing_requests_total", reason] == 1
    for secret in (OURS, OLDER):
        assert secret not in answer.text


@pytest.mark.fault(18)
def test_the_first_time_in_a_header_counts_as_it_does_for_the_signature(post, inbox):
    body = written(an_event())
    old, now = signature(body, ago=LONG_AGO), f"t={int(time.time())}"
    assert post(body, f"{old},{now}").status_code == 400
    assert post(body, f"{now},{old}").status_code == 400
    assert post(body, f"t={int(time.time())}=1,{signature(body)}").status_code == 400
    assert inbox.rows() == []


@pytest.mark.parametrize("ago", [-270, 270])
def test_clocks_that_differ_a_little_are_no_matter(post, ago):
    assert post(GOOD, signature(GOOD, ago=ago)).status_code == 200


def test_a_body_in_parts_is_measured_too(client, inbox):
    def parts():
        for _ in range(LARGEST_BYTES // 65536 + 2):
            yield b" " * 65536

    answer = client.post(PATH, content=parts(), headers={"Stripe-Signature": "t=1,v1=0"})
    assert (answer.status_code, inbox.rows()) == (413, [])


def test_the_largest_that_is_let_in(post):
    body = written(an_event())
    body = body[:-1] + b" " * (LARGEST_BYTES - len(body)) + b"}"
    assert len(body) == LARGEST_BYTES
    assert post(body).status_code == 200


def test_nothing_is_promised_that_cannot_be_kept(post, inbox, client, monkeypatch):
    def full(_events):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(inbox, "keep", full)
    answer = post(written(an_event()))
    assert (answer.status_code, answer.text) == (503, "the event cannot be stored now; send it again\n")
    monkeypatch.undo()
    assert post(written(an_event())).status_code == 200
    assert numbers(client)["silo_billing_requests_total", "inbox"] == 1


def test_health_is_whether_an_event_could_be_kept(client, inbox):
    assert client.get("/health").status_code == 200
    inbox.path.rename(inbox.path.with_name("away.db"))
    assert client.get("/health").status_code == 503


def test_the_numbers_of_the_inbox_are_told(post, client, inbox):
    for number in range(3):
        post(written(an_event(number)))
    inbox.end("evt_0", "needs_attention", "no such price")
    found = numbers(client)
    assert found["silo_billing_events", "new"] == 2
    assert found["silo_billing_events", "needs_attention"] == 1
    assert 0 <= found["silo_billing_oldest_wait_seconds",] < 60
    assert found["silo_billing_request_seconds_count",] == 3


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", PATH, 405), ("POST", "/", 404), ("POST", "/health", 405), ("GET", "/", 404)]
)
def test_there_is_nothing_else(client, method, path, status):
    assert client.request(method, path).status_code == status


@pytest.mark.parametrize("secrets", [[], [""], [OURS, " "]])
def test_an_intake_without_a_secret_does_not_begin(secrets):
    with pytest.raises(ValueError, match="secrets"):
        Verifier(secrets)


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_tolerance_that_would_let_all_pass_does_not_begin(seconds):
    with pytest.raises(ValueError, match="tolerance_seconds"):
        Verifier([OURS], seconds)


PARTS = st.sampled_from(["t=", "v1=", ",", "=", "-1", "0", str(int(time.time())), "e3b0" * 4, "x" * 64, " ", "+5"])


@pytest.mark.fault(18)
@given(st.text() | st.lists(PARTS, max_size=12).map("".join), st.binary())
def test_whatever_comes_unsigned_is_refused_and_nothing_else_happens(header, body):
    with pytest.raises(Refused) as caught:
        Verifier([OURS, OLDER]).check(body, header)
    assert caught.value.status == 400
