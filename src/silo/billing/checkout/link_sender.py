"""Sends customers their link to pay, if they asked for it at the checkout. Runs beside the worker."""

from __future__ import annotations

import contextlib
import datetime
import logging
import threading
from collections.abc import Callable, Iterable, Sequence

from silo import email_address, notifications
from silo.billing.checkout.letters import pay_link
from silo.billing.checkout.link_requests import LinkRequests
from silo.billing.errors import BillingError
from silo.billing.tenant_lookup import SUBSCRIPTION
from silo.inventory import InventoryError
from silo.tenants import TenantService

LOOK_SECONDS = 5.0
# The next attempt, after one that failed.
AGAIN_SECONDS = 60.0
# One letter for each tenant in this time, so that nobody fills a customer's mailbox; the pages say so.
BETWEEN = datetime.timedelta(hours=8)
EVENT = "pay_link/"

_log = logging.getLogger(__name__)


def send(service: TenantService, addresses: Sequence[str], now: datetime.datetime) -> int:
    """Write a link to pay to each address that a tenant has; return the number of letters.

    A tenant in the trash counts too: its customer can still come back. Raises InventoryError, BillingError and
    LetterError.
    """
    outbox = service.outbox
    if outbox is None:
        return 0
    known = [
        (one.name, one.email, str(one.settings.get(SUBSCRIPTION) or ""), str(one.settings["tenant_language"]))
        for one in service.tenants().values()
    ]
    known += [
        (one.name, str(service.files.former(one).get("tenant_email") or ""), one.subscription, one.language)
        for one in service.trash.kept()
    ]
    written, last = 0, _last(outbox.states())
    # Each is parsed once, as strangers leave many, and there may be many tenants.
    asking = {email_address.parse(one).normal for one in addresses}
    for name, email, subscription, language in known:
        if not subscription or _normal(email) not in asking:
            continue
        link = pay_link(name, subscription, language, service.policy)
        if not link or (name in last and now - last[name] < BETWEEN):
            continue
        event = f"{EVENT}{name}/{now.isoformat(timespec='seconds')}"
        letter = notifications.PayLink(name, f"https://{name}.{service.policy.domain}", link)
        written += outbox.enqueue(event, email, letter, notifications.language_of(language))
    if written:
        outbox.deliver()
    return written


def _last(events: Iterable[str]) -> dict[str, datetime.datetime]:
    """Return when each tenant got its last letter."""
    found: dict[str, datetime.datetime] = {}
    for event in events:
        if event.startswith(EVENT):
            name, _, when = event.removeprefix(EVENT).partition("/")
            with contextlib.suppress(ValueError, TypeError):  # an older version wrote which third of a day it was
                at = datetime.datetime.fromisoformat(when)
                found[name] = max(at, found.get(name, at))
    return found


def _normal(email: str) -> str:
    """Return an address in the form in which addresses are compared; empty for what is none."""
    try:
        return email_address.parse(email).normal
    except email_address.AddressError:
        return ""


class LinkSender(threading.Thread):
    """Answers the requests in a directory until `stop` is set; what goes wrong is logged, and tried again."""

    def __init__(
        self,
        service: Callable[[], TenantService],
        requests: LinkRequests,
        stop: threading.Event,
        clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        """Read the inventory of `service`, made anew for each time."""
        super().__init__(name="links to pay", daemon=True)
        self._service, self._requests, self._stop_event, self._clock = service, requests, stop, clock

    def run(self) -> None:
        """Look at the directory every few seconds."""
        seconds = LOOK_SECONDS
        while not self._stop_event.wait(seconds):
            seconds = LOOK_SECONDS
            try:
                if not self.answer():
                    seconds = AGAIN_SECONDS
            except Exception:  # a bug must not end the thread
                _log.exception("the links to pay cannot be sent")

    def answer(self) -> bool:
        """Take what waits, and write the letters; False if they cannot be written, so that the addresses wait on."""
        addresses = self._requests.take() if self._requests.can_take else []
        if not addresses:
            return True
        try:
            written = send(self._service(), addresses, self._clock())
        except (InventoryError, BillingError, notifications.LetterError) as error:
            _log.error("%d asked for their link to pay, and wait until it can be sent: %s", len(addresses), error)
            # The page has promised the letter. One that is written already is not written again.
            for one in addresses:
                self._requests.leave(one)
            return False
        # Addresses are in no log.
        _log.info("%d asked for their link to pay; %d letters are written", len(addresses), written)
        return True
