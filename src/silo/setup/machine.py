"""What a machine says of itself over SSH, before anything is changed on it."""

from __future__ import annotations

import dataclasses
import os
import re
import tempfile
import time
import typing as t
from collections.abc import Iterable, Mapping
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json, process
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo.setup.errors import SetupError
from silo.setup.host_keys import HostKey
from silo.setup.target import Target

SECONDS = 60
CONNECT_SECONDS = 10
LARGEST = 1024**2
# Each line begins with a word that says what it is of. It reads, and changes nothing.
SCRIPT = r"""
export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
echo "user $(id -u)"
(. /etc/os-release && echo "system $ID $VERSION_ID")
sed -n 's/^MemTotal: *\([0-9]*\) kB$/memory \1/p' /proc/meminfo
echo "free $(df --output=avail --block-size=1 /var/lib | tail -n 1)"
command -v python3 >/dev/null && echo "python yes"
dpkg-query --show --showformat 'engine ${Package} ${db:Status-Status}\n' docker-ce 2>/dev/null
ss -Hltnp 2>/dev/null | sed 's/^/tcp /'
ss -Hlunp 2>/dev/null | sed 's/^/udp /'
echo "disks $(lsblk --json --bytes --paths --output NAME,TYPE,SIZE,FSTYPE,MOUNTPOINTS,RO,ROTA 2>/dev/null | tr -d '\n')"
find /dev/disk/by-id -type l -printf 'link %f %l\n' 2>/dev/null
echo "time $(date +%s.%N)"
"""
LISTENS = re.compile(
    r"\S+ +\d+ +\d+ +(?P<address>\S+):(?P<port>\d{1,5}) +\S+(?: +users:\(\(\"(?P<name>[^\"]{1,64})\".*)?", re.ASCII
)
LOCAL = re.compile(r"127\.\d+\.\d+\.\d+(?:%\S+)?|\[::1\]|\[::ffff:127\.\d+\.\d+\.\d+\]", re.ASCII)
DEVICE = re.compile(r"/dev/[A-Za-z0-9_./:+@-]{1,200}", re.ASCII)
# The kinds of device on which a file system is made; the names of those that are no disks.
KINDS = ("disk", "part", "lvm", "raid0", "raid1", "raid5", "raid6", "raid10")
NO_DISKS = ("/dev/zram", "/dev/loop", "/dev/ram", "/dev/sr", "/dev/fd", "/dev/nbd")
# Names of a disk, of which the first that fits is for the inventory: they survive another order at the next boot.
BY_ID = ("nvme-", "ata-", "scsi-", "virtio-", "md-name-", "dm-name-", "wwn-")


@dataclasses.dataclass(frozen=True)
class Listener:
    """A program that waits for connections from outside; `name` is empty where only root may know it."""

    protocol: str
    port: int
    name: str


@dataclasses.dataclass(frozen=True)
class Disk:
    """An empty disk or partition: its path, its size in bytes, and whether it turns."""

    path: str
    size: int
    rotates: bool = False


@dataclasses.dataclass(frozen=True)
class Report:
    """What a machine says: sizes in bytes, `clock` in seconds by which it is ahead of this one.

    `disks` are the empty ones; `links` are further names of all disks, each with the path to which it leads. `is_root`
    is whether the login is root's.
    """

    system: str
    release: str
    memory: int
    free: int
    clock: float
    is_root: bool
    has_python: bool
    has_foreign_engine: bool
    listeners: tuple[Listener, ...]
    disks: tuple[Disk, ...]
    links: tuple[tuple[str, str], ...] = ()

    def real(self, path: str) -> str:
        """Return the path to which a name of a disk leads; the name itself where it is none that is known."""
        return dict(self.links).get(path, path)


def look(target: Target, key: HostKey, ssh_key: Path | None = None) -> Report:
    """Log in and return what the machine says; it must show `key`. Raises SetupError."""
    with tempfile.NamedTemporaryFile("w", suffix=".known_hosts") as known:
        known.write(f"{key.line(target)}\n")
        known.flush()
        before = time.time()
        result = _ssh(target, Path(known.name), ssh_key)
        after = time.time()
    if result.stopped:
        raise SetupError(f"{target}: the look at it {result.stopped}; look at its load and its network")
    if result.rc:
        raise SetupError(f"{target}: {_refusal(target, result.err)}")
    return report(result.out, before, after)


