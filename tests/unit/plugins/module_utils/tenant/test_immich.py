"""What is asked of a photo server: in which order, with whose session, and what is told where it refuses."""

import json
import time

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import immich
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import Admin, StackError

from tests.unit.hostile_servers import HOSTILE, endless, serving, whole
from tests.unit.patience import PATIENCE

PLACEHOLDER = Admin("http://10.83.0.18:2283", "placeholder@silo.invalid", "Psecret")
ADMIN = Admin("http://10.83.0.18:2283", "hans@example.ch", "Asecret")


class PhotoServer:
    """Answers each path with what it was told, or with what is right."""

    RIGHT = {"login": (201, json.dumps({"accessToken": "token"})), "me": (200, ""), "change-password": (200, "")}

    def __init__(self, **answers):
        self.answers = {**self.RIGHT, **{path.replace("_", "-"): answer for path, answer in answers.items()}}
        self.asked = []

    def ask(self, url, body, token="", method="POST"):
        name = url.rsplit("/", 1)[1]
        self.asked.append((method, name, token, body))
        answer = self.answers.get(name, (200, ""))
        return answer.pop(0) if isinstance(answer, list) else answer


def test_the_placeholder_signs_up_and_nobody_after_it():
    server = PhotoServer(admin_sign_up=[(201, ""), (400, "The server already has an admin")])
    immich.sign_up(PLACEHOLDER, server.ask)
    assert [(name, body["email"]) for _method, name, _token, body in server.asked] == [
        ("admin-sign-up", PLACEHOLDER.email),
        ("admin-sign-up", f"second-{PLACEHOLDER.email}"),
    ]


def test_a_set_up_that_stays_open_is_refused():
    server = PhotoServer(admin_sign_up=[(201, ""), (201, "")])
    with pytest.raises(StackError, match="set-up stays open: a second sign-up is answered with 201"):
        immich.sign_up(PLACEHOLDER, server.ask)


def test_a_photo_server_that_takes_no_admin_is_told():
    with pytest.raises(StackError, match="cannot be created, the photo server answers 500: broken"):
        immich.sign_up(PLACEHOLDER, PhotoServer(admin_sign_up=(500, "broken")).ask)


def test_an_instance_is_handed_over_in_one_session_that_ends():
    server = PhotoServer()
    immich.hand_over(PLACEHOLDER, ADMIN, server.ask)
    assert server.asked == [
        ("POST", "login", "", {"email": PLACEHOLDER.email, "password": "Psecret"}),
        ("PUT", "me", "token", {"email": ADMIN.email, "name": ADMIN.email}),
        (
            "POST",
            "change-password",
            "token",
            {"password": "Psecret", "newPassword": "Asecret", "invalidateSessions": True},
        ),
        ("POST", "logout", "token", {}),
    ]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"login": (401, "")}, "the placeholder of the template cannot log in, the photo server answers 401"),
        ({"login": (201, "no JSON")}, "the placeholder of the template cannot log in, the photo server answers 201"),
        ({"me": (400, "taken")}, "the admin's address cannot be set, the photo server answers 400: taken"),
        ({"change_password": (400, "Wrong")}, "the admin's password cannot be set, the photo server answers 400"),
    ],
)
def test_what_is_refused_is_told(answers, said):
    with pytest.raises(StackError, match=said):
        immich.hand_over(PLACEHOLDER, ADMIN, PhotoServer(**answers).ask)


def test_a_server_that_does_not_answer_is_told():
    away = Admin("http://127.0.0.1:9", "hans@example.ch", "Asecret")
    with pytest.raises(StackError, match=r"the photo server does not answer at http://127.0.0.1:9/api/auth/login"):
        immich.hand_over(PLACEHOLDER, away)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_server_that_does_not_come_to_an_end_is_told_in_time(name, monkeypatch):
    monkeypatch.setattr(immich, "TIMEOUT_SECONDS", 0.2)
    with serving(HOSTILE[name]) as (port, _asked):
        begin = time.monotonic()
        with pytest.raises(StackError, match="the photo server does not answer at ") as raised:
            immich.ask(f"http://127.0.0.1:{port}/api", {})
        assert time.monotonic() - begin < PATIENCE
    assert str(raised.value).isprintable()


def test_an_answer_without_end_is_read_to_its_limit():
    with serving(endless) as (port, _asked):
        status, answer = immich.ask(f"http://127.0.0.1:{port}/api", {})
    assert (status, len(answer)) == (200, 65536)


def test_nobody_is_sent_elsewhere():
    moved = b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:%d/\r\n"
    with serving(lambda: whole(b"")) as (inner, asked), serving(lambda: whole(b"", moved % inner)) as (port, _):
        assert immich.ask(f"http://127.0.0.1:{port}/api", {})[0] == 307
    assert asked == []


def test_what_it_says_is_quoted_without_what_does_something():
    server = PhotoServer(admin_sign_up=(500, "\x1b[2J\u202e" + "x\n" * 500))
    with pytest.raises(StackError) as raised:
        immich.sign_up(PLACEHOLDER, server.ask)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("token", ['"a\\r\\nX: y"', "1", "[]", '""', '"' + "x" * 5000 + '"', "[" * 9999])
def test_a_token_that_no_header_can_take_is_none(token):
    assert immich.token_of(f'{{"accessToken": {token}}}') == ""
