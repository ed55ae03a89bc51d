"""The operator's mail relay: a real SMTP server with STARTTLS and a login, which keeps what it takes."""

from __future__ import annotations

import email
import email.message
import email.policy
import re
import socket
import ssl
import subprocess
import typing as t
from pathlib import Path

import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

PASSWORD = "the relay's own secret"


class Relay:
    """Listens on a port of this machine; `letters` are those that it took, the oldest first."""

    def __init__(self, folder: Path) -> None:
        self.letters: list[email.message.EmailMessage] = []
        self.refuses = ""
        self.folder = folder
        self.ca_file = folder / "relay.pem"
        key = folder / "relay.key"
        make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
        extra = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(self.ca_file), "-keyout", str(key)]
        subprocess.run([*make.split(), *extra], check=True, capture_output=True, timeout=20)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, key)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            tls_context=context,
            require_starttls=True,
            authenticator=self._login,
            auth_required=True,
        )
        self.controller.start()

    def _login(self, _server: t.Any, _session: t.Any, _envelope: t.Any, _mechanism: str, data: t.Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"silo", PASSWORD.encode()))

    async def handle_DATA(self, _server: t.Any, _session: t.Any, envelope: t.Any) -> str:  # noqa: N802
        if self.refuses:
            return self.refuses
        self.letters.append(
            t.cast(
                "email.message.EmailMessage", email.message_from_bytes(envelope.content, policy=email.policy.default)
            )
        )
        return "250 OK"

    def variables(self) -> dict[str, object]:
        """The operator's settings for this relay."""
        password = self.folder / "password"
        password.write_text(f"{PASSWORD}\n")
        password.chmod(0o600)
        return {
            "letters_relay_host": "127.0.0.1",
            "letters_relay_port": self.port,
            "letters_relay_user": "silo",
            "letters_relay_password_file": str(password),
            "letters_relay_ca_file": str(self.ca_file),
            "letters_sender": "photos@swissphoto.test",
        }

    def write_variables(self, path: Path, **others: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(self.variables() | others, explicit_start=True))

    def to(self, address: str) -> list[email.message.EmailMessage]:
        return [letter for letter in self.letters if letter["To"] == address]

    def stop(self) -> None:
        self.controller.stop()


def text(letter: email.message.EmailMessage, kind: str = "plain") -> str:
    body = letter.get_body((kind,))
    assert body
    return t.cast("str", body.get_content())


def pay_link(letter: email.message.EmailMessage) -> str:
    """The link to pay of a letter, the same in text and HTML."""
    (found,) = set(re.findall(r"https://[^\s\"<>]+/pay\?link=[\w=-]+", text(letter) + text(letter, "html")))
    return found


def link(letter: email.message.EmailMessage) -> str:
    """The one-time link of a letter, the same in text and HTML."""
    (found,) = set(re.findall(r"https://[^\s\"<>]+/silo/welcome/[\w-]+", text(letter) + text(letter, "html")))
    return found
