"""Who answers at the ports, with real sockets and real TLS."""

import functools
import json
import time

import pytest

from silo.diagnostics import http_ports
from tests.unit.patience import LONGER, PATIENCE

# As it is used, but for a machine that has much else to do.
check_http = functools.partial(http_ports.check_http, seconds=PATIENCE)
check_https = functools.partial(http_ports.check_https, seconds=PATIENCE)

HOST = "check1.swissphoto.ch"
REDIRECT = b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://check1.swissphoto.ch/\r\nContent-Length: 0\r\n\r\n"


def answer(status, body, kind="application/json"):
    head = f"HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


OURS = answer(404, json.dumps({"message": "m", "reason": "unknown"}).encode())


def test_port_80_leads_to_https(door):
    opened = door(REDIRECT)
    finding = check_http("silo1", "127.0.0.1", HOST, opened.port)
    assert (finding.id, finding.subject, finding.state, finding.fix) == ("port_80", "silo1", "ok", "")
    assert b"Host: check1.swissphoto.ch\r\n" in opened.asked


@pytest.mark.parametrize(
    "reply",
    [
        answer(200, b"<h1>Welcome to nginx!</h1>", "text/html"),
        REDIRECT.replace(b"https://check1", b"https://other"),
        REDIRECT.replace(b"https:", b"http:"),
        REDIRECT.replace(b".ch/", b".ch.example.org/"),
    ],
)
def test_another_program_at_port_80(door, reply):
    opened = door(reply)
    finding = check_http("silo1", "127.0.0.1", HOST, opened.port)
    assert finding.state == "wrong"
    assert "it is not Traefik" in finding.message
    assert f"`ss -ltnp 'sport = :{opened.port}'` on silo1 names the program" in finding.fix


def test_port_443_gives_our_page_whatever_the_certificate(door, certificate):
    opened = door(OURS, certificate)
    finding = check_https("silo1", "127.0.0.1", HOST, opened.port)
    assert (finding.id, finding.state, finding.fix) == ("port_443", "ok", "")
    assert opened.asked.startswith(b"GET /api HTTP/1.1\r\nHost: check1.swissphoto.ch\r\n")


def test_pages_that_are_down_behind_traefik(door, certificate):
    opened = door(answer(502, b"Bad Gateway", "text/plain"), certificate)
    finding = check_https("silo1", "127.0.0.1", HOST, opened.port)
    assert finding.state == "wrong"
    assert finding.message == "Traefik answers at 127.0.0.1, but the pages behind it do not (status 502)"
    assert "docker logs silo-pages-pages-1" in finding.fix


@pytest.mark.parametrize(
    "reply",
    [
        answer(404, b"404 page not found", "text/plain"),
        answer(404, b'{"reason": "suspended"}'),
        answer(404, b'["unknown"]'),
        answer(404, b"\xff\xfe"),
        answer(200, b'{"reason": "unknown"}'),
    ],
)
def test_another_page_at_port_443(door, certificate, reply):
    finding = check_https("silo1", "127.0.0.1", HOST, door(reply, certificate).port)
    assert finding.state == "wrong"
    assert "does not return silo's page for an unknown name" in finding.message


def test_a_program_without_tls_at_port_443(door):
    finding = check_https("silo1", "127.0.0.1", HOST, door(OURS).port)
    assert finding.state == "wrong"
    assert "answers without TLS" in finding.message


@pytest.mark.parametrize("look", [check_http, check_https])
def test_a_port_at_which_nothing_listens(look, closed_port):
    finding = look("silo1", "127.0.0.1", HOST, closed_port)
    assert finding.state == "wrong"
    assert finding.message == f"no program listens at 127.0.0.1 port {closed_port}: Traefik does not run"
    assert finding.fix == "run playbooks/site.yml, or read `docker logs silo-traefik-traefik-1` on silo1"


@pytest.mark.parametrize("look", [check_http, check_https])
def test_a_port_that_takes_and_says_nothing(look, silent_port):
    begun = time.monotonic()
    finding = look("silo1", "127.0.0.1", HOST, silent_port, seconds=0.5)
    assert time.monotonic() - begun < PATIENCE
    assert finding.state == "wrong"
    assert finding.fix


def test_one_that_never_ends_its_answer_is_cut(door, certificate):
    endless = [b"HTTP/1.1 200 x\r\n", *[b"X: y\r\n"] * 10 * LONGER]
    begun = time.monotonic()
    plain, secure = door(endless), door(endless, certificate)
    assert check_http("silo1", "127.0.0.1", HOST, plain.port, seconds=0.6).state == "wrong"
    assert check_https("silo1", "127.0.0.1", HOST, secure.port, seconds=0.6).state == "wrong"
    assert time.monotonic() - begun < PATIENCE


def test_one_that_speaks_no_http(door):
    finding = check_http("silo1", "127.0.0.1", HOST, door(b"220 mail ESMTP\r\n").port)
    assert finding.state == "wrong"
    assert "does not answer by HTTP" in finding.message
