"""Links that silo gives to one customer: signed and encrypted, and valid for some days.

They carry what the pages must not take from a stranger: which customer at Stripe pays, and for which tenant.
"""

from __future__ import annotations

import dataclasses
import json
import time
import typing as t
from collections.abc import Callable, Sequence

from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json, tickets
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

DAY, HOUR = 86400, 3600
# How long a link to order is valid, and one to pay: a letter must lead to the invoice until the data is purged.
ORDER_DAYS, PAY_DAYS = 14, 90
# So many characters fit into an address that every browser and mail program takes.
LONGEST = 1500
_PURPOSE = b"silo checkout links"


class LinkError(Exception):
    """A link is not ours, or not valid any more; the text does not say which."""


@dataclasses.dataclass(frozen=True)
class Order:
    """An order of one customer for a tenant.

    `customer` (cus_...) is empty for somebody whom Stripe does not know yet; `plan`, `language` and `email` are empty
    where the customer chooses. `own`: the name is, or was, this customer's, so that it is no matter that it is taken.
    """

    tenant: str
    plan: str = ""
    language: str = ""
    customer: str = ""
    email: str = ""
    own: bool = False


@dataclasses.dataclass(frozen=True)
class Payment:
    """The account of a tenant's customer: what the subscription (sub_...) owes."""

    tenant: str
    subscription: str
    language: str = ""


KINDS: dict[type[t.Any], str] = {Order: "order", Payment: "pay"}
Link = t.TypeVar("Link", Order, Payment)


class Links:
    """Makes and opens the tokens of links; the first secret makes them, and each one opens them."""

    def __init__(self, secrets: Sequence[str], clock: Callable[[], float] = time.time) -> None:
        """Use at least one secret; `clock` gives seconds since 1970."""
        self._fernet = MultiFernet([Fernet(tickets.derive_key(secret, _PURPOSE)) for secret in secrets])
        self._clock = clock

    def make(self, link: Order | Payment, days: int) -> str:
        """Return the token of a link that is valid for so many days."""
        now = int(self._clock())
        said = {"kind": KINDS[type(link)], "until": now + days * DAY, **dataclasses.asdict(link)}
        text = json.dumps({key: value for key, value in said.items() if value}, separators=(",", ":"))
        return self._fernet.encrypt_at_time(text.encode(), now).decode()

    def open(self, token: str, kind: type[Link]) -> Link:
        """Return what a token of this kind says; raises LinkError."""
        try:
            if len(token) > LONGEST:
                raise ValueError("too long")
            said = bounded_json.parse(self._fernet.decrypt(token.encode("ascii")))
            if said.pop("kind") != KINDS[kind] or said.pop("until") <= self._clock():
                raise ValueError("another kind, or too old")
            return kind(**said)
        except (InvalidToken, ValueError, TypeError, KeyError, AttributeError):
            raise LinkError("this link is not valid any more") from None

    def age(self, token: str) -> float:
        """Return the age in seconds of a token that `open` has taken."""
        return self._clock() - self._fernet.extract_timestamp(token)


def order_address(host: str, token: str) -> str:
    """Return the address of an order at the host of the pages."""
    return f"https://{host}/plans?link={token}"


def payment_address(host: str, token: str) -> str:
    """Return the address at which one customer pays."""
    return f"https://{host}/pay?link={token}"
