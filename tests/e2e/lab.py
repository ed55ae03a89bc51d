"""The lab's server, looked at with its own tools and not with those under test."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path

import pytest


@dataclasses.dataclass(frozen=True)
class Lab:
    """A lab as lab.json describes it."""

    container: str
    address: str
    domain: str
    ca_file: str

    @classmethod
    def load(cls, path: Path) -> Lab:
        known = json.loads(path.read_text())
        return cls(known["container"], known["address"], known["domain"], known["ca_file"])

    def try_run(self, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run `command` on the server."""
        return subprocess.run(
            ["docker", "exec", "-i", self.container, *command],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def run(self, *command: str, text: str = "") -> str:
        """Run `command` on the server; a failure is the test's."""
        result = self.try_run(*command, text=text)
        if result.returncode:
            pytest.fail(f"{' '.join(command)}: code {result.returncode}: {result.stderr or result.stdout}")
        return result.stdout

    def shell(self, script: str) -> str:
        return self.run("sh", "-euc", script)

    def inspect(self, container: str) -> dict:
        return json.loads(self.run("docker", "inspect", container))[0]

    def containers(self, *names: str) -> dict[str, tuple[str, str]]:
        """Container name to id and start time, of the tenants `names`."""
        found = {}
        for name in names:
            for service in ("server", "database", "cache"):
                container = f"silo-{name}-{service}-1"
                details = self.inspect(container)
                found[container] = (details["Id"], details["State"]["StartedAt"])
        return found

    def address_of(self, tenant: str, service: str) -> str:
        (network,) = self.inspect(f"silo-{tenant}-{service}-1")["NetworkSettings"]["Networks"].values()
        return network["IPAddress"]

    def gateway(self, tenant: str) -> str:
        return json.loads(self.run("docker", "network", "inspect", f"silo-{tenant}_default"))[0]["IPAM"]["Config"][0][
            "Gateway"
        ]

    def psql(self, tenant: str, query: str) -> str:
        container = f"silo-{tenant}-database-1"
        return self.run("docker", "exec", container, "psql", "-XAtU", "immich", "-d", "immich", "-c", query).strip()

    def valkey(self, tenant: str, *command: str) -> str:
        script = 'REDISCLI_AUTH=$(cat /run/secrets/cache_password) exec valkey-cli "$@"'
        return self.run("docker", "exec", f"silo-{tenant}-cache-1", "sh", "-c", script, "sh", *command).strip()

    def files(self) -> str:
        """Every file and directory of the platform with owner, mode and time, but what services write all the time."""
        busy = r"-path '*/database/*' -o -path '*/queue/*' -o -path '*/backups/*' -o -path '*/uploads/*'"
        script = rf"find /srv/silo /instances \( {busy} \) -prune -o -printf '%p %u %g %m %T@\n' | sort"
        return self.shell(script)
