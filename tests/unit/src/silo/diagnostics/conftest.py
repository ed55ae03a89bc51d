"""Small real servers on the loopback: one of names, and two that answer as they are told."""

import datetime
import json
import socket
import socketserver
import ssl
import subprocess
import threading
import types
from http.server import BaseHTTPRequestHandler, HTTPServer

import dns.message
import dns.rcode
import dns.rrset
import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from silo.diagnostics import vault
from tests.unit.patience import PATIENCE


@pytest.fixture(scope="session", autouse=True)
def forked_vault(ansible):
    """Which vaults open is asked of a fork, in place of a process that reads its modules first."""

    def run(_command, text, **_how):
        done = ansible.run(["vault"], text)
        return Completed(done.returncode, done.stdout, done.stderr)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vault, "process", types.SimpleNamespace(run=run))
        yield


class Zone(socketserver.ThreadingUDPServer):
    """Answers by `records`: name (or *.domain) to addresses; None is a server that is silent."""

    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Question)
        self.records = {}
        self.asked = []

    @property
    def resolver(self):
        return f"127.0.0.1#{self.server_address[1]}"


class Question(socketserver.BaseRequestHandler):
    def handle(self):
        data, opened = self.request
        query = dns.message.from_wire(data)
        (question,) = query.question
        name = question.name.to_text(omit_final_dot=True)
        self.server.asked.append(name)
        records = self.server.records
        found = records.get(name, records.get("*." + name.partition(".")[2], ()))
        if found is None:
            return
        answer = dns.message.make_response(query)
        if not found:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        for address in found:
            kind = "AAAA" if ":" in address else "A"
            if dns.rdatatype.to_text(question.rdtype) == kind:
                answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, address))
        opened.sendto(answer.to_wire(), self.client_address)


@pytest.fixture
def zone():
    with Zone() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=TRAEFIK"
    extra = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", folder / "cert.pem", "-keyout", folder / "key.pem"]
    subprocess.run([*make.split(), *extra], check=True, capture_output=True, timeout=PATIENCE)
    return folder / "cert.pem", folder / "key.pem"


class Door(socketserver.ThreadingTCPServer):
    """Sends `reply` (bytes, or a list of pieces with a pause after each) to whoever has asked."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, reply, certificate):
        super().__init__(("127.0.0.1", 0), Guest)
        self.reply, self.context = reply, None
        self.asked = b""
        self.closing = threading.Event()
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*certificate)

    @property
    def port(self):
        return self.server_address[1]

    def handle_error(self, request, client_address):
        """Who speaks no TLS to one that does is a part of the tests."""


class Guest(socketserver.BaseRequestHandler):
    def handle(self):
        context = self.server.context
        opened = context.wrap_socket(self.request, server_side=True) if context else self.request
        self.server.asked = opened.recv(4096)
        if isinstance(self.server.reply, bytes):
            opened.sendall(self.server.reply)
        else:
            for piece in self.server.reply:
                opened.sendall(piece)
                if self.server.closing.wait(0.1):
                    break
        opened.close()


@pytest.fixture
def door():
    doors = []

    def open_door(reply, certificate=None):
        server = Door(reply, certificate)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        doors.append((server, thread))
        return server

    yield open_door
    for server, thread in doors:
        server.closing.set()
        server.shutdown()
        thread.join(5)
        server.server_close()


@pytest.fixture
def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture
def silent_port():
    """Takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A certificate for hans.swissphoto.test, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hans.swissphoto.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    (folder / "key.pem").write_bytes(key.private_bytes(*form, plain))
    return folder


@pytest.fixture
def cloud(authority):
    """The server: `status` and `body` of its answer, its `port`."""
    answer = {"status": 200, "body": json.dumps({"res": "pong"}).encode()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(answer["status"])
            self.send_header("Content-Length", str(len(answer["body"])))
            self.end_headers()
            self.wfile.write(answer["body"])

        def log_message(self, *_arguments):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "cert.pem", authority / "key.pem")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        answer["port"] = server.server_port
        yield answer
        server.shutdown()
        thread.join(5)
