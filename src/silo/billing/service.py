"""Runs the services: webhook server and checkout, which face the internet, and the worker, which changes tenants."""

from __future__ import annotations

import asyncio
import signal
import threading
import typing as t
from collections.abc import Callable

import uvicorn
from ansible_collections.swissphoto.silo.plugins.module_utils.common import systemd
from starlette.applications import Starlette

from silo.billing.inbox import Inbox
from silo.billing.protocols import Rules
from silo.billing.stripe.signature import Verifier
from silo.billing.webhook_server import WebhookServer
from silo.billing.worker import KEEP_PARKED_DAYS, Trouble, Worker, alone

if t.TYPE_CHECKING:
    # The webhook server needs nothing of it.
    from silo.billing.checkout.website import Website

BEAT_SECONDS = 10.0
# Stripe sends a few requests in parallel; more than this cannot be Stripe, and get 503.
MOST_AT_ONCE = 200
HEADERS_BYTES = 16384
IDLE_SECONDS = 75  # longer than the reverse proxy keeps an idle connection, so that it never uses a closed one
GRACE_SECONDS = 20


def webhook_server(inbox: Inbox, verifier: Verifier, address: str, port: int) -> None:
    """Receive events at an address until SIGTERM; running requests are still answered."""
    asyncio.run(_serve(lambda: WebhookServer(inbox, verifier).application(), address, port))


def checkout(website: Callable[[], Website], address: str, port: int) -> None:
    """Serve the pages of the checkout at an address until SIGTERM; running requests are still answered."""
    asyncio.run(_serve(lambda: website().application(), address, port))


async def _serve(application: Callable[[], Starlette], address: str, port: int) -> None:
    server = uvicorn.Server(
        uvicorn.Config(
            application(),
            host=address,
            port=port,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # The webhook server goes by the signature, and the checkout reads by itself whom the proxy saw.
            proxy_headers=False,
            limit_concurrency=MOST_AT_ONCE,
            h11_max_incomplete_event_size=HEADERS_BYTES,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    beat = asyncio.create_task(_beat(server))
    try:
        await server.serve()
    finally:
        beat.cancel()


async def _beat(server: uvicorn.Server) -> None:
    while not server.started:
        await asyncio.sleep(0.05)
    systemd.notify("READY=1")
    while not server.should_exit:
        systemd.notify("WATCHDOG=1")
        await asyncio.sleep(BEAT_SECONDS)


def worker(
    inbox: Inbox,
    rules: Callable[[], Rules],
    notify: Callable[[Trouble], None],
    lanes: int,
    parked_days: int = KEEP_PARKED_DAYS,
) -> None:
    """Process events until SIGTERM or SIGINT, then finish the running ones. Raises TakenError."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with alone(inbox):
        systemd.notify("READY=1")
        Worker(inbox, rules, notify, lanes=lanes, parked_days=parked_days).run(
            stop, lambda: systemd.notify("WATCHDOG=1")
        )
        systemd.notify("STOPPING=1")
