"""The checkout as a real server on the loopback interface, which sells two plans by the stand-in of Stripe."""

import contextlib
import html
import re
import socket
import threading
import time
import urllib.parse

import pytest
import requests
import uvicorn
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo.billing.checkout import catalogue
from silo.billing.checkout.account import Account as StripeAccount
from silo.billing.checkout.catalogue import Catalogue, CatalogueFile, Plan
from silo.billing.checkout.link_requests import DIRECTORY, LinkRequests
from silo.billing.checkout.links import Links
from silo.billing.checkout.website import Website, limits
from silo.brand import Brand
from tests.stripe_api import Account, Direct
from tests.stripe_api.server import CHECKOUT_KEY, CHECKOUT_WRITES

GB = 1024**3
SECRET = "a-secret-of-this-test-0123456789abcdef"
HOST, DOMAIN = "billing.swissphoto.ch", "swissphoto.ch"
TAKEN = ("anna", "maria", "silo1")


class Pages:
    """A browser without a screen, in one language; it follows nothing by itself."""

    def __init__(self, url, source="192.0.2.7"):
        self.url, self.source = url, source
        self.session = requests.Session()

    def ask(self, method, path, language="de", **more):
        headers = {"Accept-Language": language, "X-Forwarded-For": f"forged, {self.source}"} | more.pop("headers", {})
        answer = self.session.request(
            method, f"{self.url}{path}", headers=headers, allow_redirects=False, timeout=30, **more
        )
        assert "set-cookie" not in answer.headers
        assert not self.session.cookies
        return answer

    def get(self, path, language="de", **query):
        return self.ask("GET", path, language, params=query)

    def post(self, path, language="de", **fields):
        return self.ask("POST", path, language, data=fields)

    def name(self, wished, language="de"):
        return self.get("/name", language, wished=wished).json()


def shows(answer, text):
    return text in html.unescape(answer.text)


def field(answer, name):
    """The value of a hidden field."""
    return html.unescape(re.search(rf'name="{name}" value="([^"]*)"', answer.text)[1])


def query(address):
    return {key: value for key, (value,) in urllib.parse.parse_qs(urllib.parse.urlsplit(address).query).items()}


@pytest.fixture
def sold(stripe):
    """The account at Stripe: two plans on sale, and a portal."""
    account = stripe.account = Account()
    stripe.away, stripe.before, stripe.checkout_rights = False, lambda _path: None, set(CHECKOUT_WRITES)
    account.sell("price_small", "Klein", unit_amount=1000)
    account.sell("price_large", "Gross", unit_amount=2550)
    account.portals["bpc_1"] = {"id": "bpc_1", "object": "billing_portal.configuration", "is_default": True}
    return account


@pytest.fixture
def file(tmp_path, stripe):
    """Writes the catalogue, with changes."""
    path = tmp_path / "catalogue.json"

    def write(**changes):
        salt, taken = catalogue.salted(TAKEN)
        values = {
            "host": HOST,
            "domain": DOMAIN,
            "brand": Brand.of({}),
            "contact": "ops@swissphoto.ch",
            "payment_pages": (stripe.url, "https://invoice.stripe.example"),
            "plans": (Plan("price_small", "small", 100 * GB), Plan("price_large", "large", 1024 * GB)),
            "salt": salt,
            "taken": taken,
        }
        catalogue.write(path, Catalogue(**{**values, **changes}))
        return path

    write.path = path
    return write


class Clock:
    """Stands still, until a test moves it."""

    def __init__(self):
        self.now, self.ahead = time.time(), 0.0

    def __call__(self):
        return self.now + self.ahead


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def links(clock):
    return Links([SECRET], clock)


@contextlib.contextmanager
def serving(website):
    """Serve as the unit does, on a free port; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = uvicorn.Config(website.application(), host="127.0.0.1", port=port, log_config=None, proxy_headers=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while not server.started:
            assert time.monotonic() < deadline, "the checkout did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture
def open_pages(stripe, sold, file, links, clock):
    """Gives a function: a checkout that runs, and what a browser sees of it."""
    with contextlib.ExitStack() as stack:

        def start(per_minute=1000, written=True):
            if written:
                file()
            account = StripeAccount(CHECKOUT_KEY, http=Direct(stripe), clock=clock)
            requests = LinkRequests(file.path.with_name(DIRECTORY))
            website = Website(CatalogueFile(file.path), account, links, limits(per_minute), lambda: 0.0, requests)
            return Pages(stack.enter_context(serving(website)))

        yield start


@pytest.fixture
def pages(open_pages):
    return open_pages()


def is_one_line(text):
    return text == printable(text, 10_000)
