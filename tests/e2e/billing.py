"""Billing on this machine, which is the controller of the lab: its services as processes, and a stand-in of Stripe."""

import contextlib
import http.client
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import requests
import yaml

from silo.billing.inbox import Inbox
from silo.billing.stripe.events import PATH
from tests.stripe_api import DAY, Account, Server, signed
from tests.stripe_api.events import SECRET
from tests.stripe_api.server import CHECKOUT_KEY, KEY

from .cloud import Cloud
from .conftest import take_away
from .operator import ROOT
from .waiting import wait_for

# Of the links to the checkout.
CHECKOUT_SECRET = "a-secret-of-the-lab-0123456789abcdef"
SILO = str(Path(sys.executable).with_name("silo"))


class Billing:
    """Both services on this machine, which is the controller of the lab."""

    def __init__(self, operator, stripe, folder):
        self.stripe, self.folder, self.inventory = stripe, folder, operator.inventory
        self.inbox = Inbox(folder / "inbox.db")
        self.posted = 0
        environment = {"SILO_STRIPE_API": stripe.url}
        self.environment = os.environ | environment
        self.keep(SILO_STRIPE_KEY_FILE=KEY, SILO_STRIPE_WEBHOOK_SECRETS_FILE=SECRET)
        self.checkout = None
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.intake = self.start("intake", "--port", str(self.port))
        self.worker = self.start("worker")
        wait_for(self.listens)

    def keep(self, **secrets):
        """Give each secret to the services, by a variable that names its file."""
        for variable, text in secrets.items():
            file = self.folder / variable
            file.touch(0o600)
            file.write_text(text)
            self.environment[variable] = str(file)

    def open_checkout(self, address, port):
        """Start the pages on which customers order and pay, and a worker that tells them what is on sale."""
        self.keep(SILO_STRIPE_CHECKOUT_KEY_FILE=CHECKOUT_KEY, SILO_CHECKOUT_SECRETS_FILE=CHECKOUT_SECRET)
        self.worker.terminate()
        self.worker.wait(300)
        catalogue = ("--catalogue", str(self.folder / "catalogue.json"))
        (self.folder / "requests").mkdir()
        self.worker = self.start("worker", *catalogue)
        self.checkout = self.start("checkout", "--address", address, "--port", str(port), *catalogue)

    def start(self, kind, *more):
        inbox = () if kind == "checkout" else ("--inbox", str(self.folder / "inbox.db"))
        command = [SILO, "-i", str(self.inventory), "serve", kind, *inbox, *more]
        with (self.folder / f"{kind}.said").open("ab") as said:
            return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=said, stderr=said)

    def listens(self):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def hear(self):
        """Stripe posts what happened since, in no order, and each of it twice."""
        fresh = self.stripe.account.events[self.posted :]
        self.posted += len(fresh)
        for event in random.sample(fresh * 2, len(fresh) * 2):
            body, headers = signed(event)
            answer = requests.post(f"http://127.0.0.1:{self.port}{PATH}", data=body, headers=headers, timeout=30)
            assert answer.status_code == 200

    def kill(self, times):
        """Kill the worker, and start another; what it had begun goes on without it, and nobody hears how it ends."""
        for _ in range(times):
            wait_for(lambda: any(row.attempts for row in self.inbox.rows(["new"])) or self.idle(), 120)
            time.sleep(random.uniform(0.5, 6))
            self.worker.kill()
            self.worker.wait()
            self.worker = self.start("worker")

    def idle(self):
        return self.inbox.tally().counts["new"] == 0

    def settled(self):
        wait_for(self.idle, 400)
        assert {row.state for row in self.inbox.rows()} == {"done"}, [row.message for row in self.inbox.rows()]

    def stop(self):
        running = [process for process in (self.intake, self.worker, self.checkout) if process]
        for process in running:
            process.terminate()
        for process in running:
            process.wait(300)


def _shows_plans(cloud):
    try:
        return cloud.get("/plans").status == http.client.OK
    except OSError:
        return False


@contextlib.contextmanager
def checkout_of(lab, operator, billing, tags="traefik"):
    """Give the checkout behind Traefik: on this machine, at the address at which the lab's server reaches it.

    `tags` are those of the roles that lead to it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect((lab.address, 443))
        address = one.getsockname()[0]
    with socket.create_server((address, 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "billing_enabled": True,
        "billing_checkout_enabled": True,
        "billing_checkout_payment_pages": [billing.stripe.url],
        "billing_address": address,
        "billing_checkout_port": port,
    }
    file = operator.inventory / "group_vars" / "all" / "checkout.yml"
    file.write_text(yaml.safe_dump(settings))
    billing.stripe.account.invoice_pages = billing.stripe.url
    portal = {"id": "bpc_1", "object": "billing_portal.configuration", "is_default": True}
    billing.stripe.account.portals["bpc_1"] = portal
    billing.open_checkout(address, port)
    operator.run("site.yml", "--tags", tags)
    cloud = Cloud(lab, "billing")
    wait_for(lambda: _shows_plans(cloud), 120)
    yield cloud
    file.unlink()
    operator.run("site.yml", "--tags", tags)
    assert lab.try_run("test", "-e", "/srv/silo/traefik/routes/_billing.yml").returncode


@contextlib.contextmanager
def billing_of(lab, operator, silo, folder, name):
    """Give billing that sells a small cloud; the tenant of this name is gone afterwards, with all that is kept."""
    rules = operator.inventory / "group_vars" / "all" / "paying.yml"
    rules.write_text(yaml.safe_dump({"billing_plans": {"price_small": "small"}, "letters_operator": "ops@example.ch"}))
    # As long ago as it takes until the second invoice is due now.
    account = Account(now=int(time.time()) - 31 * DAY - 3600, first=random.randrange(10_000_000))
    account.sell("price_small", "Small")
    with Server(account) as stripe:
        billing = Billing(operator, stripe, folder)
        yield billing
        billing.stop()
    rules.unlink()
    take_away(lab, operator, silo, name)
