"""Writes the catalogue of the checkout, again whenever the inventory changes. Runs beside the worker."""

from __future__ import annotations

import logging
import re
import threading
import time
import typing as t
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo import repository
from silo.billing.checkout import catalogue
from silo.billing.checkout.catalogue import Catalogue, Plan
from silo.billing.errors import BillingError
from silo.billing.policy import BRAND, CONTACT, HOST, PAYMENT_PAGES, BillingPolicy
from silo.brand import Brand, BrandError
from silo.inventory import InventoryError
from silo.inventory.errors import shown
from silo.notifications import LetterError
from silo.tenants import TenantService

LOOK_SECONDS = 5.0
# What is due by a day, such as the end of a reservation, changes no file; after an error, the next attempt is earlier.
AGAIN_SECONDS, RETRY_SECONDS = 3600.0, 60.0
ORIGIN = re.compile(r"https?://[a-z0-9.-]{1,253}(:[0-9]{1,5})?")

_log = logging.getLogger(__name__)


def collect(service: TenantService) -> Catalogue:
    """Return what the checkout shows of an inventory, which takes some seconds.

    Raises InventoryError, BillingError, LetterError and BrandError.
    """
    variables = service.policy.billing
    prices = BillingPolicy.of(variables).plans
    offers = service.inventory.offers()
    salt, taken = catalogue.salted(service.inventory.taken_names())
    return Catalogue(
        host=str(variables[HOST]),
        domain=service.policy.domain,
        brand=_brand(variables[BRAND]),
        contact=printable(str(variables[CONTACT] or "")),
        payment_pages=payment_pages(variables),
        # `silo billing check` reports a plan that does not exist.
        plans=tuple(Plan(price, name, offers[name].quota) for price, name in prices.items() if name in offers),
        salt=salt,
        taken=taken,
        letters=service.outbox is not None,
    )


def _brand(value: object) -> Brand:
    """Return what silo_brand_* say; raises BrandError, also for a text that is left from when this was a setting."""
    if isinstance(value, str):
        right = "it is no setting any more: remove its line from the inventory, and set silo_brand_name"
        raise BrandError(f"{BRAND} is {shown(value)}; {right}")
    return Brand.of(value)


def payment_pages(variables: Mapping[str, t.Any]) -> tuple[str, ...]:
    """Return the origins of Stripe's pages, of the variables of an inventory; raises BillingError."""
    value = variables.get(PAYMENT_PAGES)
    if not isinstance(value, list) or not all(isinstance(one, str) and ORIGIN.fullmatch(one) for one in value):
        raise BillingError(
            f"{PAYMENT_PAGES} is {value!r}; it must list addresses without a path, such as https://checkout.stripe.com"
        )
    return tuple(value)


class Publisher(threading.Thread):
    """Writes the catalogue to a path until `stop` is set; what goes wrong is logged, and the last one stays."""

    def __init__(
        self,
        service: Callable[[], TenantService],
        path: Path,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the inventory of `service`, made anew for each time; `clock` gives seconds that only grow."""
        super().__init__(name="checkout catalogue", daemon=True)
        self._service, self._path, self._stop_event, self._clock = service, path, stop, clock
        self._seen: object = None
        self._due = 0.0

    def run(self) -> None:
        """Look at the files of the inventory every few seconds."""
        while True:
            try:
                self.publish()
            except Exception:  # a bug must not end the thread
                _log.exception("the catalogue of the checkout cannot be written")
            if self._stop_event.wait(LOOK_SECONDS):
                return

    def publish(self) -> bool:
        """Write the catalogue if the inventory changed or some time passed; return whether it did."""
        now = self._clock()
        try:
            service = self._service()
            seen = _state_of(service.path)
            if seen == self._seen and now < self._due:
                return False
            self._seen, self._due = seen, now + RETRY_SECONDS
            catalogue.write(self._path, collect(service))
        except (InventoryError, BillingError, BrandError, LetterError, OSError) as error:
            _log.error("the catalogue of the checkout stays as it was: %s", error)
            return False
        self._due = now + AGAIN_SECONDS
        return True


def _state_of(inventory: Path) -> object:
    """Return what changes with any file that says which tenants and plans there are."""
    places = [inventory, repository.root() / "group_vars"]
    return [(str(path), _changed(path)) for place in places for path in sorted(_files(place))]


def _files(place: Path) -> Iterable[Path]:
    # What is hidden is git's, or silo's own state, which changes all the time.
    for path in place.glob("[!.]*"):
        yield path
        if path.is_dir():
            yield from path.rglob("*")


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
