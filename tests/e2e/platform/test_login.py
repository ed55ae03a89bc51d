"""Who guesses passwords is slowed down, at one tenant and from one source; who else logs in or uploads is not."""

import concurrent.futures
import http.client
import json
import time

import pytest

from ..cloud import Cloud, picture

BURST = 10
REST_SECONDS = 20  # of the lab
WRONG = json.dumps({"email": "hans@example.ch", "password": "wrong"})
# Sources of the server's own; the lab's network has no IPv6.
SOURCES = """
sysctl --quiet --write net.ipv6.conf.lo.disable_ipv6=0
for address in 2001:db8:0:1::1 2001:db8:0:1::2 2001:db8:0:2::1; do
    ip address replace $address/64 dev lo nodad
done
"""
GONE = "sysctl --quiet --write net.ipv6.conf.lo.disable_ipv6=1"
LINE, NEIGHBOUR, ELSEWHERE = "2001:db8:0:1::1", "2001:db8:0:1::2", "2001:db8:0:2::1"
ASK = """
import http.client, json, socket, ssl, sys

wanted = json.load(sys.stdin)
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
raw = socket.create_connection((wanted["at"], 443), timeout=60, source_address=(wanted["source"], 0))
connection = http.client.HTTPConnection(wanted["host"])
connection.sock = context.wrap_socket(raw, server_hostname=wanted["host"])
answers = []
for _ in range(wanted["times"]):
    connection.request("POST", wanted["path"], wanted["body"], wanted["headers"])
    response = connection.getresponse()
    response.read()
    answers.append((response.status, int(response.headers.get("Retry-After", 0))))
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def attempt(lab):
    """Requests of one connection from a source of the server itself: a list of status and Retry-After."""
    lab.shell(SOURCES)

    def of(name, source, path="/api/auth/login", *, times=1, body=WRONG, **headers):
        wanted = {
            "at": ELSEWHERE if ":" in source else "127.0.0.1",
            "source": source,
            "host": f"{name}.{lab.domain}",
            "times": times,
            "path": path,
            "body": body,
            "headers": {"Content-Type": "application/json", **headers},
        }
        return [tuple(answer) for answer in json.loads(lab.run("python3", "-c", ASK, text=json.dumps(wanted)))]

    yield of
    lab.shell(GONE)


def statuses(answers):
    return [status for status, _after in answers]


def test_a_guesser_has_ten_tries_and_a_rest_brings_them_back(lab, operator, attempt):
    began = time.monotonic()
    answers = attempt("hans", "127.0.0.2", times=BURST + 5)
    assert statuses(answers) == [401] * BURST + [429] * 5
    assert all(0 < after <= REST_SECONDS for _status, after in answers[BURST:])
    # What one says of oneself makes nobody another.
    for header in (
        {"X-Forwarded-For": "198.51.100.7"},
        {"X-Real-Ip": "198.51.100.7"},
        {"Forwarded": "for=198.51.100.7"},
    ):
        assert statuses(attempt("hans", "127.0.0.2", **header)) == [429]
    # Nor does another way to write the path, nor another door at which passwords are guessed.
    for path in ("/api/auth/LOGIN/", "/api//auth/login", "/api/auth/%6cogin", "/api/shared-links/login"):
        assert statuses(attempt("hans", "127.0.0.2", path)) == [429]
    # Another tenant, and another source, have theirs.
    assert statuses(attempt("maria", "127.0.0.2")) == [401]
    assert statuses(attempt("hans", "127.0.0.3")) == [401]
    assert Cloud(lab, "hans").get("/api/server/ping").status == http.client.OK
    right = json.dumps({"email": "hans@example.ch", "password": operator.secrets("hans")["admin_password"]})
    assert statuses(attempt("hans", "127.0.0.2", body=right)) == [429]
    # Traefik keeps a source for a second longer than one try takes to come back.
    time.sleep(max(0, began + REST_SECONDS + 5 - time.monotonic()))
    assert statuses(attempt("hans", "127.0.0.2", body=right)) == [201]


def test_an_ipv6_line_is_one_source(attempt):
    assert statuses(attempt("maria", LINE, times=BURST + 1)) == [401] * BURST + [429]
    assert statuses(attempt("maria", NEIGHBOUR)) == [429]
    assert statuses(attempt("maria", ELSEWHERE)) == [401]


def test_the_page_of_a_link_is_limited_too(attempt):
    answers = attempt("maria", "127.0.0.4", "/silo/welcome/nothing", times=105)
    # The page itself says no after 60, in words, but for one each second; from 100 on it is not asked any more.
    assert statuses(answers[:60]) == [404] * 60
    assert (429, 60) in answers[60:100]
    assert all(status == 429 and after <= REST_SECONDS for status, after in answers[101:])
    # Who tried links may log in.
    assert statuses(attempt("maria", "127.0.0.4")) == [401]


def test_a_phone_that_brings_its_photos_is_not_limited(customer):
    cloud, photo = customer("maria"), picture(16)
    asset = cloud.upload(photo).json["id"]
    checks = json.dumps({"assets": [{"id": "1", "checksum": "0" * 40}]}).encode()

    def sync(number):
        connection = http.client.HTTPConnection(cloud.host)
        connection.sock = cloud.connect()
        headers = {"Authorization": f"Bearer {cloud.token}", "Content-Type": "application/json"}
        found = []
        for _ in range(number):
            for method, path, body in (
                ("POST", "/api/assets/bulk-upload-check", checks),
                ("GET", "/api/server/ping", None),
                ("GET", "/api/socket.io/?transport=websocket", None),
                ("POST", "/api/assets", b""),
            ):
                connection.request(method, path, body, headers)
                response = connection.getresponse()
                response.read()
                found.append((path, response.status))
        connection.close()
        return found

    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            found = [answer for answers in pool.map(sync, [63] * 8) for answer in answers]
        assert len(found) == 2016
        assert 429 not in {status for _path, status in found}
        assert {status for path, status in found if "check" in path or "ping" in path} == {200}
    finally:
        cloud.delete(asset)