def report(text: str, before: float, after: float) -> Report:
    """Return what the output of SCRIPT says; `before` and `after` are the times here of its begin and end."""
    lines: dict[str, list[str]] = {}
    for line in text.splitlines():
        word, _space, rest = line.partition(" ")
        lines.setdefault(word, []).append(rest.strip())
    system, _space, release = _first(lines, "system").partition(" ")
    listeners = (_listener(kind, line) for kind in ("tcp", "udp") for line in lines.get(kind, []))
    links = _links(lines.get("link", []))
    return Report(
        system=printable(system, 40),
        release=printable(release, 40),
        memory=_number(_first(lines, "memory")) * 1024,
        free=_number(_first(lines, "free")),
        clock=_ahead(_first(lines, "time"), before, after),
        is_root=_first(lines, "user") == "0",
        has_python="python" in lines,
        has_foreign_engine=any(line.endswith(" installed") for line in lines.get("engine", [])),
        listeners=tuple(dict.fromkeys(one for one in listeners if one)),
        disks=_disks(_first(lines, "disks"), links),
        links=tuple(links),
    )


def _ssh(target: Target, known_hosts: Path, ssh_key: Path | None) -> process.Completed:
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(CONNECT_SECONDS),
        "ServerAliveInterval": "10",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "UserKnownHostsFile": str(known_hosts),
    }
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    identity = ["-i", str(ssh_key)] if ssh_key else []
    shell = "sh -s" if target.user == "root" else "sudo -n sh -s"
    command = ["ssh", *flags, *identity, "-p", str(target.port), "-l", target.user, "--", target.host, shell]
    try:
        return process.run(command, seconds=SECONDS, environment=os.environ, text=SCRIPT, largest=LARGEST)
    except FileNotFoundError:
        raise SetupError("ssh is not installed here; install openssh-client") from None


def _refusal(target: Target, said: str) -> str:
    """Return why a login failed and what to do, from the last line of what ssh said."""
    last = printable(next((line for line in reversed(said.splitlines()) if line.strip()), "ssh says nothing"))
    if "Permission denied" in last:
        return f"it takes no key of yours ({last}); put one there with 'ssh-copy-id {target.user}@{target.host}'"
    if "sudo:" in last:
        return f"{target.user} must become root without a password ({last}); allow it in sudoers, or log in as root"
    return f"no login: {last}"


def _first(lines: Mapping[str, list[str]], word: str) -> str:
    return next(iter(lines.get(word, [])), "")


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII) else 0


def _ahead(text: str, before: float, after: float) -> float:
    """Return how far its clock is ahead of ours at least; 0 where the difference may be the time of the call."""
    if not re.fullmatch(r"[0-9]{1,12}\.[0-9]{1,9}", text, re.ASCII):
        return 0.0
    there = float(text)
    return there - after if there > after else min(0.0, there - before)


def _listener(protocol: str, line: str) -> Listener | None:
    found = LISTENS.fullmatch(line)
    if not found or LOCAL.fullmatch(found["address"]):
        return None
    return Listener(protocol, int(found["port"]), printable(found["name"] or "", 40))


def _links(lines: Iterable[str]) -> list[tuple[str, str]]:
    parts = [line.partition(" ") for line in lines]
    return [(f"/dev/disk/by-id/{name}", f"/dev/{target.rpartition('/')[2]}") for name, _space, target in parts]


def _disks(text: str, links: Iterable[tuple[str, str]]) -> tuple[Disk, ...]:
    try:
        found = bounded_json.parse(text, LARGEST)
    except bounded_json.JsonError:
        return ()
    names: dict[str, list[str]] = {}
    for name, path in links:
        names.setdefault(path, []).append(name)
    devices = found.get("blockdevices") if isinstance(found, dict) else None
    return tuple(dict.fromkeys(_empty(devices if isinstance(devices, list) else [], names)))


def _empty(devices: Iterable[t.Any], names: Mapping[str, list[str]]) -> Iterable[Disk]:
    for device in devices:
        if not isinstance(device, dict):
            continue
        below = device.get("children")
        if isinstance(below, list) and below:
            yield from _empty(below, names)
            continue
        path, size = device.get("name"), device.get("size")
        is_used = device.get("fstype") or any(device.get("mountpoints") or ()) or device.get("ro")
        if is_used or device.get("type") not in KINDS or not isinstance(path, str) or not isinstance(size, int):
            continue
        if not DEVICE.fullmatch(path) or path.startswith(NO_DISKS):
            continue
        yield Disk(_stable_name(path, names), size, bool(device.get("rota")))


def _stable_name(path: str, names: Mapping[str, list[str]]) -> str:
    known = [name for name in names.get(path, ()) if DEVICE.fullmatch(name)]
    for start in BY_ID:
        if fitting := [name for name in known if name.startswith(f"/dev/disk/by-id/{start}")]:
            # A name by the model says more to people than one by a number.
            return min(fitting, key=lambda name: ("-eui." in name, len(name), name))
    return path
