"""The API of an account over HTTP, as far as we read it."""

from __future__ import annotations

import socket
import threading
import time
import typing as t
from collections.abc import Iterable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.stripe_api.account import API_VERSION, Account, Object

KEY = "rk_test_of_a_test_account"


class Server:
    """Listens on a port of this machine. `away` answers 503; `rights` are what the key may read, None for all.

    `writes` is whether it may write too; what is written to is not there.

    `before` is called with the path before each answer: a test may let something happen at that very moment.
    """

    def __init__(self, account: Account, key: str = KEY) -> None:
        self.account, self.key = account, key
        self.away = self.writes = False
        self.rights: set[str] | None = None
        self.before: t.Callable[[str], None] = lambda _path: None
        self.asked: list[str] = []
        routes = [Route("/v1/{kind:path}", self.answer, methods=["GET", "POST", "DELETE"])]
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        config = uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="error")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def __enter__(self) -> Server:
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        assert self._server.started, "the stand-in of Stripe did not start"
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def answer(self, request: Request) -> JSONResponse:
        path = request.path_params["kind"]
        self.asked.append(f"{request.method} /v1/{path}")
        self.before(path)
        if self.away:
            return _error(503, "api_error", "", "away")
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return _error(401, "invalid_request_error", "", "Invalid API Key provided")
        if request.headers.get("stripe-version") != API_VERSION:
            return _error(400, "invalid_request_error", "", "another version than the pinned one")
        kind, _, name = path.removeprefix("billing_portal/").partition("/")
        if request.method != "GET" and self.writes:
            return _error(404, "invalid_request_error", "resource_missing", f"No such {kind[:-1]}: '{name}'")
        if request.method != "GET" or (self.rights is not None and kind not in self.rights):
            return _error(403, "invalid_request_error", "", "The provided key does not have the required permissions")
        with self.account.lock:
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
            "events": {event["id"]: event for event in self.account.events} if kind == "events" else {},
        }
        if kind not in held:
            return _error(404, "invalid_request_error", "", f"Unrecognized request URL (GET: /v1/{kind})")
        if name:
            found = held[kind].get(name)
            if found is None:
                return _error(404, "invalid_request_error", "resource_missing", f"No such {kind[:-1]}: '{name}'")
            return JSONResponse(self._expanded(found, request, "expand[0]", "customer"))
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
        page = [self._expanded(one, request, "expand[0]", "data.customer") for one in found[begin : begin + limit]]
        url = f"/v1/{kind}"
        return {"object": "list", "data": page, "has_more": begin + limit < len(found), "url": url}

    def _expanded(self, found: Object, request: Request, key: str, what: str) -> Object:
        if request.query_params.get(key) == "product":
            return {**found, "product": self.account.products[found["product"]]}
        if request.query_params.get(key) != what:
            return found
        return {**found, "customer": self.account.customers[found["customer"]]}


def _error(status: int, kind: str, code: str, message: str) -> JSONResponse:
    error = {"type": kind, "message": message} | ({"code": code} if code else {})
    return JSONResponse({"error": error}, status)
