"""The keys by which a machine proves who it is: offered, known already, or named by the operator."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import re
from collections.abc import Iterable, Sequence

from ansible_collections.swissphoto.silo.plugins.module_utils.common import process
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo.inventory.errors import InventoryError, shown
from silo.setup.errors import SetupError
from silo.setup.target import Target

SECONDS = 30
# How long one connection may take, as ssh-keyscan counts it.
CONNECT_SECONDS = 10
# The first that is offered counts: ssh itself prefers them in this order.
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
LINE = re.compile(rf"\S+ ({'|'.join(KINDS)}) ([A-Za-z0-9+/]{{40,4000}}={{0,2}})(?: .*)?", re.ASCII)
FINGERPRINT = re.compile(r"(?:SHA256:)?([A-Za-z0-9+/]{43})=?", re.ASCII)


@dataclasses.dataclass(frozen=True)
class HostKey:
    """A public key of a machine: its kind, and its bytes in base64."""

    kind: str
    blob: str

    @property
    def fingerprint(self) -> str:
        """Its fingerprint, as ssh and `ssh-keygen -l` show it."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    @property
    def file(self) -> str:
        """The path at which a Debian has it."""
        kind = self.kind.removeprefix("ssh-").partition("-")[0]
        return f"/etc/ssh/ssh_host_{kind}_key.pub"

    def line(self, target: Target) -> str:
        """Return its line in a file of known hosts."""
        return f"{target.known_name} {self.kind} {self.blob}"


def parse_fingerprint(text: str) -> str:
    """Return a fingerprint as `HostKey.fingerprint` has it; raises InventoryError."""
    found = FINGERPRINT.fullmatch(text.strip())
    if not found:
        raise InventoryError(
            f"fingerprint is {shown(text)}; it must be SHA256: and 43 letters, as 'ssh-keygen -lf "
            "/etc/ssh/ssh_host_ed25519_key.pub' shows it on the server"
        )
    return f"SHA256:{found[1]}"


def scan(target: Target) -> list[HostKey]:
    """Return the keys that a machine offers, the preferred one first; raises SetupError."""
    command = ["ssh-keyscan", "-T", str(CONNECT_SECONDS), "-p", str(target.port), "--", target.host]
    keys = _keys(_said(command))
    if not keys:
        raise SetupError(
            f"{target}: no SSH answers there; check address, port and the provider's firewall, then repeat the command"
        )
    return sorted(keys, key=lambda one: KINDS.index(one.kind))


def known(target: Target) -> frozenset[HostKey]:
    """Return the keys of a machine that this user's own ~/.ssh/known_hosts has."""
    return frozenset(_keys(_said(["ssh-keygen", "-F", target.known_name])))


def named(target: Target, keys: Sequence[HostKey], fingerprint: str) -> HostKey:
    """Return the key with the fingerprint that the operator named; raises SetupError where the machine has another."""
    for key in keys:
        if key.fingerprint == fingerprint:
            return key
    offered = ", ".join(f"{key.fingerprint} ({key.kind})" for key in keys)
    raise SetupError(
        f"{target}: its key is not {fingerprint}; it offers {offered}. If the provider's console shows another key "
        "than these, somebody else answers there: stop, and ask the provider"
    )


def _keys(lines: Iterable[str]) -> list[HostKey]:
    found = (LINE.fullmatch(line) for line in lines)
    keys = [HostKey(one[1], one[2]) for one in found if one and _is_base64(one[2])]
    return list(dict.fromkeys(keys))


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return True


def _said(command: Sequence[str]) -> list[str]:
    try:
        result = process.run(command, seconds=SECONDS, environment={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        raise SetupError(f"{command[0]} is not installed here; install openssh-client") from None
    if result.stopped:
        raise SetupError(f"{printable(command[-1])}: {command[0]} {result.stopped}")
    return result.out.splitlines()
