"""Storage on a NAS of its own: its wall, its rights, and what happens when it hangs, is cut off, and comes back."""

from __future__ import annotations

import hashlib
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from tests.lab.vm.guest import Guest

from .storage import Storage

MIB = 2**20
# XFS counts a block of its own, a file's list of extents, when data it took under the limit reaches the disk.
OWN_BLOCKS = 16 * 4096
UPLOADS = "/instances/hans/uploads"
HANS = "setpriv --reuid 200001 --regid 200001 --clear-groups"
# As the photo server does it: a file counts as stored, and is told so, when it was written through to the disk.
UPLOADER = """
import hashlib, os, sys
for number in range(100000):
    content = os.urandom(200000)
    with open(f"{sys.argv[1]}/{number}.jpg", "xb") as file:
        file.write(content)
        os.fsync(file.fileno())
    print(number, hashlib.sha256(content).hexdigest(), flush=True)
"""


@pytest.fixture(autouse=True)
def empty(server: Guest, nas: Guest) -> Iterator[None]:
    """Each test leaves an empty store behind."""
    yield
    # The rest of a write that did not fit is given up when there is room for it, and only then is its file.
    limit = "xfs_quota -x -c 'limit -p bhard={} 1' /instances"
    nas.ssh(limit.format("2g"))
    server.ssh(f"sync; cd /; {HANS} find {UPLOADS} -mindepth 1 -not -name backups -delete; sync")
    nas.ssh(limit.format("200m"))


