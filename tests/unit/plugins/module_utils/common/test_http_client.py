"""Whoever answers by HTTP, the exchange ends in time, and no more is taken than was asked for."""

import contextlib
import time

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import http_client
from ansible_collections.swissphoto.silo.plugins.module_utils.common.http_client import HttpError, Route, ask, opened

from tests.unit.hostile_servers import DEEP, HEAD, HOSTILE, endless, serving, whole
from tests.unit.patience import PATIENCE


@pytest.mark.parametrize("name", HOSTILE)
def test_who_gives_no_whole_answer_is_an_error_in_time(name):
    with serving(HOSTILE[name]) as (port, _asked):
        begin = time.monotonic()
        with pytest.raises(HttpError) as raised:
            ask(f"http://127.0.0.1:{port}/", seconds=0.2)
        assert time.monotonic() - begin < PATIENCE
    assert str(raised.value).isprintable()


def test_a_body_without_end_is_cut_and_is_no_json():
    with serving(endless) as (port, _asked):
        answer = ask(f"http://127.0.0.1:{port}/", largest=1000, seconds=10)
    assert (len(answer.body), answer.whole) == (1000, False)
    with pytest.raises(ValueError, match="more than 1000 bytes"):
        answer.json()


def test_chunks_that_cost_more_than_they_bring_are_not_read_for_ever():
    chunks = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"

    def answer():
        yield chunks
        while True:
            yield b"1;" + b"x" * 60_000 + b"\r\ny\r\n"

    with serving(answer) as (port, _asked), pytest.raises(HttpError, match="more than is taken"):
        ask(f"http://127.0.0.1:{port}/", largest=64 * 1024, seconds=20)


@pytest.mark.parametrize("body", [DEEP, b'{"a":' * 200 + b"1" + b"}" * 200, b"NaN", b"\xff", b"", b"[1", b"9" * 5000])
def test_json_that_is_none_is_one_error(body):
    with serving(lambda: whole(body)) as (port, _asked):
        answer = ask(f"http://127.0.0.1:{port}/")
        with pytest.raises(ValueError, match="^it "):
            answer.json()


