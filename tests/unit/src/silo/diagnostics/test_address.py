"""A tenant's address as a browser finds it."""

import datetime
import json
import socket

import pytest

from silo import certificate as certificates
from silo.diagnostics import address

NAME = "hans.swissphoto.test"


@pytest.mark.parametrize(
    ("state", "status", "body"),
    [
        ("running", 200, {"res": "pong"}),
        ("stopped", 503, {"reason": "stopped"}),
        ("suspended", 503, {"reason": "unavailable"}),
        ("absent", 404, {"reason": "unknown"}),
    ],
)
def test_who_should_answer_in_each_state(cloud, state, status, body):
    cloud |= {"status": status, "body": json.dumps(body).encode()}
    assert address.check_answer(NAME, "127.0.0.1", state, cloud["port"]).ok
    for other in {"running", "stopped", "suspended", "absent"} - {state}:
        check = address.check_answer(NAME, "127.0.0.1", other, cloud["port"])
        assert not check.ok
        assert check.seen.startswith(f"{status}, ")


def test_an_answer_without_sense(cloud):
    cloud["body"] = b"<html>"
    check = address.check_answer(NAME, "127.0.0.1", "running", cloud["port"])
    assert (check.ok, check.seen) == (False, "an answer that is not JSON")
    for body in (b'{"res": ' + b"[" * 30_000, b'{"res": ' + b"[" * 2000 + b"]" * 2000 + b"}"):
        cloud["body"] = body
        assert address.check_answer(NAME, "127.0.0.1", "running", cloud["port"]).seen == "an answer that is not JSON"
    cloud["body"] = b"[]"
    assert not address.check_answer(NAME, "127.0.0.1", "running", cloud["port"]).ok


def test_nobody_answers():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    check = address.check_answer(NAME, "127.0.0.1", "running", port)
    assert not check.ok
    assert check.seen.startswith("does not answer: ")


def test_a_certificate_that_is_trusted(cloud, authority):
    check = address.check_certificate(NAME, "127.0.0.1", str(authority / "cert.pem"), port=cloud["port"])
    assert (check.ok, check.seen[:10]) == (True, "by a test,")


def test_one_that_is_not(cloud):
    check = address.check_certificate(NAME, "127.0.0.1", "", port=cloud["port"])
    assert not check.ok
    assert check.seen.startswith("not trusted, by a test")


def test_one_for_another_name(cloud, authority):
    assert not address.check_certificate(
        "maria.swissphoto.test", "127.0.0.1", str(authority / "cert.pem"), port=cloud["port"]
    ).ok


def test_one_that_has_ended(cloud, authority):
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=31)
    assert not address.check_certificate(NAME, "127.0.0.1", str(authority / "cert.pem"), later, cloud["port"]).ok


def test_no_tls_at_all(monkeypatch):
    monkeypatch.setattr(certificates, "read", lambda *_arguments: None)
    assert address.check_certificate(NAME, "127.0.0.1", "").seen == "no TLS at 127.0.0.1 port 443"


def test_authorities_that_are_not_there(tmp_path):
    check = address.check_certificate(NAME, "127.0.0.1", str(tmp_path / "none.pem"))
    assert not check.ok
    assert check.seen.startswith("cannot be verified: ")


@pytest.mark.parametrize("said", ["\x1b[2J\x1b]8;;http://x\x07", "[/x]\u202e", "x" * 5000, ["pong"], {"a": 1}])
def test_what_a_tenant_says_is_shown_without_what_does_something(cloud, said):
    cloud["body"] = json.dumps({"res": said}).encode()
    found = address.check_answer(NAME, "127.0.0.1", "running", cloud["port"])
    assert not found.ok
    assert found.seen.isprintable()
    assert len(found.seen) < 300


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"NaN", b"{" + b" " * 70_000 + b"}"])
def test_json_that_would_end_the_audit_is_a_finding(cloud, body):
    cloud["body"] = body
    found = address.check_answer(NAME, "127.0.0.1", "running", cloud["port"])
    assert (found.ok, found.seen) == (False, "an answer that is not JSON")
