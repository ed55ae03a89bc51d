"""The admin of a photo server: asked over the network, and given a password by its own tool."""

import json

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.access.admin import Admin
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

DIALOGUE = """Found Admin:
- ID=6b2d0f0a-3bf2-4d2c-9f5e-0c3c7c1d2a11
- OAuth ID=
- Email={email}
- Name=Hans
? Please choose a new password (optional)"""


class Server:
    """A photo server with one admin, and `done`, what was asked of it; `said` is of an immich-admin that fails."""

    def __init__(self):
        self.email, self.password = "hans@example.ch", "customer's own"
        self.done, self.status, self.said = [], 0, None

    def post(self, url, body, token):
        call = url.removeprefix("http://10.83.0.18:2283/api/auth/")
        self.done.append(call)
        if call == "logout":
            assert token == "session"
            return 200, "{}"
        if self.status:
            return self.status, ""
        if (body["email"], body["password"]) == (self.email, self.password):
            return 201, json.dumps({"accessToken": "session"})
        return 401, ""

    def ask(self, command, answer):
        self.done.append(" ".join(command))
        if self.said is not None:
            return self.said
        self.password = answer
        return DIALOGUE.format(email=self.email).replace("\n", "\r\n")


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def admin(server):
    return Admin("http://10.83.0.18:2283", "silo-hans-server-1", server.post, server.ask)


def test_the_right_password_is_known_and_leaves_no_session(server, admin):
    assert admin.knows("hans@example.ch", "customer's own")
    assert server.done == ["login", "logout"]


def test_a_wrong_password_is_not(server, admin):
    assert not admin.knows("hans@example.ch", "Asecret")
    assert server.done == ["login"]


def test_a_photo_server_in_trouble_is_no_wrong_password(server, admin):
    server.status = 500
    with pytest.raises(StackError, match="answers a login with 500; 'docker logs silo-hans-server-1' shows why"):
        admin.knows("hans@example.ch", "Asecret")


def test_one_that_does_not_answer_is_named():
    with pytest.raises(StackError, match=r"the photo server does not answer at http://127.0.0.1:9/api/auth/login: "):
        Admin("http://127.0.0.1:9", "silo-hans-server-1").knows("hans@example.ch", "Asecret")


def test_a_new_password_goes_in_where_no_process_list_shows_it(server, admin):
    assert admin.reset("hans@example.ch", "Fsecret") == "hans@example.ch"
    assert server.password == "Fsecret"
    assert server.done[0] == "docker exec --interactive --tty silo-hans-server-1 immich-admin reset-admin-password"


def test_an_admin_who_has_another_address_now_is_found(server, admin):
    server.email = "hans@new.example"
    assert admin.reset("hans@example.ch", "Fsecret") == "hans@new.example"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (DIALOGUE.format(email="hans@example.ch"), "immich-admin has not set the password$"),
        ("Admin account\r\ndoes not exist\r\n", "has not set the password: Admin account does not exist$"),
        ("", "has not set the password: $"),
    ],
)
def test_a_reset_that_failed_is_told_without_the_password(server, admin, said, reason):
    server.said = said
    with pytest.raises(StackError, match=reason) as caught:
        admin.reset("hans@example.ch", "Fsecret")
    assert "Fsecret" not in str(caught.value)
