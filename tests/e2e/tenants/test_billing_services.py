"""Role billing on a lab: its units under systemd, with a real silo, and a signed event from the internet to the inbox.

The lab's server stands for a controller too; what silo needs there of PyPI's packages is put beside it.
"""

import hashlib
import http.client
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from stripe import WebhookSignature

from ..cloud import Cloud
from ..waiting import wait_for

ROOT = Path(__file__).parents[3]
HOME, STATE = "/root/silo", "/var/lib/silo-billing"
SECRET, NEXT_SECRET, KEY, VAULT = "whsec_ofTheLab123", "whsec_ofTheLab456", "rk_test_51ofTheLab123", "vaultOfTheLab123"
PARTS = (
    "src",
    "collections",
    "plugins",
    "roles",
    "playbooks",
    "group_vars",
    "tools",
    "ansible.cfg",
    "inventory/example",
)
PACKAGES = """ansible-core babel click cryptography cyclonedx-python-lib dnspython email-validator idna jinja2 netaddr
packageurl-python prometheus_client requests rich ruamel.yaml starlette stripe uvicorn""".split()
SILO = f"""#!/bin/sh
export PYTHONPATH={HOME}/.venv/packages:{HOME}/src
exec /usr/bin/python3 -c 'from silo.cli import main; main()' "$@"
"""
FACTS = {
    "billing_enabled": True,
    "controller": "silo1",
    "controller_directory": HOME,
    "controller_inventory": f"{HOME}/inventory/example",
    "controller_vault_password_file": "/root/vault-password",
    "controller_user": "root",
    "billing_directory": HOME,
    "billing_inventory": f"{HOME}/inventory/example",
    "billing_vault_password_file": "/root/vault-password",
    "billing_stripe_key_file": "/root/stripe-key",
    "billing_webhook_secrets_file": "/root/stripe-secrets",
    "billing_user": "root",
}
SERVICES = ["silo-billing-intake.service", "silo-billing-worker.service"]
UNITS = [*SERVICES, "silo-billing-reconcile.service", "silo-billing-reconcile.timer"]
OTHERS = [f"silo-{name}.{kind}" for name in ("letters", "purge", "alerts") for kind in ("timer", "service")]
PATH = "/stripe/webhook"
CHECKOUT_UNIT, CHECKOUT_STATE = "silo-billing-checkout.service", "/var/lib/silo-checkout"
CHECKOUT_KEY, CHECKOUT_SECRET = "rk_test_51ofTheCheckout", "a-secret-of-the-lab-0123456789abcdef"
CHECKOUT = {
    "billing_checkout_enabled": True,
    "billing_checkout_key_file": "/root/checkout-key",
    "billing_checkout_secrets_file": "/root/checkout-secrets",
}


def _packages(version: str) -> Path:
    """Wheels for the server's Python, downloaded once for what is asked for."""
    asked = (ROOT / "constraints.txt").read_bytes() + repr(PACKAGES).encode()
    folder = ROOT / ".cache" / f"wheels-{version}-{hashlib.sha256(asked).hexdigest()[:12]}"
    if not folder.is_dir():
        scratch = folder.with_name(f"{folder.name}.{os.getpid()}")
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--only-binary=:all:",
            "--python-version",
            version,
        ]
        command += ["--dest", str(scratch), "--constraint", str(ROOT / "constraints.txt"), *PACKAGES]
        subprocess.run(command, check=True, timeout=600)
        scratch.rename(folder)
    return folder


def _archive(wheels: Path) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for part in PARTS:
            archive.add(ROOT / part, part, filter=lambda one: None if "__pycache__" in one.name else one)
        for wheel in sorted(wheels.iterdir()):
            with zipfile.ZipFile(wheel) as packed:
                for entry in packed.infolist():
                    member = tarfile.TarInfo(f".venv/packages/{entry.filename}")
                    member.size, member.mode = entry.file_size, 0o644
                    if not entry.is_dir():
                        archive.addfile(member, packed.open(entry))
        program = tarfile.TarInfo(".venv/bin/silo")
        program.size, program.mode = len(SILO), 0o755
        archive.addfile(program, io.BytesIO(SILO.encode()))
    return written.getvalue()


def write(lab, path, text):
    lab.run("sh", "-c", f"umask 077; cat >{path}", text=text)


