"""The relay's certificate is verified before anything is said to it."""

import socket
import ssl
import subprocess

import pytest
from aiosmtpd.controller import Controller

from silo.notifications.errors import LetterError
from silo.notifications.relay import Relay
from silo.notifications.settings import MailSettings
from tests.unit.patience import PATIENCE


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_holds_by_its_own_authority_alone(security, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    extra = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", cert, "-keyout", key]
    subprocess.run([*make.split(), *extra], check=True, capture_output=True, timeout=PATIENCE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    how = {"ssl_context": context} if security == "tls" else {"tls_context": context, "require_starttls": True}
    controller = Controller(object(), hostname="127.0.0.1", port=port, **how)
    controller.start()
    try:
        known = MailSettings("127.0.0.1", port, "silo@example.ch", tmp_path / "o", security=security, ca_file=cert)
        assert "accepts letters" in Relay(known).check("hans@example.ch")
        unknown = MailSettings("127.0.0.1", port, "silo@example.ch", tmp_path / "o", security=security)
        with pytest.raises(LetterError, match="certificate is not valid"):
            Relay(unknown).check("hans@example.ch")
    finally:
        controller.stop()
