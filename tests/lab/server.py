"""The lab's server: its SSH, and the certificates that are invalid after a restart of the ACME authority."""

import socket
import ssl
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .command import LabError, Machine
from .hosts import Hosts
from .progress import wait_for
from .state import Directory

HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"
SECONDS = 60
CERTIFICATE_SECONDS = 120
ROUTES = "/srv/silo/traefik/routes"
# Traefik keeps the account and certificates of the former authority. It writes the file when it gets a certificate, not
# when it stops, so it is safe to remove the file, then restart.
FORGET = """
set -eu
find /srv/silo/traefik -name acme.json -delete 2>/dev/null || [ ! -e /srv/silo/traefik ]
command -v docker >/dev/null || exit 0
proxies=$(docker ps --quiet --filter label=com.docker.compose.service=traefik)
[ -z "$proxies" ] || docker restart -t 10 $proxies >/dev/null
"""
# An image has no file attributes. The role filesystem made bare mount points immutable, below the current mounts.
MOUNT_POINTS = ("/instances", "/databases")
SEAL = f"""
set -eu
below=$(mktemp -d)
mount --bind / "$below"
chattr +i {" ".join(f'"$below{point}"' for point in MOUNT_POINTS)}
umount "$below"
rmdir "$below"
"""


@dataclass(frozen=True)
class Server:
    """The container of the server, at its address."""

    machine: Machine
    hosts: Hosts
    directory: Directory
    container: str
    address: str

    def ensure_ssh(self) -> str:
        """Create a key for root's login, and store the server's key; then log in."""
        key = self.directory.ssh_key
        public = key.with_suffix(".pub")
        made = not (key.exists() and public.exists())
        if made:
            for path in (key, public):
                path.unlink(missing_ok=True)
            comment = ("-C", f"root of {self.container}")
            self.machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", *comment, "-f", str(key))
        self.hosts.execute(self.container, "install", "-d", "-m", "0700", "/root/.ssh")
        self.hosts.put(self.container, {"/root/.ssh/authorized_keys": (public.read_text(), 0o600)})
        kind, number = wait_for("the server's SSH key", self._host_key, SECONDS, LabError)
        self._know(f"{self.address} {kind} {number}")
        wait_for(f"a login on {self.container}", self._login, SECONDS, LabError)
        return "key made, root logs in" if made else "root logs in"

    def _know(self, line: str) -> None:
        """Store the key of this server, and keep those of others."""
        path = self.directory.known_hosts
        lines = path.read_text().splitlines() if path.exists() else []
        others = [other for other in lines if other.split()[0] != self.address]
        self.directory.write(path, "".join(f"{one}\n" for one in (*others, line)))

    def _host_key(self) -> tuple[str, str] | None:
        words = self.hosts.execute(self.container, "cat", HOST_KEY, check=False).split()
        return (words[0], words[1]) if len(words) > 1 else None

    def _login(self) -> bool | None:
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "5",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.directory.known_hosts),
        }
        flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        # Without the caller's own configuration: the files here must suffice.
        ssh = ("ssh", "-F", "none", *flags, "-i", str(self.directory.ssh_key), f"root@{self.address}", "true")
        return True if self.machine.run(*ssh, check=False).code == 0 else None

    def wait_for_certificates(self, domain: str) -> str:
        """Wait until each tenant with a route has a certificate of the lab's authority."""
        listed = self.hosts.execute(self.container, "find", ROUTES, "-name", "tenant-*.yml", "-printf", "%f ")
        names = [f"{Path(file).stem.removeprefix('tenant-')}.{domain}" for file in listed.split()]
        for name in names:
            wait_for(f"the certificate of {name}", partial(self._is_trusted, name), CERTIFICATE_SECONDS, LabError)
        return f"{len(names)} there"

    def _is_trusted(self, name: str) -> bool | None:
        trust = ssl.create_default_context(cafile=self.directory.ca)
        try:
            with (
                socket.create_connection((self.address, 443), timeout=5) as raw,
                trust.wrap_socket(raw, server_hostname=name),
            ):
                return True
        except OSError:
            return None

    def seal_mount_points(self) -> str:
        """Make bare mount points immutable again, as they were before the server became an image."""
        self.hosts.execute(self.container, "sh", "-c", SEAL)
        return "immutable"

    def forget_certificates(self) -> None:
        """Let Traefik, if it exists, request all certificates again."""
        self.hosts.execute(self.container, "sh", "-c", FORGET)
