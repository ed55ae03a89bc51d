"""A customer with a link: what the page shows, what sets a password, and what does not."""

import asyncio
import html
import logging
import secrets
import urllib.parse

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.source_limits import source_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from silo_access import website

from .conftest import EMAIL, FIRST, NEW, TEXTS

GERMAN = TEXTS["de"]


def shows(answer, text):
    return text in html.unescape(answer.page)


async def test_a_link_opens_as_often_as_somebody_looks(world):
    async with world() as w:
        token = w.issue()
        for method in ("GET", "GET", "HEAD"):
            assert (await w.ask(method, token)).status == 200
        page = await w.get(token)
        assert shows(page, GERMAN["form"]["title"])
        assert shows(page, EMAIL)
        assert w.photos.calls == []
        assert len(w.left) == 1


async def test_the_password_is_set_once_and_the_link_is_gone(world):
    async with world() as w:
        token = w.issue()
        answer = await w.post(token)
        assert (answer.status, w.photos.password, w.left) == (200, NEW, [])
        assert shows(answer, GERMAN["done"]["title"])
        assert shows(answer, EMAIL)
        assert 'href="/auth/login"' in answer.page
        assert shows(answer, "https://hans.swissphoto.ch")
        again = await w.post(token, "another password")
        assert (again.status, w.photos.password) == (404, NEW)
        assert shows(again, GERMAN["ended"]["title"])
        assert (await w.get(token)).status == 404


async def test_all_sessions_end_and_the_services_own_too(world):
    async with world() as w:
        await w.post(w.issue())
        assert w.photos.sessions == set()
        assert w.photos.calls == ["login", "change-password", "logout"]


async def test_of_twenty_at_once_one_wins(world):
    async with world() as w:
        token = w.issue()
        answers = await asyncio.gather(*(w.post(token, f"password number {number}") for number in range(20)))
        won = [number for number, answer in enumerate(answers) if answer.status == 200]
        assert len(won) == 1
        assert w.photos.password == f"password number {won[0]}"
        assert sorted(answer.status for answer in answers) == [200] + [404] * 19
        assert w.photos.calls.count("change-password") == 1


async def test_a_link_ends_with_its_time(world):
    async with world() as w:
        token = w.issue(hours=72)
        w.now += 72 * 3600 - 1
        assert (await w.get(token)).status == 200
        w.now += 1
        assert (await w.get(token)).status == 404
        assert (await w.post(token)).status == 404
        assert w.photos.password == FIRST


async def test_a_link_that_ends_while_the_form_is_filled_in_sets_nothing(world):
    async with world() as w:
        token = w.issue(hours=1)
        assert (await w.get(token)).status == 200
        w.now += 3601
        assert (await w.post(token)).status == 404
        assert w.photos.calls == []


async def test_what_is_over_is_removed_by_itself(world, monkeypatch):
    monkeypatch.setattr(website, "SWEEP_SECONDS", 0.01)
    async with world() as w:
        w.issue(hours=1)
        w.issue("maria", hours=3)
        w.now += 2 * 3600
        while len(w.left) != 1:
            await asyncio.sleep(0.01)
        assert w.left[0].startswith("maria-")


async def test_unknown_used_and_expired_look_the_same(world):
    async with world() as w:
        used, expired = w.issue(), w.issue(hours=-1)
        await w.post(used)
        pages = [await w.get(token) for token in (used, expired, secrets.token_urlsafe(32), "x", "")]
        assert {(answer.status, answer.page) for answer in pages} == {(404, pages[0].page)}
        assert shows(pages[0], "ops@swissphoto.ch")


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token.swapcase(),
        lambda token: f"{token}/..",
        lambda token: f"..%2f{token}",
        lambda token: f"{token}%00",
        lambda token: "A" * 6000,
        lambda token: "*",
    ],
)
async def test_a_token_that_was_tampered_with_opens_nothing(world, change):
    async with world() as w:
        token = w.issue()
        assert (await w.post(change(token))).status == 404
        assert w.photos.calls == []
        assert len(w.left) == 1


