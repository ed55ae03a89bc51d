# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""A one-time link. Only the controller knows its address; a server gets its hash and an encrypted password."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files, tickets

from silo.tenant.render import ACCESS_PATH
from silo.tenant.schema import TenantError


@dataclasses.dataclass(frozen=True)
class Link:
    """A link. `token` is its secret, which allows to set the tenant's password once."""

    token: str = dataclasses.field(repr=False)

    @property
    def digest(self) -> str:
        """The hash by which the server recognizes the token."""
        return tickets.digest(self.token)

    @property
    def password(self) -> str:
        """A password derived from the link, for an admin whose password is unknown."""
        with _told():
            return tickets.password(self.token)

    def url(self, host_name: str) -> str:
        """Return the address that the customer opens."""
        return f"https://{host_name}{ACCESS_PATH}{self.token}"

    def seal(self, password: str) -> str:
        """Return `password` encrypted with the token."""
        with _told():
            return tickets.seal(self.token, password)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except tickets.SealError as error:
        raise TenantError([f"{error} on the controller; 'make setup' installs it"]) from error


def make() -> Link:
    """Return a new link."""
    return Link(secrets.token_urlsafe(tickets.TOKEN_BYTES))


def read(path: Path, host_name: str) -> Link | None:
    """Return the link that an earlier run wrote to `path` for this address; None without one."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    link = Link(text.rpartition("/")[2])
    return link if tickets.is_token(link.token) and text == link.url(host_name) else None


def write(path: Path, link: Link, host_name: str) -> None:
    """Write the link to `path` atomically, readable by its owner only; raises TenantError if that fails."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write(path, f"{link.url(host_name)}\n", 0o600)
    except OSError as error:
        raise TenantError([f"{path}: the link cannot be written there: {error.strerror}"]) from error
