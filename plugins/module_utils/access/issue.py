# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ticket of a new link: one for each tenant, in the directory that the access service reads."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

from ..common import bounded_json, foreign
from ..tenant.files import remove_file, write_file
from ..tenant.stack import File, StackError

LARGEST = 64 * 1024


class Admin(t.Protocol):
    """The operations on a photo server's admin."""

    def knows(self, email: str, password: str) -> bool:
        """Return whether the address and password can log in."""

    def reset(self, email: str, password: str) -> str:
        """Set the admin's password; return the e-mail address to log in with."""


@dataclasses.dataclass(frozen=True)
class Key:
    """A password of the admin, in the clear and encrypted with the link's token."""

    password: str = dataclasses.field(repr=False)
    sealed: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Link:
    """A link to be issued, valid for `seconds`. `known_*` belong to the link that the operator already has."""

    directory: Path
    tenant: str
    host_name: str
    email: str
    photo_server: str
    digest: str
    known_digest: str
    known_password: str = dataclasses.field(repr=False)
    seconds: int
    vault: Key
    fresh: Key

    @property
    def tickets(self) -> list[Path]:
        """The files of all links of this tenant, including temporary ones of a killed run."""
        return sorted([*self.directory.glob(f"{self.tenant}-*"), *self.directory.glob(f".{self.tenant}-*")])


@dataclasses.dataclass(frozen=True)
class Issued:
    """The result. `expires_at` is in seconds since 1970; `reset` says that the admin got a new password."""

    changed: bool
    expires_at: int
    reset: bool = False


def open_until(link: Link, admin: Admin, now: float) -> int:
    """Return the time until which the operator's existing link is valid, in seconds since 1970; 0 if it is not.

    It is not valid if the customer has set a password without it.
    """
    try:
        # The access service may write there.
        found = foreign.read(link.directory / f"{link.tenant}-{link.known_digest}.json", LARGEST)
        ticket = bounded_json.parse(found.content)
        places = (ticket["host_name"], ticket["photo_server"])
        email, expires_at = str(ticket["email"]), int(ticket["expires_at"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return 0
    passwords = (link.vault.password, link.known_password)
    is_open = places == (link.host_name, link.photo_server) and expires_at > now
    return expires_at if is_open and any(admin.knows(email, password) for password in passwords) else 0


def issue(link: Link, admin: Admin, now: float) -> Issued:
    """Invalidate the tenant's older links, and write the ticket of this one; raises StackError.

    If the vault's password does not log in, because the customer has set another, the admin gets the password of the
    link. From then on, only the link can log in.
    """
    if not link.directory.is_dir():
        raise StackError(f"{link.directory} does not exist; run site.yml, whose role access creates it")
    reset = not admin.knows(link.email, link.vault.password)
    email = admin.reset(link.email, link.fresh.password) if reset else link.email
    for path in link.tickets:
        remove_file(path)
    expires_at = int(now) + link.seconds
    ticket = {
        "tenant": link.tenant,
        "host_name": link.host_name,
        "email": email,
        "photo_server": link.photo_server,
        "digest": link.digest,
        "sealed_password": (link.fresh if reset else link.vault).sealed,
        "expires_at": expires_at,
    }
    path = link.directory / f"{link.tenant}-{link.digest}.json"
    write_file(File(path, json.dumps(ticket), mode=0o600, owner=link.directory.stat().st_uid, secret=True))
    return Issued(True, expires_at, reset)