@pytest.fixture(scope="module")
def controller(lab):
    """The server with all that a controller has; gone afterwards."""
    version = lab.run("python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
    lab.run("mkdir", "-p", HOME)
    unpack = ["docker", "exec", "-i", lab.container, "tar", "-xf", "-", "-C", HOME, "--no-same-owner"]
    subprocess.run(unpack, input=_archive(_packages(version)), check=True, timeout=300)
    write(lab, "/root/stripe-key", f"{KEY}\n")
    write(lab, "/root/stripe-secrets", f"{SECRET}\n")
    write(lab, "/root/vault-password", f"{VAULT}\n")
    yield HOME
    lab.try_run("systemctl", "disable", "--now", *UNITS, *OTHERS, CHECKOUT_UNIT)
    lab.shell(f"cd /etc/systemd/system; rm -f {' '.join([*UNITS, *OTHERS, CHECKOUT_UNIT])}; systemctl daemon-reload")
    lab.shell(f"rm -rf {HOME} {STATE} /root/stripe-key /root/stripe-secrets /root/vault-password")
    lab.shell(f"rm -rf {CHECKOUT_STATE} /root/checkout-key /root/checkout-secrets")
    lab.try_run("userdel", "silo-billing")
    lab.try_run("userdel", "silo-checkout")


@pytest.fixture(scope="module")
def role(operator, controller):
    """Runs the role; how many tasks changed something."""

    def run(*more, **changes):
        result = operator.run("controller.yml", "-e", json.dumps(FACTS | changes), *more)
        for secret in (SECRET, NEXT_SECRET, KEY, VAULT):
            assert secret not in result.output
        return result.changed["silo1"]

    return run


@pytest.fixture(scope="module")
def running(lab, role):
    """The services, as the first run leaves them."""
    before = lab.shell("ls /etc/systemd/system")
    assert role("--check", "--diff") > 0
    assert lab.shell("ls /etc/systemd/system") == before
    assert lab.try_run("test", "-e", STATE).returncode
    assert role("--diff") > 0
    assert role() == 0
    assert role("--check") == 0
    return lab


@pytest.fixture(scope="module")
def internet(lab, operator, running):
    """The way of Stripe to the intake: Traefik, with a certificate of the authority."""
    facts = {key: value for key, value in FACTS.items() if key.startswith("billing_enabled")}
    arguments = ("--tags", "traefik", "-e", json.dumps(facts))
    operator.run("site.yml", *arguments)
    assert operator.run("site.yml", *arguments).changed["silo1"] == 0
    cloud = Cloud(lab, "billing")
    wait_for(lambda: _answers(cloud), 60)
    yield cloud
    operator.run("site.yml", "--tags", "traefik")
    assert lab.try_run("test", "-e", "/srv/silo/traefik/routes/_billing.yml").returncode


def _answers(cloud):
    try:
        return cloud.get("/").status > 0
    except OSError:
        return False


def event(number):
    about = {"id": f"sub_{number}", "status": "active"}
    found = {"id": f"evt_{number}", "type": "customer.subscription.updated", "created": 1, "data": {"object": about}}
    return json.dumps(found).encode()


def post(cloud, body, secret=SECRET, at=None):
    header = WebhookSignature.generate_signature_header(body.decode(), secret, at)
    return cloud.request("POST", PATH, body, Stripe_Signature=header, Content_Type="application/json")


def events(lab):
    return {one["id"]: one for one in json.loads(silo(lab, "billing", "events", "--json"))}


def silo(lab, *arguments):
    return lab.run(f"{HOME}/.venv/bin/silo", "-i", FACTS["billing_inventory"], *arguments)


def process(lab, unit):
    return lab.run("systemctl", "show", "--value", "--property", "MainPID", unit).strip()


def test_the_services_run_and_systemd_has_nothing_to_say(running):
    for unit in (*SERVICES, "silo-billing-reconcile.timer"):
        assert running.run("systemctl", "is-active", unit).strip() == "active"
        assert running.run("systemctl", "is-enabled", unit).strip() == "enabled"
    said = running.shell(f"systemd-analyze verify {' '.join(f'/etc/systemd/system/{unit}' for unit in UNITS)} 2>&1")
    assert said.strip() == ""


def test_a_signed_event_comes_through_the_proxy_and_is_worked_on(running, internet):
    answer = post(internet, event(1))
    assert (answer.status, answer.body) == (200, b"kept\n")
    # Stripe is not to be reached from a lab, so it stays, and is retried.
    wait_for(lambda: events(running)["evt_1"]["message"], 90)
    found = events(running)["evt_1"]
    assert (found["state"], found["subscription"]) == ("new", "sub_1")
    assert found["message"] == "Stripe did not return subscription sub_1: APIConnectionError"
    assert running.run("stat", "-c", "%U:%G %a", f"{STATE}/inbox.db").strip() == "silo-billing:silo-billing 660"


def announced(internet, length):
    """The answer to a body of this length of which little is sent; who sends it all may not come to read it."""
    connection = http.client.HTTPConnection(internet.host)
    connection.sock = internet.connect()
    connection.putrequest("POST", PATH)
    connection.putheader("Content-Length", str(length))
    connection.endheaders()
    # Traefik passes the answer on once it has read more of the body, and found nobody who wants it.
    time.sleep(2)
    connection.send(b"x" * 65536)
    return connection.getresponse().status


@pytest.mark.fault(18)
def test_what_is_not_of_stripe_is_refused_from_outside(running, internet):
    assert post(internet, event(2), "whsec_ofSomebody1").status == 400
    assert post(internet, event(2), at=int(time.time()) - 301).status == 400
    assert post(internet, event(2), at=int(time.time()) + 360).status == 400
    assert internet.request("POST", PATH, event(2)).status == 400
    assert announced(internet, 1024 * 1024 + 1) == 413
    assert "evt_2" not in events(running)


@pytest.mark.parametrize(("method", "path"), [("GET", "/health"), ("GET", "/metrics"), ("GET", PATH), ("POST", "/")])
def test_nothing_else_of_it_is_on_the_internet(internet, method, path):
    answer = internet.request(method, path)
    assert answer.status == 404
    assert b"silo_billing" not in answer.body


def test_its_health_and_its_numbers_are_on_the_loopback(running):
    get = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8085{}').read().decode())"
    assert running.run("python3", "-c", get.format("/health")).strip() == "ok"
    assert 'silo_billing_requests_total{outcome="kept"}' in running.run("python3", "-c", get.format("/metrics"))


@pytest.mark.fault(23)
def test_no_key_is_in_arguments_environments_units_or_the_journal(running, internet):
    assert post(internet, event(8)).status == 200
    wait_for(lambda: events(running)["evt_8"]["message"], 90)
    places = [f"cat /proc/{process(running, unit)}/cmdline /proc/{process(running, unit)}/environ" for unit in SERVICES]
    places += [f"systemctl show {' '.join(UNITS)}", f"cat {' '.join(f'/etc/systemd/system/{unit}' for unit in UNITS)}"]
    places += ["journalctl --no-pager --output export --unit 'silo-billing-*'", f"cat {STATE}/*"]
    running.shell(f"({'; '.join(places)}) >/root/seen")

    def seen(text):
        return running.try_run("grep", "--quiet", "--text", "--fixed-strings", text, "/root/seen").returncode == 0

    assert all(seen(text) for text in ("CREDENTIALS_DIRECTORY", "evt_8", "silo-billing-worker"))
    assert not any(seen(secret) for secret in (SECRET, KEY, VAULT))


def test_who_is_on_the_internet_sees_neither_keys_nor_the_inventory(running):
    root = f"/proc/{process(running, SERVICES[0])}/root"
    assert running.run("ls", "-A", f"{root}{FACTS['billing_inventory']}") == ""
    assert running.run("ls", "-A", f"{root}/root").split() == ["silo"]
    credentials = running.shell(f"ls {root}/run/credentials/silo-billing-intake.service")
    assert credentials.split() == ["stripe-webhook-secrets"]
    status = running.run("cat", f"/proc/{process(running, SERVICES[0])}/status")
    assert re.search(r"^CapEff:\s0+$", status, re.M)
    assert re.search(r"^NoNewPrivs:\s1$", status, re.M)
    credentials = running.shell("ls /run/credentials/silo-billing-worker.service")
    assert credentials.split() == ["stripe-key", "vault-password"]


def test_a_kill_costs_no_event(running, internet):
    for unit in SERVICES:
        running.run("systemctl", "kill", "--signal", "KILL", unit)
    wait_for(lambda: post(internet, event(3)).status == 200, 60)
    assert {"evt_1", "evt_3"} <= set(events(running))
    wait_for(lambda: events(running)["evt_3"]["attempts"], 90)


@pytest.mark.slow("three more runs of the role; unit tests of the intake have two secrets")
def test_another_secret_takes_the_place_of_one(running, internet, role):
    before = process(running, SERVICES[0])
    write(running, "/root/stripe-secrets", f"{SECRET}\n{NEXT_SECRET}\n")
    assert role() > 0
    assert process(running, SERVICES[0]) != before
    assert post(internet, event(4)).status == post(internet, event(5), NEXT_SECRET).status == 200
    write(running, "/root/stripe-secrets", f"{NEXT_SECRET}\n")
    assert role() > 0
    assert (post(internet, event(6)).status, post(internet, event(7), NEXT_SECRET).status) == (400, 200)
    assert role() == 0


@pytest.mark.parametrize("mode", ["0640", "0604"])
def test_a_key_that_others_read_is_refused_before_anything_is_done(running, operator, mode):
    running.run("chmod", mode, "/root/stripe-key")
    try:
        result = operator.try_run("controller.yml", "-e", json.dumps(FACTS))
    finally:
        running.run("chmod", "0600", "/root/stripe-key")
    assert result.code
    assert "/root/stripe-key must be a file of mode 0600" in re.sub(r"\s+", " ", result.output)


@pytest.mark.slow("five more runs of the role; test_checkout.py has the pages themselves")
def test_the_checkout_is_a_third_service_which_sees_nothing_and_writes_who_asks_for_a_link(running, role):
    write(running, "/root/checkout-key", f"{CHECKOUT_KEY}\n")
    write(running, "/root/checkout-secrets", f"{CHECKOUT_SECRET}\n")
    assert role("--check", **CHECKOUT) > 0
    assert running.try_run("test", "-e", CHECKOUT_STATE).returncode
    assert role("--diff", **CHECKOUT) > 0
    assert role(**CHECKOUT) == 0
    # The worker has written what is on sale, which is nothing here.
    get = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8088/health').read().decode())"
    wait_for(lambda: running.try_run("python3", "-c", get).returncode == 0, 90)
    written = running.run("stat", "-c", "%U:%G %a", f"{CHECKOUT_STATE}/catalogue.json").strip()
    assert written == "root:silo-checkout 640"
    requests = running.run("stat", "-c", "%U:%G %a", f"{CHECKOUT_STATE}/requests").strip()
    assert requests == "root:silo-checkout 2770"
    number = process(running, CHECKOUT_UNIT)
    root = f"/proc/{number}/root"
    assert running.run("ls", "-A", f"{root}{FACTS['billing_inventory']}") == ""
    assert running.run("ps", "-o", "user:20=", "-p", number).strip() == "silo-checkout"
    credentials = running.shell(f"ls /run/credentials/{CHECKOUT_UNIT}")
    assert credentials.split() == ["checkout-secrets", "stripe-checkout-key"]
    seen = running.shell(f"cat /proc/{number}/cmdline /proc/{number}/environ; systemctl show {CHECKOUT_UNIT}")
    assert not any(secret in seen for secret in (CHECKOUT_KEY, CHECKOUT_SECRET))
    status = running.run("cat", f"/proc/{number}/status")
    assert re.search(r"^CapEff:\s0+$", status, re.M)
    assert running.shell(f"systemd-analyze verify /etc/systemd/system/{CHECKOUT_UNIT} 2>&1").strip() == ""
    # It goes by itself, and the others stay.
    assert role() > 0
    assert role() == 0
    assert running.try_run("systemctl", "cat", CHECKOUT_UNIT).returncode
    assert running.run("systemctl", "is-active", SERVICES[1]).strip() == "active"


@pytest.mark.slow("three more runs of the role")
def test_where_stripe_is_not_listened_to_any_more_the_events_stay(running, role):
    assert role("--check", billing_enabled=False) > 0
    assert running.run("systemctl", "is-active", SERVICES[0]).strip() == "active"
    assert role(billing_enabled=False) > 0
    assert role(billing_enabled=False) == 0
    for unit in UNITS:
        assert running.try_run("systemctl", "cat", unit).returncode
    assert running.try_run("test", "-s", f"{STATE}/inbox.db").returncode == 0
