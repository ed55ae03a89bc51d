"""A container as it should be, from which each test breaks one thing."""

import dataclasses
import json

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.container import Found, Item
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.expected import parse
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.limits import Limits
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.process import CAPABILITIES, Process
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.subjects import Container, Server, Tenant
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.health import Questions

GIB = 1024**3
DIGEST = "sha256:" + "ab" * 32
RULES = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}


class Given:
    """What is expected of hans and maria, and what is there: as expected."""

    def __init__(self, root):
        self.root = root
        self.seccomp = root / "seccomp.json"
        self.seccomp.write_text(json.dumps(RULES))
        self.questions = Questions(lambda _address: True)
        self.logs = {"7f3a": b"\1\0\0\0\0\0\0\6ready\n"}
        self.parameters = {
            "server": "silo1",
            "known": ["hans", "maria"],
            "shared": [self.shared_item("traefik", port=0), self.shared_item("pages", port=8080)],
            "tenants": [self.tenant_item("hans", 1), self.tenant_item("maria", 2)],
            "sentinel": str(root / "nas" / ".silo-nas"),
            "firewall": str(root / "firewall.nft"),
            "seccomp": str(self.seccomp),
            "machine_learning_port": 3003,
            "firewall_input_enabled": True,
            "ports": [2283, 5432, 6379],
            "ssh_keys_only": True,
            "patience": 1.0,
            "source_connections": 400,
            "connections": 4000,
            "bridge_connections": 100,
            "limited_ports": [80, 443],
            "tenant_interfaces": ["im-*"],
            "root_ports": [2049],
        }

    def shared_item(self, name, port):
        return {
            "name": name,
            "container": f"{name}-1",
            "image": f"registry/{name}@{DIGEST}",
            "memory": GIB,
            "uid": 200001,
            "processes": 64,
            "memory_order": 100,
            "open_files": 16384,
            "writable": ["/data", "/tmp", "/var/run/postgresql"],
            "port": port,
        }

    def tenant_item(self, name, index, state="running"):
        return {
            "name": name,
            "state": state,
            "uid": 200000 + index,
            "directory": str(self.root / "tenants" / name),
            "disk": str(self.root / "disk" / name),
            "storage": str(self.root / "nas" / name),
            "gateway": f"10.83.0.{16 * index + 1}",
            "bridge": f"im-{index}",
            "secrets": ["database_password", "cache_password", "valkey.conf"],
            "passwords": ["database_password", "cache_password"],
            "configuration": ["immich.json"],
            "folders": ["backups", "database", "queue"],
            "services": [
                {
                    "name": service,
                    "image": f"registry/{service}:1@{DIGEST}",
                    "memory": GIB,
                    "processes": 64,
                    "memory_order": 100,
                    "open_files": 16384,
                    "writable": ["/data", "/tmp", "/var/run/postgresql"],
                    "address": f"10.83.0.{16 * index + place}",
                    "port": port,
                }
                for place, (service, port) in enumerate(
                    {"server": 2283, "database": 5432, "cache": 6379}.items(), start=2
                )
            ],
        }

    @property
    def expected(self):
        return parse(self.parameters)

    def server(self, runner=None, ask=None):
        return Server(
            self.expected, runner, ask, read_log=lambda identity: self.logs[identity], questions=self.questions
        )

    def container(self, **changes):
        """That of hans' photo server, of which some differs."""
        server = self.server()
        return Container(server, self.service, self.found(**changes), Tenant(server, self.hans))

    def shared(self, **changes):
        """That of Traefik."""
        server = self.server()
        return Container(server, server.expected.shared[0], self.found(**changes))

    @property
    def hans(self):
        return self.expected.tenants[0]

    @property
    def service(self):
        return self.hans.services[0]

    def process(self, **changes):
        values = {
            "number": 42,
            "name": "node",
            "users": frozenset({200001}),
            "groups": frozenset({200001}),
            "capabilities": dict.fromkeys(CAPABILITIES, 0),
            "no_new_privileges": True,
            "seccomp": 2,
            "memory_order": 100,
            "dumps": False,
            "open_files": 16384,
            "arguments": b"node\0server.js\0",
            "environment": b"IMMICH_ALLOW_SETUP=false\0HOME=/\0",
        }
        return Process(**(values | changes))

    def details(self, **host):
        return {
            "Id": "7f3a",
            "Image": "sha256:1",
            "HostConfig": {"SecurityOpt": ["no-new-privileges:true", f"seccomp={json.dumps(RULES)}"], **host},
            "Mounts": [{"Source": str(self.root / "nas" / "hans" / "uploads")}],
            "NetworkSettings": {"SandboxKey": "/var/run/docker/netns/1"},
        }

    def found(self, **changes):
        mounts = (
            Mount("/", "overlay", writable=False, size_limited=False),
            Mount("/proc", "proc", writable=True, size_limited=False),
            Mount("/dev", "tmpfs", writable=True, size_limited=True),
            Mount("/dev/shm", "tmpfs", writable=True, size_limited=True),
            Mount("/data", "btrfs", writable=True, size_limited=False),
            Mount("/tmp", "tmpfs", writable=True, size_limited=True),
            Mount("/run/postgresql", "tmpfs", writable=True, size_limited=True),
            Mount("/run/secrets/database_password", "ext4", writable=False, size_limited=False),
        )
        values = {
            "details": self.details(),
            "digests": (f"registry/server@{DIGEST}",),
            "pid": 42,
            "processes": (self.process(),),
            "mounts": mounts,
            "limits": Limits(GIB, 0, 64),
        }
        return Found(**(values | changes))

    def item(self, **changes):
        values = {
            "identity": "1",
            "name": "silo-hans-server-1",
            "state": "running",
            "status": "Up 3 minutes (healthy)",
            "tenant": "hans",
            "addresses": ("10.83.0.18",),
            "published": (),
            "sources": (),
        }
        return Item(**(values | changes))

    def mounted(self, **changes):
        """The mounts, of which some are changed: point to the field that differs, and None is gone."""
        kept = (mount for mount in self.found().mounts if changes.get(mount.point, 1) is not None)
        return tuple(dataclasses.replace(mount, **changes.get(mount.point, {})) for mount in kept)


@pytest.fixture
def given(tmp_path):
    return Given(tmp_path)
