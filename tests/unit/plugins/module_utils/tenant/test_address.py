"""An address is waited for until route and certificate are there, and the wait ends with a sentence."""

import datetime
import socket
import ssl
import threading

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import address
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
    assert address.names(der, "hans.swissphoto.ch") == fits


class Proxy:
    """A proxy on loopback whose certificate and answer can be changed while it runs."""

    def __init__(self, folder):
        self.folder, self.status = folder, 404
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.use("1a2b.traefik.default")
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.at = self.listener.getsockname()
        threading.Thread(target=self.serve, daemon=True).start()

    def use(self, name):
        made, key = make(name)
        plain = serialization.NoEncryption()
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        (self.folder / "pem").write_bytes(pem + made.public_bytes(serialization.Encoding.PEM))
        self.context.load_cert_chain(self.folder / "pem")

    def serve(self):
        while True:
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            try:
                with self.context.wrap_socket(connection, server_side=True) as tls:
                    asked = tls.recv(4096)
                    if b"Host: hans.swissphoto.ch" in asked:
                        tls.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % self.status)
            except OSError:
                connection.close()


@pytest.fixture
def proxy(tmp_path):
    made = Proxy(tmp_path)
    yield made
    made.listener.close()


def test_it_is_waited_for(proxy):
    def become():
        proxy.use("hans.swissphoto.ch")
        proxy.status = 200

    threading.Timer(0.5, become).start()
    assert address.wait(["hans.swissphoto.ch"], 20, proxy.at) == {}


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("1a2b.traefik.default", 200, "hans.swissphoto.ch has no certificate; 'docker logs"),
        ("hans.swissphoto.ch", 404, "hans.swissphoto.ch answers 404; 'docker logs"),
    ],
)
def test_a_wait_that_is_too_long_ends_with_a_sentence(proxy, name, status, said):
    proxy.use(name)
    proxy.status = status
    problems = address.wait(["hans.swissphoto.ch"], 0.3, proxy.at)
    assert list(problems) == ["hans.swissphoto.ch"]
    assert said in problems["hans.swissphoto.ch"]


@pytest.fixture
def clock(monkeypatch):
    """A clock that only a wait moves on."""
    now = [0.0]
    monkeypatch.setattr(address.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(address.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    return now


@pytest.mark.parametrize(("every", "late"), [(59, []), (61, ["t1", "t2", "t3", "t4", "t5"])])
def test_who_comes_gives_the_others_time(clock, monkeypatch, every, late):
    """A hundred certificates, asked for at once, come one after the other."""
    works_at = {f"t{number}": number * every for number in range(6)}
    monkeypatch.setattr(address, "problem", lambda name, _at: "" if clock[0] >= works_at[name] else "is away")
    assert list(address.wait(list(works_at), 60)) == late


def test_who_never_comes_is_waited_for_once_the_last_has_come(clock, monkeypatch):
    monkeypatch.setattr(address, "problem", lambda name, _at: "is away" if name != "hans" or clock[0] < 30 else "")
    problems = address.wait(["hans", "maria", "peter"], 60)
    assert list(problems) == ["maria", "peter"]
    assert 90 <= clock[0] < 91
    assert problems["maria"].startswith("its containers run, but after 90 s maria is away; 'docker logs")


def test_an_address_that_works_soon_is_seen_soon_and_one_that_takes_longer_is_asked_less_often(clock, monkeypatch):
    asked = []
    monkeypatch.setattr(address, "problem", lambda _name, _at: asked.append(round(clock[0], 2)) or "is away")
    address.wait(["hans"], 1)
    assert asked[:5] == [0, 0.05, 0.15, 0.35, 0.55]


def test_nobody_is_waited_for():
    assert address.wait([], 60) == {}


def test_nobody_answers():
    assert address.problem("hans.swissphoto.ch", ("127.0.0.1", 9)).startswith("does not answer")