class Uploads:
    """An uploader on the server that writes until it is stopped; `stored` is what it was told is stored."""

    def __init__(self, server: Guest) -> None:
        self.stored: dict[int, str] = {}
        known = server.record()
        ssh = ["ssh", "-F", "none", "-o", f"UserKnownHostsFile={known.known_hosts}", "-i", known.ssh_key]
        script = f"{HANS} python3 -u - {UPLOADS}"
        self.process = subprocess.Popen(
            [*ssh, f"root@{known.address}", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdin
        self.process.stdin.write(UPLOADER)
        self.process.stdin.close()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            number, digest = line.split()
            self.stored[int(number)] = digest

    def wait_for(self, more: int) -> None:
        """Wait until so many more files are stored."""
        wanted = len(self.stored) + more
        deadline = time.monotonic() + 240
        while len(self.stored) < wanted:
            assert self.process.poll() is None, "the uploader ended"
            assert time.monotonic() < deadline, f"{len(self.stored)} of {wanted} files are stored"
            time.sleep(0.2)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def uploads(server: Guest) -> Iterator[Uploads]:
    uploads = Uploads(server)
    yield uploads
    uploads.stop()
    server.ssh("pkill -u 200001", check=False)


def store(server: Guest, name: str, mebibytes: int) -> str:
    """Store a file as the customer's photo server does; what went wrong."""
    write = f"{HANS} dd status=none if=/dev/zero of={UPLOADS}/{name} bs=1M count={mebibytes} conv=fsync"
    return server.ssh(f"cd /; {write} 2>&1; true").strip()


def digests(nas: Guest) -> dict[int, str]:
    """What lies on the NAS, read there and not over NFS."""
    listed = nas.ssh(f"cd {UPLOADS} && sha256sum *.jpg")
    return {int(name.removesuffix(".jpg")): digest for digest, name in (line.split() for line in listed.splitlines())}


def probe(server: Guest) -> str:
    """The answer of the storage as the roles look at it: within a time, or not at all."""
    return server.ssh("timeout -s KILL 10 test -f /instances/.silo-nas; echo $?", check=False).strip()


def test_a_second_run_changes_nothing(storage: Storage) -> None:
    output = storage.playbook()
    assert re.findall(r"changed=(\d+)", output) == ["0", "0"]
    assert '"changed": false' in storage.quota() or "changed: false" in storage.quota()


def test_the_nas_is_open_to_its_clients_alone(server: Guest, nas: Guest) -> None:
    """It is looked at from the server, and from here, where nobody is a client; the mount is that of all tests."""
    address = nas.record().address
    from_server = f"timeout 5 bash -c '</dev/tcp/{address}/{{}}' && echo open || echo closed"

    def open_here(port: int) -> bool:
        try:
            socket.create_connection((address, port), timeout=5).close()
        except TimeoutError:
            return False
        return True

    nas.ssh("systemd-run --unit silo-door --collect python3 -m http.server 8099")
    try:
        nas.ssh("until ss -Hltn | grep -q :8099; do sleep 0.2; done")
        assert [server.ssh(from_server.format(port)).strip() for port in (2049, 8099)] == ["open", "closed"]
        assert [open_here(port) for port in (22, 2049, 8099)] == [True, False, False]
        nas.ssh("nft delete table inet silo_firewall")
        assert [open_here(port) for port in (2049, 8099)] == [True, True]
    finally:
        nas.ssh("systemctl stop silo-door; systemctl reload silo-firewall")


def test_a_server_reaches_the_nas_as_root_and_by_its_mount_alone(server: Guest, nas: Guest) -> None:
    """The NAS believes what an address of its clients says of its user, and a tenant's process has that address."""
    reach = f"timeout 5 bash -c '</dev/tcp/{nas.record().address}/2049' 2>/dev/null && echo open || echo closed"

    def reached(who: str = "") -> str:
        return server.ssh(f"cd /; {who} {reach}").strip()

    assert [reached(), reached(HANS)] == ["open", "closed"]
    try:
        # The kernel's own client connects anew, and the tenant's user writes by it.
        server.ssh("cd /; umount /instances && timeout 60 mount /instances")
        assert store(server, "photo", 1) == ""
        server.ssh("nft delete table inet silo_firewall")
        assert reached(HANS) == "open"
    finally:
        server.ssh("systemctl reload silo-firewall")
    assert reached(HANS) == "closed"


def test_the_wall_holds_over_nfs_and_is_seen_there(server: Guest, nas: Guest) -> None:
    size = server.ssh(f"stat -f -c '%b %S' {UPLOADS}").split()
    assert int(size[0]) * int(size[1]) == 200 * MIB
    store(server, "photo", 150)
    assert "No space left on device" in store(server, "film", 100)
    assert int(nas.ssh("du -s --block-size=1 /instances/hans").split()[0]) <= 200 * MIB + OWN_BLOCKS
    # The customer deletes, and goes on.
    server.ssh(f"{HANS} rm {UPLOADS}/film {UPLOADS}/photo")
    assert store(server, "photo", 100) == ""


def test_a_limit_grows_and_shrinks_under_a_mount_that_stays(storage: Storage, server: Guest) -> None:
    mounted = server.ssh("findmnt -n -o ID /instances")
    storage.quota(limit="300M")
    assert store(server, "film", 250) == ""
    refused = storage.try_run(
        "ansible",
        "nas",
        "-m",
        "swissphoto.silo.storage_quota",
        "-a",
        '{"root": "/instances", "tenants": [{"name": "hans", "id": 1, "uid": 200001, "gid": 200000, "limit": "200M"}]}',
    )
    assert "more than the new limit of 200M; nothing was changed" in refused.output
    server.ssh(f"{HANS} rm {UPLOADS}/film")
    storage.quota(limit="200M")
    assert server.ssh("findmnt -n -o ID /instances") == mounted


def test_a_servers_root_passes_through_and_does_no_more(server: Guest) -> None:
    """What Docker needs to mount a tenant's directory, and nothing that escapes a quota or reads a customer."""
    assert server.ssh(f"test -d {UPLOADS}/backups || stat {UPLOADS} >/dev/null; echo $?").strip() == "0"
    for forbidden in ("ls /instances", f"ls {UPLOADS}", "touch /instances/free", "touch /instances/hans/free"):
        assert "Permission denied" in server.ssh(f"{forbidden} 2>&1; true"), forbidden
    assert "Permission denied" in server.ssh("cat /instances/.silo-ids 2>&1; true")


def test_a_project_cannot_be_left_over_nfs(server: Guest) -> None:
    script = "import fcntl, os; fcntl.ioctl(os.open('.', os.O_RDONLY), 0x401c5820, bytes(28))"
    said = server.ssh(f'cd {UPLOADS} && {HANS} python3 -c "{script}" 2>&1; true')
    assert "Inappropriate ioctl for device" in said


@pytest.mark.fault(6)
def test_nothing_is_written_beside_the_mount(storage: Storage, server: Guest) -> None:
    server.ssh("umount /instances")
    try:
        assert server.ssh("ls -A /instances") == ""
        for command in ("mkdir -p /instances/hans/uploads", "touch /instances/film"):
            assert "Operation not permitted" in server.ssh(f"{command} 2>&1; true"), command
    finally:
        # The role mounts it again; no hand is needed.
        storage.playbook("--limit", "servers")
    assert probe(server) == "0"


@pytest.mark.fault(6, 7)
def test_a_power_cut_in_the_middle_of_uploads_loses_nothing_that_was_stored(
    nas: Guest, server: Guest, uploads: Uploads, storage: Storage
) -> None:
    uploads.wait_for(20)
    nas.cut()
    acknowledged = len(uploads.stored)
    assert probe(server) == "137", "the storage answers, though the NAS is off"
    # A file or two may have been on their way when the power went; no more is stored without a NAS.
    assert len(uploads.stored) <= acknowledged + 2
    storage.machines.up(["nas"])
    # The uploader goes on by itself: nobody restarted it, or mounted anything.
    uploads.wait_for(20)
    uploads.stop()
    found = digests(nas)
    stored = dict(uploads.stored)
    assert {number: found.get(number) for number in stored} == stored
    # The wall stands as before.
    report = nas.ssh("xfs_quota -x -c 'report -p -n -N -b' /instances")
    assert re.search(r"^#1 +\d+ +0 +204800 ", report, re.MULTILINE), report


@pytest.mark.fault(6)
def test_a_nas_that_hangs_does_not_hang_the_operator(
    nas: Guest, server: Guest, uploads: Uploads, storage: Storage
) -> None:
    uploads.wait_for(5)
    nas.pause()
    try:
        assert probe(server) == "137"
        run = storage.try_run("ansible", "nas", "-m", "swissphoto.silo.storage_quota_info", "-a", "root=/instances")
        assert run.code != 0
        assert "UNREACHABLE" in run.output, run.output
        on_server = storage.try_run("ansible-playbook", "tests/vm/storage.yml", "--limit", "servers")
        assert on_server.code != 0
        assert "is not the NAS, or it does not answer" in on_server.output
    finally:
        nas.resume()
    uploads.wait_for(5)
    uploads.stop()
    stored = dict(uploads.stored)
    found = digests(nas)
    assert {number: found.get(number) for number in stored} == stored


def test_the_digest_of_the_uploader_is_that_of_the_file(server: Guest) -> None:
    """The witness itself: what the uploader prints is what sha256sum finds."""
    server.ssh(f"{HANS} sh -c 'printf photo >{UPLOADS}/0.jpg'")
    found = server.ssh(f"{HANS} sha256sum {UPLOADS}/0.jpg").split()[0]
    assert found == hashlib.sha256(b"photo").hexdigest()
