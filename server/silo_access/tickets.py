"""The tickets of links: the hash of the token, and the admin's password encrypted with the token."""

from __future__ import annotations

import dataclasses
import hmac
import logging
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json, tickets
from ansible_collections.swissphoto.silo.plugins.module_utils.common.names import is_tenant

_log = logging.getLogger(__name__)

_NOBODY = tickets.digest("")


@dataclasses.dataclass(frozen=True)
class Ticket:
    """A valid link of a tenant; it expires at `expires_at`, in seconds since 1970. `photo_server` is a URL."""

    path: Path
    tenant: str
    host_name: str
    email: str
    photo_server: str
    digest: str
    sealed_password: str = dataclasses.field(repr=False)
    expires_at: float

    def password(self, token: str) -> str:
        """Decrypt the admin's current password with the token."""
        return tickets.unseal(token, self.sealed_password)


class Tickets:
    """The directory of the tickets, `<tenant>-<digest>.json`. The operator's runs write them atomically."""

    def __init__(self, directory: Path) -> None:
        """Remember the directory."""
        self._directory = directory

    def find(self, tenant: str, token: str, now: float) -> Ticket | None:
        """Return the valid ticket of `token`; the time that this takes reveals nothing about other tokens."""
        if not (is_tenant(tenant) and tickets.is_token(token)):
            return None
        digest = tickets.digest(token)
        found = None
        for ticket in [*self._read_all(f"{tenant}-*.json"), None]:
            if hmac.compare_digest(digest, ticket.digest if ticket else _NOBODY):
                found = ticket
        return found if found and found.tenant == tenant and now < found.expires_at else None

    def remove(self, ticket: Ticket) -> None:
        """Remove a ticket; a newer one of the same tenant stays."""
        ticket.path.unlink(missing_ok=True)

    def remove_expired(self, now: float) -> None:
        """Remove expired tickets."""
        for ticket in self._read_all("*.json"):
            if ticket.expires_at <= now:
                self.remove(ticket)
                _log.info("%s: a link expired without being used", ticket.tenant)

    def _read_all(self, pattern: str) -> list[Ticket]:
        found = (self._read(path) for path in sorted(self._directory.glob(pattern)))
        return [ticket for ticket in found if ticket]

    def _read(self, path: Path) -> Ticket | None:
        try:
            return Ticket(path=path, **bounded_json.parse(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None  # used or replaced meanwhile
        except (OSError, TypeError, ValueError) as error:
            _log.error("%s is no ticket (%s); issue a new link", path.name.split("-")[0], type(error).__name__)
            return None
