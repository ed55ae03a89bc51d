"""What the service keeps of each link: a hash of its token, and what it takes to let its customer in, sealed by it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
import logging
import re
from pathlib import Path

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_log = logging.getLogger(__name__)

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
TENANT = re.compile(r"[a-z][a-z0-9]{1,30}", re.ASCII)
_NOBODY = hashlib.sha256(b"").hexdigest()


@dataclasses.dataclass(frozen=True)
class Ticket:
    """An open link of a tenant; it ends at `expires_at`, in seconds since 1970. `photo_server` is a URL."""

    path: Path
    tenant: str
    host_name: str
    email: str
    photo_server: str
    digest: str
    sealed_password: str = dataclasses.field(repr=False)
    expires_at: float

    def password(self, token: str) -> str:
        """Return the password that the photo server knows now; the ticket alone, without its token, does not say it."""
        key = HKDF(SHA256(), length=32, salt=None, info=b"silo access ticket").derive(token.encode())
        return Fernet(base64.urlsafe_b64encode(key)).decrypt(self.sealed_password.encode()).decode()


class Tickets:
    """The directory of the tickets, `<tenant>-<digest>.json`. They are written whole by the operator's runs."""

    def __init__(self, directory: Path) -> None:
        """Look at nothing yet."""
        self._directory = directory

    def find(self, tenant: str, token: str, now: float) -> Ticket | None:
        """Return the ticket that `token` opens now; the time that it takes tells nothing of the tokens there are."""
        if not (TENANT.fullmatch(tenant) and TOKEN.fullmatch(token)):
            return None
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = None
        for ticket in [*self._read_all(f"{tenant}-*.json"), None]:
            if hmac.compare_digest(digest, ticket.digest if ticket else _NOBODY):
                found = ticket
        return found if found and found.tenant == tenant and now < found.expires_at else None

    def remove(self, ticket: Ticket) -> None:
        """Forget a ticket; a newer one of the same tenant stays."""
        ticket.path.unlink(missing_ok=True)

    def remove_expired(self, now: float) -> None:
        """Forget what opens nothing any more."""
        for ticket in self._read_all("*.json"):
            if ticket.expires_at <= now:
                self.remove(ticket)
                _log.info("%s: a link ended without being used", ticket.tenant)

    def _read_all(self, pattern: str) -> list[Ticket]:
        tickets = (self._read(path) for path in sorted(self._directory.glob(pattern)))
        return [ticket for ticket in tickets if ticket]

    def _read(self, path: Path) -> Ticket | None:
        try:
            return Ticket(path=path, **json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None  # used or replaced at this very moment
        except (OSError, TypeError, ValueError) as error:
            _log.error("%s is no ticket (%s); issue a new link", path.name.split("-")[0], type(error).__name__)
            return None
