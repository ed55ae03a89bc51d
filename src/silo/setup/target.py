"""Where a machine is reached: the user, its address and the port of SSH."""

from __future__ import annotations

import dataclasses
import ipaddress
import re

from silo.inventory.errors import InventoryError, shown

PORT = 22
# None begins with a dash, which ssh would take for an option.
USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}", re.ASCII)
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOST_NAME = re.compile(rf"{LABEL}(?:\.{LABEL})*", re.ASCII | re.IGNORECASE)
PARTS = re.compile(
    r"(?:(?P<user>[^@]+)@)?(?:\[(?P<six>[^\]]*)\]|(?P<host>[^:\[\]]*))(?::(?P<port>[0-9]{1,5}))?", re.ASCII
)
LONGEST_NAME = 253


@dataclasses.dataclass(frozen=True)
class Target:
    """A machine as ssh reaches it; `host` is an address or a name."""

    host: str
    user: str = "root"
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read [USER@]HOST[:PORT], an address of IPv6 in brackets or alone; raises InventoryError."""
        right = "it must be an address or a name, such as 192.0.2.10, admin@silo1.example.ch:2222 or [2001:db8::10]:22"
        if _is_address(text):
            return cls(text)
        found = PARTS.fullmatch(text)
        host = (found["six"] or found["host"]) if found else ""
        is_right = _is_address(host) if found and found["six"] else _is_host(host)
        user, port = (found["user"] or "root", int(found["port"] or PORT)) if found else ("", 0)
        if not is_right or not USER.fullmatch(user) or not 1 <= port <= 65535:
            raise InventoryError(f"server is {shown(text)}; {right}")
        return cls(host, user, port)

    @property
    def known_name(self) -> str:
        """Its name in a file of known hosts."""
        return self.host if self.port == PORT else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        """Return it as ssh and people write it."""
        return f"{self.user}@{self.host}" + ("" if self.port == PORT else f" port {self.port}")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _is_host(text: str) -> bool:
    return _is_address(text) or (len(text) <= LONGEST_NAME and HOST_NAME.fullmatch(text) is not None)
