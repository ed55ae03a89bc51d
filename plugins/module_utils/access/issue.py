# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ticket of a new link: one for each tenant, in the directory that the access service reads."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

from ..tenant.files import remove_file, write_file
from ..tenant.stack import File, StackError


class Admin(t.Protocol):
    """What is asked of a photo server."""

    def knows(self, email: str, password: str) -> bool:
        """Whether they log in."""

    def reset(self, email: str, password: str) -> str:
        """Give the admin a password; the e-mail address that logs in with it."""


@dataclasses.dataclass(frozen=True)
class Key:
    """A password of the admin, and the same sealed by the token of the link."""

    password: str = dataclasses.field(repr=False)
    sealed: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Link:
    """A link to be issued. What is `known` belongs to one that the operator has already; `seconds` are its life."""

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
        """The files of all links of this tenant, and what a killed run left of one."""
        return sorted([*self.directory.glob(f"{self.tenant}-*"), *self.directory.glob(f".{self.tenant}-*")])


@dataclasses.dataclass(frozen=True)
class Issued:
    """What came of it. `expires_at` in seconds since 1970; `reset` says that the admin's password was made anew."""

    changed: bool
    expires_at: int
    reset: bool = False


def open_until(link: Link, admin: Admin, now: float) -> int:
    """Return until when the link that the operator has opens this tenant; 0 where it does not.

    It does not where the customer has set a password meanwhile without it.
    """
    try:
        ticket = json.loads((link.directory / f"{link.tenant}-{link.known_digest}.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return 0
    same = (ticket["host_name"], ticket["photo_server"]) == (link.host_name, link.photo_server)
    passwords = (link.vault.password, link.known_password)
    if same and ticket["expires_at"] > now and any(admin.knows(ticket["email"], password) for password in passwords):
        return int(ticket["expires_at"])
    return 0


def issue(link: Link, admin: Admin, now: float) -> Issued:
    """End the tenant's older links, and write the ticket of this one; raises StackError.

    The password of the vault is tried first. Where the customer has set another, the admin gets that of the link,
    so that from here on the link is the only way in.
    """
    if not link.directory.is_dir():
        raise StackError(f"{link.directory} is not there; run site.yml, whose role access makes it")
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
