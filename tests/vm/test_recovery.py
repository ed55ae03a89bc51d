"""A server that boots while its NAS is off: its tenants come back with the NAS, and nothing is written beside it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest

from tests.lab.vm.guest import Guest

from .storage import LOADS, TENANT, Storage

DIRECTORY = "/srv/silo/tenants/hans"
UPLOADS = "/instances/hans/uploads"
# As the role writes them for a tenant; its one service stands for the photo server.
FILES = {
    ".env": f"TENANT_STATE=running\nTENANT_STORAGE={UPLOADS}\nSERVER_DIGEST=1\n",
    ".admin-created": "",
    "compose.yaml": f"""
name: silo-hans
services:
  server:
    image: {LOADS}
    command: [sh, /uploader]
    user: "{TENANT["uid"]}:{TENANT["gid"]}"
    network_mode: none
    restart: unless-stopped
    logging: {{driver: journald}}
    labels: {{ch.swissphoto.silo.tenant: hans, ch.swissphoto.silo.service: server}}
    volumes:
      - {{type: bind, source: {UPLOADS}, target: /data, bind: {{create_host_path: false}}}}
      - {{type: bind, source: {DIRECTORY}/uploader, target: /uploader, read_only: true}}
""",
    # As the photo server does it: a photo counts as stored, and is told so, when it was written through to the disk.
    "uploader": """
name=$(cat /proc/sys/kernel/random/uuid)
number=0
while :; do
  number=$((number + 1))
  dd status=none if=/dev/urandom of="/data/$name-$number.jpg" bs=100k count=1 iflag=fullblock conv=fsync || exit 1
  sha256sum "/data/$name-$number.jpg"
  sleep 0.2
done
""",
}
STORED = re.compile(r"^([0-9a-f]{64})  /data/(\S+)$", re.MULTILINE)


@pytest.fixture
def tenant(storage: Storage, loads: Guest) -> Iterator[Guest]:
    """The server on which hans runs, and the recovery looks after him."""
    loads.ssh(f"mkdir -p {DIRECTORY}")
    for name, text in FILES.items():
        loads.ssh(f"cat >{DIRECTORY}/{name} <<'END'\n{text.strip()}\nEND\n")
    loads.ssh(f"systemctl --quiet enable docker; cd {DIRECTORY} && docker compose --progress quiet up --detach")
    storage.run("ansible", "server", "-m", "include_role", "-a", "name=swissphoto.silo.recovery")
    # What a server was made of minutes ago is on its disk when the power goes.
    loads.ssh("sync")
    yield loads
    storage.machines.up(["nas"])
    loads.ssh("systemctl --quiet disable --now docker silo-recovery.timer; systemctl start docker")
    loads.ssh(f"docker rm --force silo-hans-server-1; rm -r {DIRECTORY}")
    storage.machines.guest("nas").ssh(f"find {UPLOADS} -name '*.jpg' -delete")


def stored(server: Guest) -> dict[str, str]:
    """What the uploader was told is stored, since the server was booted: name to digest."""
    said = server.ssh("journalctl --quiet --output=cat --boot CONTAINER_NAME=silo-hans-server-1")
    return {name: digest for digest, name in STORED.findall(said)}


def wait_until(met: Callable[[], bool], what: str, seconds: int = 180) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(1)


@pytest.mark.fault(1, 6, 7)
def test_a_server_that_boots_without_its_nas_waits_for_it(storage: Storage, nas: Guest, tenant: Guest) -> None:
    wait_until(lambda: len(stored(tenant)) > 5, "nothing is uploaded")
    before = stored(tenant)
    nas.cut()
    tenant.cut()
    storage.machines.up(["server"])
    said = "journalctl --quiet --output=cat --unit=silo-recovery.service --boot"
    wait_until(lambda: "no container starts until this is fixed" in tenant.ssh(said), "the recovery says nothing")
    assert tenant.ssh("docker ps --quiet") == ""
    assert tenant.ssh("findmnt --types nfs4 /instances; ls -A /instances") == ""
    assert stored(tenant) == {}

    storage.machines.up(["nas"])
    # Nobody mounts or starts anything by hand.
    wait_until(lambda: len(stored(tenant)) > 5, "nobody brought the tenant back")
    tenant.ssh("docker stop --time 1 silo-hans-server-1")
    listed = nas.ssh(f"cd {UPLOADS} && sha256sum *.jpg").splitlines()
    found = {name: digest for digest, name in (line.split() for line in listed)}
    known = before | stored(tenant)
    assert {name: found.get(name) for name in known} == known
