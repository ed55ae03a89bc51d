# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A one-time link: made on the controller, which alone knows its address; a server gets its hash and what it seals."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import re
import secrets
import tempfile
from pathlib import Path

from silo.tenant.render import ACCESS_PATH
from silo.tenant.schema import TenantError

try:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError:
    Fernet = None  # type: ignore[assignment, misc]

TOKEN_BYTES = 32
TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Link:
    """A link. `token` is its secret: whoever has it may set the tenant's password, once."""

    token: str = dataclasses.field(repr=False)

    @property
    def digest(self) -> str:
        """The hash by which the server knows the token again."""
        return hashlib.sha256(self.token.encode()).hexdigest()

    @property
    def password(self) -> str:
        """A password that belongs to the link, for an admin whose own nobody knows."""
        return self._derive(b"silo access password")

    def url(self, host_name: str) -> str:
        """Return the address that the customer opens."""
        return f"https://{host_name}{ACCESS_PATH}{self.token}"

    def seal(self, password: str) -> str:
        """Return `password` encrypted, so that the token alone opens it."""
        return Fernet(self._derive(b"silo access ticket")).encrypt(password.encode()).decode()

    def _derive(self, purpose: bytes) -> str:
        if Fernet is None:
            raise TenantError(["cryptography is not installed on the controller; 'make setup' installs it"])
        key = HKDF(SHA256(), length=32, salt=None, info=purpose).derive(self.token.encode())
        return base64.urlsafe_b64encode(key).decode()


def make() -> Link:
    """Return a new link."""
    return Link(secrets.token_urlsafe(TOKEN_BYTES))


def read(path: Path, host_name: str) -> Link | None:
    """Return the link that an earlier run left at `path` for this address; None where it left none."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    link = Link(text.rpartition("/")[2])
    return link if TOKEN.fullmatch(link.token) and text == link.url(host_name) else None


def write(path: Path, link: Link, host_name: str) -> None:
    """Leave the link at `path`, whole, readable by nobody else; raises TenantError where that cannot be."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"{link.url(host_name)}\n")
        Path(temporary).replace(path)
    except OSError as error:
        raise TenantError([f"{path}: the link cannot be left there: {error.strerror}"]) from error
