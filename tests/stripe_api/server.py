"""The API of an account over HTTP, as far as we use it, and the pages of Stripe to which it leads."""

from __future__ import annotations

import socket
import threading
import time
import typing as t
from collections.abc import Iterable

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.stripe_api.account import API_VERSION, Account, Object
from tests.stripe_api.sessions import RefusedError, Sessions, parameters

KEY, CHECKOUT_KEY = "rk_test_of_a_test_account", "rk_test_of_a_checkout_page"
# What the key of the checkout may read; it writes the last two, and nothing else.
CHECKOUT_READS = (
    *("prices", "products", "subscriptions", "invoices", "invoice_payments", "payment_intents", "customers"),
    "checkout/sessions",
)
CHECKOUT_WRITES = ("checkout/sessions", "billing_portal/sessions")
MOST_LEVELS = 4


class Server:
    """Listens on a port of this machine. `away` answers 503; `rights` are what the key may read, None for all.

    `writes` is whether it may write too; what is written to is not there.

    `before` is called with the path before each answer: a test may let something happen at that very moment.
    """

    def __init__(self, account: Account, key: str = KEY) -> None:
        self.account, self.key = account, key
        self.away = self.writes = False
        self.rights: set[str] | None = None
        self.checkout_rights = set(CHECKOUT_WRITES)
        self.before: t.Callable[[str], None] = lambda _path: None
        self.asked: list[str] = []
        routes = [
            Route("/v1/{kind:path}", self._asked, methods=["GET", "POST", "DELETE"]),
            Route("/{page:path}", self._page_of_stripe, methods=["GET", "POST"]),
        ]
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._sessions = Sessions(account, self.url)
        config = uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        deadline = time.monotonic() + 60
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self._server.started, "the stand-in of Stripe did not start"
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    @property
    def sessions(self) -> Sessions:
        """Those of the account, which a test may replace."""
        if self._sessions.account is not self.account:
            self._sessions = Sessions(self.account, self.url)
        return self._sessions

    async def _asked(self, request: Request) -> JSONResponse:
        return await run_in_threadpool(self.answer, request, await request.body())

    async def _page_of_stripe(self, request: Request) -> Response:
        """Show a page, or take its form, as a browser does."""
        path = request.path_params["page"]
        if request.method == "POST":
            where = self.sessions.send(path, parameters(await request.body()))
            return RedirectResponse(where or f"/{path}", 303)
        page = self.sessions.page(path)
        return HTMLResponse(page or "gone", 200 if page else 404)

    def answer(self, request: Request, body: bytes = b"") -> JSONResponse:
        path = request.path_params["kind"]
        self.asked.append(f"{request.method} /v1/{path}")
        self.before(path)
        if self.away:
            return _error(503, "api_error", "", "away")
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if key not in (self.key, CHECKOUT_KEY):
            return _error(401, "invalid_request_error", "", "Invalid API Key provided")
        if request.headers.get("stripe-version") != API_VERSION:
            return _error(400, "invalid_request_error", "", "another version than the pinned one")
        if key == CHECKOUT_KEY:
            with self.account.lock:
                return self._of_the_checkout(path, request, body)
        kind, _, name = path.removeprefix("billing_portal/").removeprefix("test_helpers/").partition("/")
        if request.method != "GET" and self.writes:
            return _error(404, "invalid_request_error", "resource_missing", f"No such {kind[:-1]}: '{name}'")
        if request.method != "GET" or (self.rights is not None and kind not in self.rights):
            return _error(403, "invalid_request_error", "", "The provided key does not have the required permissions")
        with self.account.lock:
            return self._read(kind, name, request)

    def _of_the_checkout(self, path: str, request: Request, body: bytes) -> JSONResponse:
        """Answer the key of the checkout, which makes sessions and reads little else."""
        kind, _, name = path.rpartition("/") if path.startswith("checkout/sessions/") else path.partition("/")
        kind = path if path in CHECKOUT_WRITES else kind
        may = self.checkout_rights if request.method == "POST" else CHECKOUT_READS
        if kind not in may:
            return _error(403, "invalid_request_error", "", "The provided key does not have the required permissions")
        try:
            if request.method == "POST":
                make = self.sessions.create if kind == "checkout/sessions" else self.sessions.open_portal
                made = make(parameters(body))
                return JSONResponse({key: value for key, value in made.items() if key != "line_items"})
        except RefusedError as error:
            return _error(400, "invalid_request_error", error.code, str(error), error.param)
        if kind == "checkout/sessions":
            found = self.sessions.find(name)
            message = f"No such checkout.session: {name}"
            return JSONResponse(found) if found else _error(404, "invalid_request_error", "resource_missing", message)
        return self._read(kind, name, request)

    def _read(self, kind: str, name: str, request: Request) -> JSONResponse:
        held: dict[str, dict[str, Object]] = {
            "subscriptions": self.account.subscriptions,
            "invoices": self.account.invoices,
            "customers": self.account.customers,
            "prices": self.account.prices,
            "products": self.account.products,
            "configurations": self.account.portals,
            "webhook_endpoints": self.account.endpoints,
            "invoice_payments": self.account.payments,
            "payment_intents": self.account.intents,
            "test_clocks": self.account.clocks,
            "events": {event["id"]: event for event in self.account.events} if kind == "events" else {},
        }
        if kind not in held:
            return _error(404, "invalid_request_error", "", f"Unrecognized request URL (GET: /v1/{kind})")
        if name:
            found = held[kind].get(name)
            if found is None:
                return _error(404, "invalid_request_error", "resource_missing", f"No such {kind[:-1]}: '{name}'")
            return JSONResponse(self._expanded(found, request)) if self._may_expand(request) else _too_deep()
        if not self._may_expand(request):
            return _too_deep()
        # Stripe lists the youngest first.
        listed = self._filtered(kind, reversed(held[kind].values()), request)
        return JSONResponse(self._page(kind, listed, request))

    def _filtered(self, kind: str, objects: Iterable[Object], request: Request) -> list[Object]:
        asked, found = request.query_params, list(objects)
        status = asked.get("status", "all" if kind != "subscriptions" else "not canceled")
        if status == "not canceled":
            found = [one for one in found if one["status"] != "canceled"]
        elif status != "all":
            found = [one for one in found if one["status"] == status]
        if "subscription" in asked:
            bills = {one["id"] for one in self.account.of(asked["subscription"])}
            found = [one for one in found if one["id"] in bills]
        if kind == "subscriptions" and "customer" not in asked and "test_clock" not in asked:
            found = [one for one in found if not one["test_clock"]]
        if "invoice" in asked:
            found = [one for one in found if one["invoice"] == asked["invoice"]]
        if "payment[payment_intent]" in asked:
            wanted = asked["payment[payment_intent]"]
            found = [one for one in found if one["payment"]["payment_intent"] == wanted]
        if "customer" in asked:
            found = [one for one in found if one["customer"] == asked["customer"]]
        if types := [value for key, value in asked.multi_items() if key.startswith("types[")]:
            found = [one for one in found if one["type"] in types]
        if "created[gte]" in asked:
            found = [one for one in found if one["created"] >= int(asked["created[gte]"])]
        if "type" in asked:
            found = [one for one in found if one["type"] == asked["type"]]
        if "active" in asked:
            found = [one for one in found if one["active"] == (asked["active"] == "true")]
        return found

    def _page(self, kind: str, found: list[Object], request: Request) -> Object:
        names = [one["id"] for one in found]
        begin = names.index(after) + 1 if (after := request.query_params.get("starting_after")) else 0
        limit = int(request.query_params.get("limit", "10"))
        page = [self._expanded(one, request, "data.") for one in found[begin : begin + limit]]
        url = f"/v1/{kind}"
        return {"object": "list", "data": page, "has_more": begin + limit < len(found), "url": url}

    def _may_expand(self, request: Request) -> bool:
        """Return whether what is to be expanded is within Stripe's limit of four levels."""
        return all(path.count(".") < MOST_LEVELS for path in _expansions(request))

    def _expanded(self, found: Object, request: Request, prefix: str = "") -> Object:
        paths = [path.removeprefix(prefix) for path in _expansions(request)]
        # The API has the tiers of a price only where they are asked for.
        found = {key: value for key, value in found.items() if key != "tiers" or "tiers" in paths}
        for path in paths:
            if path != "tiers":
                found = self._with(found, path.split("."))
        return found

    def _with(self, found: Object, keys: list[str]) -> Object:
        """Return an object with the object in place of an id."""
        held = {
            "customer": self.account.customers,
            "invoice": self.account.invoices,
            "payment_intent": self.account.intents,
            "product": self.account.products,
        }
        key, value = keys[0], found[keys[0]]
        if isinstance(value, str):
            value = held[key][value]
        return {**found, key: self._with(value, keys[1:]) if keys[1:] and value else value}


def _expansions(request: Request) -> list[str]:
    return [value for key, value in request.query_params.multi_items() if key.startswith("expand[")]


def _too_deep() -> JSONResponse:
    return _error(400, "invalid_request_error", "", "You cannot expand more than 4 levels of a property")


def _error(status: int, kind: str, code: str, message: str, param: str = "") -> JSONResponse:
    error = {"type": kind, "message": message} | ({"code": code} if code else {}) | ({"param": param} if param else {})
    return JSONResponse({"error": error}, status)
