"""The webhook server verifies what Stripe posts, and stores it on disk before it answers. It decides nothing.

It is the only part that faces the internet. It has no Stripe key, no inventory and no Ansible, only the inbox and the
webhook secrets.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
import typing as t
from collections.abc import AsyncIterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from silo.billing.inbox import Inbox
from silo.billing.stripe.events import PATH, Event, MalformedError, parse
from silo.billing.stripe.signature import Refused, Verifier

HEADER = "stripe-signature"
LARGEST_BYTES = 1024 * 1024
BODY_SECONDS = 10.0
# The most events in one transaction.
TOGETHER = 64

_log = logging.getLogger(__name__)


class InboxWriter:
    """Writes events to the inbox; events that arrive together share one transaction."""

    def __init__(self, inbox: Inbox) -> None:
        """Write to `inbox`."""
        self._inbox = inbox
        self._waiting: asyncio.Queue[tuple[Event, asyncio.Future[bool]]] = asyncio.Queue()

    async def keep(self, event: Event) -> bool:
        """Wait until the event is on disk, and return whether it is new; raises sqlite3.Error, OSError."""
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((event, kept))
        return await kept

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < TOGETHER and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            try:
                fresh = await asyncio.to_thread(self._inbox.keep, [event for event, _kept in batch])
            except Exception as error:
                outcomes: list[bool | Exception] = [error] * len(batch)
            else:
                outcomes = list(fresh)
            for (_event, kept), outcome in zip(batch, outcomes, strict=True):
                if kept.done():  # the sender has disconnected
                    continue
                if isinstance(outcome, Exception):
                    kept.set_exception(outcome)
                else:
                    kept.set_result(outcome)


class Waiting(Collector):
    """The metrics of the inbox, for Prometheus."""

    def __init__(self, inbox: Inbox) -> None:
        """Read `inbox` at each scrape."""
        self._inbox = inbox

    def collect(self) -> t.Iterator[GaugeMetricFamily]:
        """Yield the metrics; raises sqlite3.Error."""
        tally = self._inbox.tally()
        events = GaugeMetricFamily("silo_billing_events", "Events in the inbox by state.", labels=["state"])
        for state, count in tally.counts.items():
            events.add_metric([state], count)
        yield events
        waits = 0.0 if tally.oldest is None else max(0.0, time.time() - tally.oldest)
        yield GaugeMetricFamily("silo_billing_oldest_wait_seconds", "Age of the oldest new event.", value=waits)


class WebhookServer:
    """The HTTP service for one inbox."""

    def __init__(self, inbox: Inbox, verifier: Verifier, *, largest_bytes: int = LARGEST_BYTES) -> None:
        """Store the events that `verifier` accepts; a body may have at most `largest_bytes`."""
        self._inbox, self._verifier, self._largest = inbox, verifier, largest_bytes
        self._writer = InboxWriter(inbox)
        self._registry = CollectorRegistry()
        self._registry.register(Waiting(inbox))
        self._answers = Counter(
            "silo_billing_requests",
            "Requests to the webhook by outcome.",
            ["outcome"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "silo_billing_request_seconds", "Time from a request to its answer.", registry=self._registry
        )

    def application(self) -> Starlette:
        """Return the ASGI application."""
        routes = [
            Route(PATH, self._take, methods=["POST"]),
            Route("/health", self._health, methods=["GET"]),
            Route("/metrics", self._metrics, methods=["GET"]),
        ]
        return Starlette(routes=routes, lifespan=self._life)

    @contextlib.asynccontextmanager
    async def _life(self, _application: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(self._writer.run())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _take(self, request: Request) -> Response:
        with self._seconds.time():
            try:
                body = await asyncio.wait_for(self._body(request), BODY_SECONDS)
                self._verifier.check(body, request.headers.get(HEADER, ""))
                fresh = await self._writer.keep(parse(body))
            except Refused as error:
                return self._refuse(error)
            except MalformedError as error:
                return self._refuse(Refused(400, "malformed", str(error)))
            except TimeoutError:
                return self._refuse(Refused(408, "slow", f"the body took longer than {BODY_SECONDS:.0f} s"))
            except ClientDisconnect:
                return self._refuse(Refused(400, "gone", "the sender disconnected"))
            except (sqlite3.Error, OSError) as error:
                _log.error("cannot write the inbox: %s", error)
                return self._refuse(Refused(503, "inbox", "the event cannot be stored now; send it again"))
        self._answers.labels("kept" if fresh else "known").inc()
        return PlainTextResponse("kept\n")

    def _refuse(self, error: Refused) -> Response:
        self._answers.labels(error.reason).inc()
        _log.warning("refused with %d: %s", error.status, error)
        # The rest of a refused body is not read, so the connection cannot be used again.
        return PlainTextResponse(f"{error}\n", error.status, {"Connection": "close"})

    async def _body(self, request: Request) -> bytes:
        length = request.headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._largest:
            raise self._too_large()
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > self._largest:
                raise self._too_large()
        return bytes(body)

    def _too_large(self) -> Refused:
        return Refused(413, "size", f"the body has more than {self._largest} bytes")

    async def _health(self, _request: Request) -> Response:
        try:
            await asyncio.to_thread(self._inbox.probe)
        except (sqlite3.Error, OSError) as error:
            return PlainTextResponse(f"the inbox cannot be written: {error}\n", 503)
        return PlainTextResponse("ok\n")

    async def _metrics(self, _request: Request) -> Response:
        try:
            text = await asyncio.to_thread(generate_latest, self._registry)
        except sqlite3.Error as error:
            return PlainTextResponse(f"the inbox cannot be read: {error}\n", 503)
        return Response(text, media_type="text/plain; version=0.0.4")
