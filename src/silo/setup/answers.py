"""The answers from which an inventory is written: each is checked as it is given."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import UNITS, SizeError, parse_size

from silo import email_address
from silo.email_address import TEMPLATE
from silo.inventory.errors import InventoryError, shown
from silo.setup.host_keys import HostKey
from silo.setup.machine import DEVICE, Listener
from silo.setup.target import HOST_NAME, LONGEST_NAME, Target

Acme = t.Literal["live", "staging"]
LIVE = "https://acme-v02.api.letsencrypt.org/directory"
STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
DIRECTORIES: dict[Acme, str] = {"live": LIVE, "staging": STAGING}
NAME = re.compile(r"[a-z][a-z0-9_]{0,30}", re.ASCII)
RELAY_PORT = 587
TLS_PORT = 465
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclasses.dataclass(frozen=True)
class Place:
    """Where data lies: an empty `device`, or an image file of `size` (such as 400G) on the system disk."""

    device: str = ""
    size: str = ""

    @classmethod
    def parse(cls, field: str, text: str) -> Place:
        """Read a device or a size; raises InventoryError."""
        if text.startswith("/"):
            if not DEVICE.fullmatch(text) or ".." in text:
                raise InventoryError(
                    f"{field} is {shown(text)}; a disk must be a path such as /dev/disk/by-id/nvme-..."
                )
            return cls(device=text)
        return cls(size=size(field, text))

    def __str__(self) -> str:
        """Return it as it is given."""
        return self.device or self.size


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine of the inventory: its name there, how it is reached, and the key by which it is known.

    `memory` is that of the server for `silo_memory_*`, by the name of the setting; `ports` stay open beside the
    platform's. `uploads` and `databases` are None where the machine has none.
    """

    name: str
    target: Target
    key: HostKey
    memory: tuple[tuple[str, str], ...] = ()
    ports: tuple[Listener, ...] = ()
    uploads: Place | None = None
    databases: Place | None = None


@dataclasses.dataclass(frozen=True)
class Relay:
    """The operator's mail relay; the password is in a file, where the relay wants a login."""

    host: str
    port: int
    sender: str
    user: str = ""
    password_file: str = ""

    @property
    def security(self) -> str:
        """How the connection is protected: by its port, and not at all on this machine."""
        if self.host in LOOPBACK and self.port not in (RELAY_PORT, TLS_PORT):
            return "none"
        return "tls" if self.port == TLS_PORT else "starttls"


@dataclasses.dataclass(frozen=True)
class Answers:
    """All that a new inventory says. `nas` is None where the server is its own NAS."""

    domain: str
    contact: str
    server: Machine
    nas: Machine | None = None
    relay: Relay | None = None
    acme: Acme = "live"
    billing: bool = False
    payment_url: str = ""
    ssh_key: str = ""


def domain(text: str) -> str:
    """Return the domain below which tenants have their names; raises InventoryError."""
    found = text.strip().lower().removeprefix("*.").removesuffix(".")
    if "." not in found or len(found) > LONGEST_NAME or not HOST_NAME.fullmatch(found) or found[-1].isdigit():
        raise InventoryError(
            f"domain is {shown(text)}; it must be a domain in plain letters, such as swissphoto.ch (an international "
            "one in its ASCII form, xn--...)"
        )
    return found


def contact(text: str) -> str:
    """Return the operator's address; raises InventoryError."""
    if problem := email_address.problem(text):
        raise InventoryError(f"contact is {shown(text)}; {problem}")
    return text


def name(field: str, text: str) -> str:
    """Return the name of a machine in the inventory; raises InventoryError."""
    if not NAME.fullmatch(text) or text in ("servers", "nas", "tenants", "all", "ungrouped", "localhost"):
        raise InventoryError(f"{field} is {shown(text)}; it must be lower-case letters and digits, such as silo1")
    return text


def size(field: str, text: str) -> str:
    """Return a size as a whole number in the largest unit that has it; raises InventoryError."""
    try:
        bytes_ = parse_size(text)
    except SizeError as error:
        raise InventoryError(f"{field} is {shown(text)}; {error}") from None
    if bytes_ < 1024**3:
        raise InventoryError(f"{field} is {shown(text)}; it must be 1G or more: without a letter it counts bytes")
    # Not every tool that gets it knows parts of a unit.
    unit = next((letter for letter in "TGMK" if bytes_ % UNITS[letter] == 0), "")
    return f"{bytes_ // UNITS[unit]}{unit}"


def port(text: str) -> Listener:
    """Return a port that stays open, such as 9100 or 51820/udp; raises InventoryError."""
    number, _slash, protocol = text.strip().partition("/")
    is_number = re.fullmatch(r"[0-9]{1,5}", number, re.ASCII) and 1 <= int(number) <= 65535
    if not is_number or protocol not in ("", "tcp", "udp"):
        raise InventoryError(f"open port is {shown(text)}; it must be a port such as 9100 or 51820/udp")
    return Listener(protocol or "tcp", int(number), "")


def relay_host(text: str) -> tuple[str, int]:
    """Return host and port of a relay, from HOST[:PORT]; raises InventoryError."""
    try:
        target = Target.parse(text)
    except InventoryError:
        target = None
    if target is None or "@" in text:
        raise InventoryError(f"relay is {shown(text)}; it must be its name and port, such as smtp.example.ch:587")
    has_port = text != target.host and text != f"[{target.host}]"
    return target.host, target.port if has_port else RELAY_PORT


def plain(field: str, text: str) -> str:
    """Return a text that stands in a file of settings as it is; raises InventoryError for one that acts there."""
    if not text.isprintable() or any(mark in text for mark in TEMPLATE):
        raise InventoryError(
            f"{field} is {shown(text)}; it must be on one line, without one of {' '.join(TEMPLATE)}, which Ansible "
            "takes for a template"
        )
    return text


def payment_url(text: str) -> str:
    """Return the page for payments; raises InventoryError."""
    if not re.fullmatch(r"https://[^\s/]+\S*|mailto:[^\s@]+@\S+", plain("payment page", text), re.ASCII):
        raise InventoryError(f"payment page is {shown(text)}; it must begin with https:// or mailto:")
    return text


def file(field: str, text: str) -> Path:
    """Return the path of a file on this machine, with ~ filled in; raises InventoryError."""
    try:
        return Path(plain(field, text)).expanduser().absolute()
    except RuntimeError:
        raise InventoryError(f"{field} is {shown(text)}; this machine has no user of that name with a home") from None


def is_address(host: str) -> bool:
    """Return whether a host is an address, and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