def test_a_plain_answer_is_read_and_the_connection_is_told_to_close():
    with serving(lambda: whole(b'{"res": "pong"}')) as (port, asked):
        answer = ask(f"http://127.0.0.1:{port}/a?b=c", method="PUT", body=b"{}", headers={"x-key": "k"})
    assert (answer.status, answer.json(), answer.headers["content-type"]) == (200, {"res": "pong"}, "application/json")
    (request,) = asked
    head = request.decode().split("\r\n")
    assert head[:2] == ["PUT /a?b=c HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    assert {"Connection: close", "Accept-Encoding: identity", "x-key: k", "Content-Length: 2"} <= set(head)


def redirect(place):
    return lambda: whole(b"moved", b"HTTP/1.1 302 Found\r\nLocation: %s\r\n" % place.encode())


def test_a_redirect_is_an_answer_and_nobody_is_asked():
    with (
        serving(lambda: whole(b"secret")) as (inner, asked),
        serving(redirect(f"http://127.0.0.1:{inner}/")) as (port, _),
    ):
        assert ask(f"http://127.0.0.1:{port}/").status == 302
        assert ask(f"http://127.0.0.1:{port}/", method="POST", body=b"{}", redirects=5).status == 302
        assert asked == []


def test_a_redirect_that_is_asked_for_takes_no_authorization_to_another_host():
    with (
        serving(lambda: whole(b"there")) as (inner, asked),
        serving(redirect(f"http://127.0.0.1:{inner}/")) as (port, _),
    ):
        answer = ask(f"http://127.0.0.1:{port}/", headers={"Authorization": "Bearer T", "Accept": "a"}, redirects=1)
    assert answer.body == b"there"
    assert b"Accept: a" in asked[0]
    assert b"Bearer" not in asked[0]


def test_a_circle_of_redirects_ends():
    with serving(redirect("/")) as (port, asked):
        assert ask(f"http://127.0.0.1:{port}/", redirects=3).status == 302
        assert len(asked) == 4


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/"])
def test_a_redirect_to_something_else_is_an_error(place):
    with serving(redirect(place)) as (port, _asked), pytest.raises(HttpError, match="which is not https"):
        ask(f"http://127.0.0.1:{port}/", redirects=1)


def test_https_never_becomes_http():
    with pytest.raises(HttpError, match="which is not https"):
        http_client._follow("https://a.example/", "http://a.example/", {})


@pytest.mark.parametrize(
    "url", ["http://", "file:///etc/passwd", "http://127.0.0.1:9/a b", "http://127.0.0.1:9/\r\nX: y"]
)
def test_what_is_no_address_is_an_error(url):
    with pytest.raises(HttpError):
        ask(url, seconds=1)


def test_lines_come_in_parts_and_in_time():
    def answer():
        yield HEAD + b"\r\na\n" + b"b" * 100 + b"\n"
        while True:
            time.sleep(0.05)
            yield b"c"

    with serving(answer) as (port, _asked):
        begin = time.monotonic()
        with opened(f"http://127.0.0.1:{port}/", seconds=0.5) as stream:
            lines = stream.lines(60)
            assert [next(lines) for _ in range(3)] == [b"a\n", b"b" * 60, b"b" * 40 + b"\n"]
            with pytest.raises(HttpError, match=r"timed out: there was no whole answer within 0\.5 s"):
                next(lines)
        assert time.monotonic() - begin < PATIENCE


def test_who_does_not_speak_tls_has_no_more_time_than_others():
    with serving(HOSTILE["silence"]) as (port, _asked):
        begin = time.monotonic()
        with pytest.raises(HttpError, match="timed out"):
            ask("https://hans.example/", route=Route(address=("127.0.0.1", port)), seconds=0.5)
        assert time.monotonic() - begin < PATIENCE


@pytest.mark.parametrize("answer", [endless, lambda: whole(b"{}"), HOSTILE["silence"], HOSTILE["no HTTP"]])
def test_no_connection_stays_open(monkeypatch, answer):
    made, dial = [], http_client._dial

    def counted(*arguments):
        made.append(dial(*arguments))
        return made[-1]

    monkeypatch.setattr(http_client, "_dial", counted)
    with serving(answer) as (port, _asked), contextlib.suppress(HttpError):
        ask(f"http://127.0.0.1:{port}/", largest=10, seconds=0.5)
    assert [one.fileno() for one in made] == [-1]


PROXY = "http://user:p%40ss@127.0.0.1:{}"  # pragma: allowlist secret


@pytest.mark.parametrize(("named", "through"), [(PROXY, True), ("", False)])
def test_a_proxy_is_used_where_it_is_allowed(monkeypatch, named, through):
    with serving(lambda: whole(b"proxied")) as (proxy, asked), serving(lambda: whole(b"direct")) as (port, _):
        monkeypatch.setenv("http_proxy", named.format(proxy))
        monkeypatch.setenv("no_proxy", "")
        url = f"http://127.0.0.1:{port}/a"
        assert ask(url).body == b"direct"
        assert ask(url, route=Route(proxies=True)).body == (b"proxied" if through else b"direct")
    assert bool(asked) == through
    if through:
        assert asked[0].startswith(f"GET {url} HTTP/1.1\r\n".encode())
        assert b"Proxy-Authorization: Basic dXNlcjpwQHNz\r\n" in asked[0]  # pragma: allowlist secret


def test_a_proxy_that_refuses_a_tunnel_is_told(monkeypatch):
    with serving(lambda: whole(b"", b"HTTP/1.1 407 No\r\n")) as (proxy, asked):
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy}")
        with pytest.raises(HttpError, match="the proxy answers 407"):
            ask("https://hans.example/", route=Route(proxies=True), seconds=5)
    assert asked[0].startswith(b"CONNECT hans.example:443 HTTP/1.1\r\n")
