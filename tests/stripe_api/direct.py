"""The way to the stand-in without a socket."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from urllib.parse import urlsplit

import stripe
from starlette.requests import Request

from tests.stripe_api.server import Server


class Direct(stripe.HTTPClient):
    """Gives each request of Stripe's library to a server in the same thread; what it answers is read as ever."""

    name = "direct"

    def __init__(self, server: Server) -> None:
        super().__init__()
        self.server = server

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: t.Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        where = urlsplit(url)
        scope = {
            "type": "http",
            "method": method.upper(),
            "path": where.path,
            "query_string": where.query.encode(),
            "headers": [(key.lower().encode(), value.encode()) for key, value in (headers or {}).items()],
            "path_params": {"kind": where.path.removeprefix("/v1/")},
        }
        sent = post_data.encode() if isinstance(post_data, str) else post_data or b""
        answer = self.server.answer(Request(scope), sent)
        return bytes(answer.body).decode(), answer.status_code, dict(answer.headers)

    def close(self) -> None:
        return
