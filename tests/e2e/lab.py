"""The lab's server, looked at with its own tools and not with those under test."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import subprocess
import typing as t
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.failures.record import LOG, command_line

METRICS = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8087/metrics').read().decode())"


@dataclasses.dataclass(frozen=True)
class Lab:
    """A lab as lab.json describes it."""

    container: str
    address: str
    domain: str
    ca_file: str
    resolver: str

    @classmethod
    def load(cls, path: Path) -> Lab:
        known = json.loads(path.read_text())
        return cls(*(known[field.name] for field in dataclasses.fields(cls)))

    def try_run(self, *command: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run `command` on the server."""
        with LOG.action("server", command_line(command)) as action:
            result = subprocess.run(
                ["docker", "exec", "-i", self.container, *command],
                input=text,
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            action.end(result.returncode, result.stdout, result.stderr)
        return result

    def run(self, *command: str, text: str = "") -> str:
        """Run `command` on the server; a failure is the test's."""
        result = self.try_run(*command, text=text)
        if result.returncode:
            pytest.fail(f"{command_line(command)}: code {result.returncode}: {result.stderr or result.stdout}")
        return result.stdout

    def shell(self, script: str) -> str:
        return self.run("sh", "-euc", script)

    @contextlib.contextmanager
    def without_recovery(self) -> Iterator[None]:
        """A time in which nothing brings back what a test takes away."""
        self.run("systemctl", "stop", "silo-recovery.timer", "silo-recovery.service")
        try:
            yield
        finally:
            self.run("systemctl", "start", "silo-recovery.timer")

    def neighbour(self) -> list[str]:
        """The words before a command that make it one of another machine in the server's network.

        That machine is there already: a new one would be a new interface of this machine, and a browser that another
        test has open ends its connections when it sees one.
        """
        name = ("docker", "inspect", "--format", "{{.State.Pid}}", f"{self.container}-internet")
        return ["nsenter", f"--net=/proc/{subprocess.check_output(name, text=True).strip()}/ns/net"]

    def inspect(self, container: str) -> dict[str, t.Any]:
        return dict(json.loads(self.run("docker", "inspect", container))[0])

    def running(self) -> dict[str, str]:
        """Container name to a line with its id, start and process, of all that run."""
        form = "{{.Name}} {{.Id}} {{.State.StartedAt}} {{.State.Pid}}"
        lines = self.shell(f"docker inspect -f '{form}' $(docker ps -q)").splitlines()
        return {line.split()[0]: line for line in lines}

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
        return str(network["IPAddress"])

    def gateway(self, tenant: str) -> str:
        (network,) = json.loads(self.run("docker", "network", "inspect", f"silo-{tenant}_default"))
        return str(network["IPAM"]["Config"][0]["Gateway"])

    def psql(self, tenant: str, query: str) -> str:
        container = f"silo-{tenant}-database-1"
        return self.run("docker", "exec", container, "psql", "-XAtU", "immich", "-d", "immich", "-c", query).strip()

    def _valkey(self, tenant: str, *command: str) -> list[str]:
        script = 'export REDISCLI_AUTH=$(cat /run/secrets/cache_password); exec timeout 60 valkey-cli "$@"'
        return ["docker", "exec", f"silo-{tenant}-cache-1", "sh", "-c", script, "sh", *command]

    def valkey(self, tenant: str, *command: str) -> str:
        return self.run(*self._valkey(tenant, *command)).strip()

    @contextlib.contextmanager
    def queue_traffic(self, tenant: str) -> Iterator[list[str]]:
        """The commands that a tenant's Valkey gets meanwhile; they are all there when the context has ended."""
        seen: list[str] = []
        command = ["docker", "exec", self.container, *self._valkey(tenant, "MONITOR")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as monitor:
            assert monitor.stdout
            assert monitor.stdout.readline() == "OK\n"
            yield seen
            end = uuid.uuid4().hex
            self.valkey(tenant, "ECHO", end)
            for line in monitor.stdout:
                if end in line:
                    break
                seen.append(line)
            monitor.kill()

    def predictions(self, tenant: str) -> dict[str, int]:
        """What became of a tenant's requests to the machine learning, as the gate counts them."""
        text = self.run("python3", "-c", METRICS)
        found = re.findall(rf'silo_learning_requests_total{{tenant="{tenant}",outcome="(\w+)"}} (\d+)', text)
        return {"answered": 0, "refused": 0, "busy": 0, **{outcome: int(number) for outcome, number in found}}

    def quota(self, index: int, root: str = "/instances") -> int:
        """The limit in bytes of the tenant with this index, as the file system has it."""
        groups = json.loads(self.run("btrfs", "--format", "json", "qgroup", "show", "-re", "--raw", root))
        (limit,) = [group["max_referenced"] for group in groups["qgroup-show"] if group["qgroupid"] == f"1/{index}"]
        return int(limit)

    def files(self) -> str:
        """Every file and directory of the platform with owner, mode and time; what services write is left out."""
        places = ("database", "queue", "backups", "uploads", "traefik/certificates")
        busy = " -o ".join(f"-path '*/{place}'" for place in places)
        facts = "%p %u %g %m"
        roots = "/srv/silo /databases /instances"
        script = rf"find {roots} \( {busy} \) -prune -printf '{facts}\n' -o -printf '{facts} %T@\n'"
        return self.shell(f"{script} | sort")
