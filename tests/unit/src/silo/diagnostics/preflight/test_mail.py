"""The relay, asked for real: one that takes us, one that does not, none at all."""

import socket
import time

import pytest
from aiosmtpd.controller import Controller

from silo.diagnostics.preflight import mail
from silo.notifications.settings import MailSettings


class Handler:
    def __init__(self, refuses=""):
        self.refuses, self.named, self.letters = refuses, [], 0

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
        self.named.append(address)
        if self.refuses:
            return self.refuses
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server, _session, _envelope):  # noqa: N802
        self.letters += 1
        return "250 OK"


@pytest.fixture
def relay(closed_port, tmp_path):
    started = []

    def start(refuses=""):
        handler = Handler(refuses)
        controller = Controller(handler, hostname="127.0.0.1", port=closed_port)
        controller.start()
        started.append(controller)
        return handler, settings(closed_port, tmp_path)

    yield start
    for controller in started:
        controller.stop()


def settings(port, folder, **changes):
    return MailSettings("127.0.0.1", port, "silo@swissphoto.ch", folder / "outbox", security="none", **changes)


def test_a_relay_that_takes_us_gets_no_letter(relay):
    handler, found = relay()
    finding = mail.look(found, "hans@example.ch")
    assert (finding.subject, finding.place, finding.state, finding.remedy) == ("letters", "127.0.0.1", "ok", "")
    assert "takes our mail" in finding.text
    assert (handler.named, handler.letters) == (["hans@example.ch"], 0)


def test_without_a_recipient_it_is_the_sender(relay):
    handler, found = relay()
    assert mail.look(found).state == "ok"
    assert handler.named == ["silo@swissphoto.ch"]


def test_a_relay_that_refuses_us(relay):
    _handler, found = relay("554 relay access denied")
    finding = mail.look(found)
    assert finding.state == "wrong"
    assert "relay access denied" in finding.text
    assert "letters_" in finding.remedy


def test_a_relay_that_is_not_there(closed_port, tmp_path):
    finding = mail.look(settings(closed_port, tmp_path))
    assert finding.state == "wrong"
    assert f"letters_relay_port ({closed_port})" in finding.remedy


def test_a_relay_that_is_silent_is_given_up(silent_port, tmp_path):
    begun = time.monotonic()
    assert mail.look(settings(silent_port, tmp_path), seconds=0.5).state == "wrong"
    assert time.monotonic() - begun < 5


def test_a_password_that_others_can_read(tmp_path):
    password = tmp_path / "password"
    password.write_text("secret of the relay\n")
    password.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = settings(server.getsockname()[1], tmp_path, user="silo", password_file=password)
        finding = mail.look(found)
    assert finding.state == "wrong"
    assert "0600" in finding.text
    assert "secret" not in finding.text + finding.remedy


def test_no_relay_is_a_warning_of_its_own():
    finding = mail.look(None)
    assert (finding.place, finding.state) == ("controller", "warning")
    assert finding.text.startswith("no relay is set")
    assert "letters_relay_host" in finding.remedy
