"""The internet services that a lab needs: a resolver, an image registry and an ACME authority."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import urllib3

from .command import LabError, Machine
from .hosts import Hosts
from .images import Image
from .progress import wait_for
from .state import Directory

SERVICES = ("dnsmasq.service", "docker-registry.service", "pebble.service")
REGISTRY_PORT, ACME_PORT, ACME_MANAGEMENT_PORT = 5000, 14000, 15000
# Both kinds of manifest that skopeo may have pushed; the digest is that of the stored one.
MANIFESTS = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
SECONDS = 30
NAME = "localhost"  # of both, in their certificate
OK = 200


@dataclass(frozen=True)
class Internet:
    """The container of the services, for a server at `server` and a virtual machine at `virtual_server`."""

    machine: Machine
    hosts: Hosts
    directory: Directory
    container: str
    address: str
    server: str
    domain: str
    virtual_server: str

    @property
    def registry(self) -> str:
        """Name and port of the registry, the first part of the images' names."""
        return f"registry.{self.domain}:{REGISTRY_PORT}"

    def ensure(self) -> str:
        """Configure and start its services with this lab's names and certificates."""
        files = {
            "/etc/dnsmasq.d/lab.conf": (self.names(), 0o644),
            "/etc/silo-lab/lab-ca.pem": (self.directory.lab_ca.read_text(), 0o644),
            "/etc/silo-lab/tls.crt": (self.directory.certificate.read_text(), 0o644),
            "/etc/silo-lab/tls.key": (self.directory.key.read_text(), 0o640),
        }
        changed = self.hosts.put(self.container, files)
        self.hosts.execute(self.container, "chgrp", "docker-registry", "/etc/silo-lab/tls.key")
        self.hosts.execute(self.container, "systemctl", "restart" if changed else "start", *SERVICES)
        return "set up" if changed else "run"

    def names(self) -> str:
        """The resolver's configuration. The more exact name wins; all other names come from the machine's resolver."""
        return "\n".join(
            [
                "# Every name of the domain is the server, and below vm the virtual one; two names are here.",
                f"address=/{self.domain}/{self.server}",
                f"address=/vm.{self.domain}/{self.virtual_server}",
                f"address=/acme.{self.domain}/{self.address}",
                f"address=/registry.{self.domain}/{self.address}",
                "# The engine's own resolver knows what this machine asks.",
                "no-resolv",
                "no-hosts",
                "server=127.0.0.11",
                "",
            ]
        )

    def root(self) -> str:
        """Return the current root certificate (PEM); the authority creates a new one at each start."""

        def ask() -> str | None:
            answer = self._ask(ACME_MANAGEMENT_PORT, "/roots/0")
            return answer[1] if answer else None

        return wait_for("the ACME authority's root certificate", ask, SECONDS, LabError)

    def digest(self, image: Image) -> str | None:
        """Return the digest of an image in the registry; None if it is not there."""
        path = f"/v2/{image.name}/manifests/{image.hash}"
        answer = self._ask(REGISTRY_PORT, path, method="HEAD", accept=MANIFESTS)
        return answer[0]["Docker-Content-Digest"] if answer else None

    def push(self, image: Image) -> str:
        """Push an image of the machine's engine to the registry; return its digest."""
        return self._push(("docker", "save", image.tag), image)

    def push_archive(self, path: Path, image: Image) -> str:
        """Push the image of an archive to the registry; return its digest."""
        return self._push(("cat", str(path)), image)

    def _push(self, source: Sequence[str], image: Image) -> str:
        target = f"docker://localhost:{REGISTRY_PORT}/{image.name}:{image.hash}"
        copy = ("skopeo", "--insecure-policy", "copy", "--quiet", "--dest-compress-level", "1")
        trust = ("--env", "SSL_CERT_FILE=/etc/silo-lab/lab-ca.pem")
        sink = ("docker", "exec", "--interactive", *trust, self.container, *copy, "docker-archive:/dev/stdin", target)
        self.machine.pipe(source, sink)
        digest = self.digest(image)
        if digest is None:
            raise LabError(f"the registry does not have {image.name}:{image.hash}, which was just put into it")
        return digest

    def _ask(self, port: int, path: str, method: str = "GET", accept: str = "*/*") -> tuple[dict[str, str], str] | None:
        """Return the headers and text of an answer; None if it does not exist, or the server does not answer yet."""
        # By a name in the certificate, which has no address, so that a lab can move to another network.
        pool = urllib3.HTTPSConnectionPool(
            self.address, port, ca_certs=str(self.directory.lab_ca), server_hostname=NAME, assert_hostname=NAME
        )
        try:
            answer = pool.request(method, path, headers={"Accept": accept}, timeout=5, retries=False, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError):
            return None
        finally:
            pool.close()
        return (dict(answer.headers), answer.data.decode()) if answer.status == OK else None
