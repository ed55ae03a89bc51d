"""What the checkout knows of the inventory: the platform's names, the plans on sale, and which names are taken.

The worker writes it to a file, as the checkout faces the internet and has no inventory. Names are in it as digests, so
that the file is no list of customers; who has it can still try a name that they guess.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
import typing as t
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json, files
from ansible_collections.swissphoto.silo.plugins.module_utils.common.names import is_tenant

from silo.billing.errors import TryLater
from silo.brand import Brand
from silo.tenant.names import lookalike, new_name_problem, seen

MODE = 0o640
LARGEST = 16 * 1024**2

NameState = t.Literal["free", "taken", "reserved", "impossible"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """A plan on sale: its price at Stripe (price_...), its name in the inventory, and its storage in bytes."""

    price: str
    name: str
    storage: int


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """The content of the file. `host` is that of the pages; tenants have their addresses below `domain`.

    `payment_pages` are the origins of Stripe's pages, such as https://checkout.stripe.com. `taken` are digests of the
    names that nobody else can have. `letters` is whether there is a relay, by which customers get letters.
    """

    host: str
    domain: str
    brand: Brand
    contact: str
    payment_pages: tuple[str, ...]
    plans: tuple[Plan, ...]
    salt: str
    taken: frozenset[str]
    letters: bool = False

    def name_state(self, name: str) -> NameState:
        """Return whether somebody new can have this name; what looks like a taken or a reserved name is so too."""
        if not is_tenant(name):
            return "impossible"
        if new_name_problem(name) or lookalike(name, ()):
            return "reserved"
        return "taken" if digest(self.salt, name) in self.taken else "free"

    def address(self, name: str) -> str:
        """Return the address of the tenant of this name."""
        return f"https://{name}.{self.domain}"


def digest(salt: str, name: str) -> str:
    """Return what stands for a name, the same for all names that look alike."""
    return hashlib.sha256(f"{salt}{seen(name)}".encode()).hexdigest()


def salted(names: Iterable[str]) -> tuple[str, frozenset[str]]:
    """Return a new salt, and the digests of these names."""
    salt = secrets.token_urlsafe(16)
    return salt, frozenset(digest(salt, name) for name in names)


def write(path: Path, catalogue: Catalogue) -> None:
    """Replace the file; raises OSError."""
    said = dataclasses.asdict(catalogue) | {"taken": sorted(catalogue.taken)}
    files.write(path, json.dumps(said, indent=1) + "\n", MODE)


class CatalogueFile:
    """The file as the checkout reads it, anew after each change."""

    def __init__(self, path: Path) -> None:
        """Remember the path; the file may come later."""
        self._path = path
        self._known: tuple[int, Catalogue] | None = None

    def read(self) -> Catalogue:
        """Return what the worker wrote last; raises TryLater if there is nothing that can be read."""
        try:
            written = self._path.stat().st_mtime_ns
            if self._known is None or self._known[0] != written:
                self._known = written, _parse(bounded_json.parse(self._path.read_bytes(), LARGEST))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise TryLater(f"{self._path} cannot be read: {type(error).__name__}; the worker writes it") from error
        return self._known[1]


def _parse(said: t.Any) -> Catalogue:
    return Catalogue(
        **{
            **said,
            "brand": Brand(**said["brand"]),
            "payment_pages": tuple(said["payment_pages"]),
            "plans": tuple(Plan(**plan) for plan in said["plans"]),
            "taken": frozenset(said["taken"]),
        }
    )
