"""A certificate is waited for, and the wait ends with a sentence."""

import datetime
import socket
import ssl
import threading

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import certificate
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make(name):
    """A certificate for `name`, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anything")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(key, hashes.SHA256()), key


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("hans.swissphoto.ch", True),
        ("*.swissphoto.ch", True),
        ("maria.swissphoto.ch", False),
        ("1a2b.traefik.default", False),
    ],
)
def test_a_certificate_names_its_host(name, fits):
    der = make(name)[0].public_bytes(serialization.Encoding.DER)
    assert certificate.names(der, "hans.swissphoto.ch") == fits


@pytest.fixture
def proxy(tmp_path):
    """A server whose certificate can be changed while it runs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    def use(name):
        made, key = make(name)
        plain = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        (tmp_path / "pem").write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(tmp_path / "pem")

    def serve():
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    use("1a2b.traefik.default")
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname(), use
    listener.close()


def test_it_is_waited_for(proxy):
    address, use = proxy
    threading.Timer(0.5, use, ["hans.swissphoto.ch"]).start()
    certificate.wait("hans.swissphoto.ch", 20, address)


def test_a_wait_that_is_too_long_ends_with_a_sentence(proxy):
    address, _use = proxy
    with pytest.raises(StackError, match="no certificate of hans.swissphoto.ch came within 0 s"):
        certificate.wait("hans.swissphoto.ch", 0.3, address)


def test_nobody_answers():
    assert certificate.presented("hans.swissphoto.ch", ("127.0.0.1", 9)) == b""
