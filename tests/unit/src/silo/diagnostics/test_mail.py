"""The relay, asked for real: one that takes us, one that does not, none at all."""

import socket
import time

import pytest
from aiosmtpd.controller import Controller

from silo.diagnostics import mail
from silo.notifications.settings import MailSettings
from tests.unit.patience import PATIENCE


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
    finding = mail.check_relay(found, "hans@example.ch")
    assert (finding.id, finding.subject, finding.state, finding.fix) == ("mail", "127.0.0.1", "ok", "")
    assert "accepts letters" in finding.message
    assert (handler.named, handler.letters) == (["hans@example.ch"], 0)


def test_without_a_recipient_it_is_the_sender(relay):
    handler, found = relay()
    assert mail.check_relay(found).state == "ok"
    assert handler.named == ["silo@swissphoto.ch"]


def test_a_relay_that_refuses_us(relay):
    _handler, found = relay("554 relay access denied")
    finding = mail.check_relay(found)
    assert finding.state == "wrong"
    assert "relay access denied" in finding.message
    assert "letters_" in finding.fix


def test_a_relay_that_is_not_there(closed_port, tmp_path):
    finding = mail.check_relay(settings(closed_port, tmp_path))
    assert finding.state == "wrong"
    assert f"letters_relay_port ({closed_port})" in finding.fix


def test_a_relay_that_is_silent_is_given_up(silent_port, tmp_path):
    begun = time.monotonic()
    assert mail.check_relay(settings(silent_port, tmp_path), seconds=0.5).state == "wrong"
    assert time.monotonic() - begun < PATIENCE


def test_a_password_that_others_can_read(tmp_path):
    password = tmp_path / "password"
    password.write_text("secret of the relay\n")
    password.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = settings(server.getsockname()[1], tmp_path, user="silo", password_file=password)
        finding = mail.check_relay(found)
    assert finding.state == "wrong"
    assert "0600" in finding.message
    assert "secret" not in finding.message + finding.fix


def test_no_relay_is_a_warning_of_its_own():
    finding = mail.check_relay(None)
    assert (finding.subject, finding.state) == ("controller", "warning")
    assert finding.message.startswith("no relay is set")
    assert "letters_relay_host" in finding.fix