async def test_a_link_opens_its_own_tenant_at_its_own_address_alone(world):
    async with world() as w:
        token = w.issue()
        w.issue("maria")
        assert (await w.get(token, host="maria.swissphoto.ch", prefix="/maria/de")).status == 404
        assert (await w.get(token, host="maria.swissphoto.ch")).status == 404
        assert (await w.get(token, prefix="/maria/de")).status == 404
        assert (await w.get(token, host="HANS.swissphoto.ch:443")).status == 200


async def test_a_newer_link_is_another(world):
    async with world() as w:
        old = w.issue()
        for path in w.tickets.iterdir():
            path.unlink()
        new = w.issue()
        assert ((await w.get(old)).status, (await w.get(new)).status) == (404, 200)


@pytest.mark.parametrize(
    ("password", "repeated", "mistake"),
    [
        ("short", "short", "short"),
        ("", "", "short"),
        ("long enough", "long enough!", "different"),
        ("long enough", "", "different"),
        ("ö" * 37, "ö" * 37, "long"),
        ("with a\x00zero byte", "with a\x00zero byte", "unprintable"),
        ("with a\nnew line", "with a\nnew line", "unprintable"),
    ],
)
async def test_a_mistake_is_told_and_costs_nothing(world, password, repeated, mistake):
    async with world() as w:
        token = w.issue()
        answer = await w.post(token, password, repeated)
        assert answer.status == 422
        assert shows(answer, GERMAN["mistakes"][mistake])
        assert not password or password not in answer.page
        assert w.photos.calls == []
        assert (await w.post(token)).status == 200


@pytest.mark.parametrize(
    "options",
    [
        {"data": b""},
        {"data": b"password=long+enough+1"},
        {"data": {"password": "long enough 1"}},
        {"data": "password=long+enough&password=long+enough&repeated=long+enough"},
        {"data": "password=%ff%fe%ff%fe%ff%fe&repeated=%ff%fe%ff%fe%ff%fe"},
        {"data": "password=%ed%a0%80234567890&repeated=%ed%a0%80234567890"},
        {"data": {"password": "x" * 5000, "repeated": "x" * 5000}},
        {"data": b"x" * 100_000},
        {"json": {"password": NEW, "repeated": NEW}},
        {"data": f"password={NEW}&repeated={NEW}", "headers": {"Content-Type": "text/plain"}},
    ],
)
async def test_a_form_that_is_not_ours_is_refused(world, options):
    options = {"headers": {"Content-Type": "application/x-www-form-urlencoded"}, **options}
    if "json" in options:
        options.pop("headers")
    async with world() as w:
        token = w.issue()
        answer = await w.ask("POST", token, **options)
        assert answer.status == 422
        assert shows(answer, GERMAN["mistakes"]["unreadable"])
        assert w.photos.calls == []
        assert len(w.left) == 1


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"]), min_size=10, max_size=18))
def test_any_password_arrives_as_it_was_typed(world, text):
    async def scenario():
        async with world() as w:
            assert (await w.post(w.issue(), text)).status == 200
            assert w.photos.password == text

    asyncio.run(scenario())


@pytest.mark.parametrize("call", ["login", "change-password"])
@pytest.mark.parametrize("status", [400, 500, 503])
async def test_a_photo_server_in_trouble_leaves_the_link(world, call, status):
    async with world() as w:
        token = w.issue()
        w.photos.status[call] = status
        answer = await w.post(token)
        assert answer.status == 503
        assert shows(answer, GERMAN["mistakes"]["unavailable"])
        assert 'name="password"' in answer.page
        w.photos.status.clear()
        assert (await w.post(token)).status == 200
        assert w.left == []


async def test_a_photo_server_that_is_away_leaves_the_link(world):
    async with world() as w:
        token = w.issue(photo_server="http://127.0.0.1:9")
        assert (await w.post(token)).status == 503
        assert len(w.left) == 1


async def test_an_answer_without_end_is_not_kept(world):
    async with world() as w:
        token = w.issue()
        w.photos.login = lambda _body, _authorization: website.web.Response(text="x" * 10**6, status=201)
        assert (await w.post(token)).status == 503


async def test_a_password_that_is_set_counts_when_the_session_cannot_be_ended(world):
    async with world() as w:
        w.photos.status["logout"] = 500
        assert (await w.post(w.issue())).status == 200


async def test_a_customer_who_has_set_a_password_elsewhere_is_sent_to_it(world):
    async with world() as w:
        token = w.issue()
        w.photos.password = "their own password"
        answer = await w.post(token)
        assert (answer.status, w.photos.password, w.left) == (404, "their own password", [])
        assert shows(answer, GERMAN["ended"]["text"])


async def test_an_answer_that_was_lost_is_made_up_for(world):
    async with world() as w:
        token = w.issue()

        def cut():
            raise ConnectionError

        w.photos.after = cut
        assert (await w.post(token)).status == 503
        assert w.photos.password == NEW
        assert (await w.post(token)).status == 200
        assert w.left == []


async def test_a_link_that_is_replaced_meanwhile_leaves_the_newer_one(world):
    async with world() as w:
        token = w.issue()
        newer = []
        w.photos.before = lambda: newer.append(w.issue())
        assert (await w.post(token)).status == 200
        assert len(w.left) == 1
        assert (await w.get(newer[0])).status == 200


@pytest.mark.parametrize("language", TEXTS)
async def test_a_page_in_every_language(world, language):
    async with world() as w:
        token = w.issue()
        for answer in (
            await w.get(token, prefix=f"/hans/{language}"),
            await w.get(token, params={"language": language}),
        ):
            assert shows(answer, TEXTS[language]["form"]["title"])
            assert f'<html lang="{language}">' in answer.page
            assert answer.headers["Content-Language"] == language


@pytest.mark.parametrize("language", ["xx", "../de", "DE", ""])
async def test_an_unknown_language_is_that_of_the_tenant(world, language):
    async with world() as w:
        answer = await w.get(w.issue(), prefix="/hans/it", params={"language": language})
        assert shows(answer, TEXTS["it"]["form"]["title"])


async def test_every_answer_is_guarded(world):
    async with world(requests_per_minute=5) as w:
        token = w.issue()
        answers = [
            await w.get(token),
            await w.post(token, "short"),
            await w.post(token),
            await w.get(token),
            await w.ask("PUT", token),
            await w.get(token),
        ]
        assert [answer.status for answer in answers] == [200, 422, 200, 404, 405, 429]
        for answer in answers:
            policy = answer.headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; style-src 'sha256-")
            assert "unsafe" not in policy
            assert "form-action 'self'; base-uri 'none'; frame-ancestors 'none'" in policy
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert "<script" not in answer.page
            assert token not in answer.page


async def test_a_source_is_limited_for_each_tenant_by_itself(world):
    async with world(requests_per_minute=3) as w:
        token, other = w.issue(), w.issue("maria")
        statuses = [(await w.get("x")).status for _attempt in range(5)]
        assert statuses == [404, 404, 404, 429, 429]
        limited = await w.get(token)
        assert limited.status == 429
        assert shows(limited, GERMAN["limited"]["text"])
        assert limited.headers["Retry-After"] == "60"
        assert (await w.get(token, source="198.51.100.4")).status == 200
        assert (await w.get(other, host="maria.swissphoto.ch", prefix="/maria/de")).status == 200
        assert source_of("forged, 192.0.2.7") == "192.0.2.7"
        assert (await w.get(token, source="203.0.113.9, 192.0.2.7")).status == 429


async def test_the_customers_text_is_never_markup(world):
    async with world() as w:
        token = w.issue(email='"><script>alert(1)</script>@example.ch')
        assert "<script" not in (await w.get(token)).page


async def test_neither_token_nor_password_is_told_to_the_journal(world, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    # The access log is that of this test's own server; test_main.py looks at the real one.
    monkeypatch.setattr(logging.getLogger("aiohttp.access"), "disabled", True)
    async with world() as w:
        token, torn = w.issue(), w.issue(sealed_password="torn")
        w.photos.status["change-password"] = 500
        await w.post(token)
        w.photos.status.clear()
        await w.post(token)
        assert (await w.post(torn)).status == 500
        await w.get(f"{token}/x")
    assert "hans: the customer has set a password" in caplog.messages
    assert "hans: the password cannot be set now: change-password is answered with 500" in caplog.messages
    assert any(message.startswith("a request failed with InvalidToken") for message in caplog.messages)
    for secret in (token, torn, NEW, urllib.parse.quote_plus(NEW), FIRST):
        assert secret not in caplog.text
