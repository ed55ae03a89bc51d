"""Where the file systems under test are: reads and writes go past the module, so that it is not its own witness."""

from __future__ import annotations

import base64
import functools
import io
import json
import re
import shlex
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible

from tests.failures.record import LOG, command_line

REPOSITORY = Path(__file__).parents[3]
MIB = 2**20
BASE = "/srv/silo-quota-test"
ROOT = f"{BASE}/instances"
IMAGE = f"{BASE}/nas.img"
LIBRARY = "/usr/local/lib/silo-quota-test"


@dataclass(frozen=True)
class Kind:
    """A file system: how it is made, and how it says that a limit is reached."""

    name: str
    make: str
    mount_options: str
    enable: str
    full: str
    commit: str


KINDS = {
    "btrfs": Kind(
        "btrfs",
        "mkfs.btrfs -q",
        "loop",
        f"btrfs quota enable --simple {ROOT}",
        "Disk quota exceeded",
        f"btrfs filesystem sync {ROOT}",
    ),
    "xfs": Kind("xfs", "mkfs.xfs -q", "loop,prjquota", "true", "No space left on device", f"sync -f {ROOT}"),
}


@dataclass(frozen=True)
class Machine:
    """A lab's container, or a virtual machine of it, with one kind of file system."""

    kind: Kind
    shell: tuple[str, ...]
    """What stands before a script that is to be run there, up to `sh -c`."""
    remote: bool
    """Whether the script passes through another shell on its way."""

    def run(
        self, script: str, uid: int = 0, text: str | None = None, shown: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a script. The action log gets `shown` in its place."""
        user = f"setpriv --reuid {uid} --regid {uid} --clear-groups " if uid else ""
        command = f"export LC_ALL=C; {user}sh -c {shlex.quote(script)}"
        argv = [*self.shell, shlex.quote(command) if self.remote else command]
        with LOG.action(self.kind.name, shown or command_line([script])) as action:
            done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=900)
            action.end(done.returncode, done.stdout, done.stderr)
        return done

    def must(self, script: str, uid: int = 0, text: str | None = None) -> str:
        done = self.run(script, uid, text)
        assert done.returncode == 0, f"{script}: {done.stderr}"
        return done.stdout

    def bring(self) -> None:
        """Bring the modules, and what they import, once: an emulated processor takes seconds to compile it anew."""
        self.must(f"mkdir -p {LIBRARY} && base64 -d | tar -xzC {LIBRARY}", text=base64.b64encode(library()).decode())

    def leave(self) -> None:
        """Remove what was brought."""
        self.must(f"rm -r {LIBRARY}")

    def module(self, name: str, values: dict[str, Any], check: bool) -> dict[str, Any]:
        """Call a module as Ansible does, with its arguments as JSON; that Ansible finds it is for others to prove."""
        arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {**values, "_ansible_check_mode": check}})
        program = f"python3 -m ansible_collections.swissphoto.silo.plugins.modules.{name}"
        done = self.run(f"cd {LIBRARY} && exec {program}", text=arguments, shown=f"{name} {json.dumps(values)}")
        # One that was killed says nothing.
        answer: dict[str, Any] = json.loads(done.stdout or json.dumps({"failed": True, "msg": done.stderr}))
        return answer

    def quota(self, *tenants: dict[str, Any], root: str = ROOT, check: bool = False, **options: Any) -> dict[str, Any]:
        # The limits of customers are larger than the disks of tests.
        values = {"root": root, "tenants": list(tenants), "overcommit": 1e6, **options}
        return self.module("storage_quota", values, check)

    def info(self, **options: Any) -> dict[str, Any]:
        return self.module("storage_quota_info", {"root": ROOT, **options}, check=False)

    def trash(self, state: str, *tenants: dict[str, Any], check: bool = False, **options: Any) -> dict[str, Any]:
        values = {"root": ROOT, "state": state, "tenants": list(tenants), **options}
        return self.module("storage_trash", values, check)

    def write(self, path: str, mebibytes: int, uid: int) -> subprocess.CompletedProcess[str]:
        return self.run(f"dd if=/dev/zero of={path} bs=1M count={mebibytes} conv=fsync", uid)

    def commit(self) -> None:
        """What is used is counted when the file system commits; btrfs does so by itself every 30 seconds."""
        self.must(self.kind.commit)

    def limits(self) -> dict[int, int]:
        """Quota id to limit in bytes, as the file system's own tool tells them."""
        if self.kind.name == "btrfs":
            found = re.findall(r"^1/(\d+) .* (\d+) ", self.must(f"btrfs qgroup show -re --raw {ROOT}"), re.MULTILINE)
            return {int(number): int(limit) for number, limit in found}
        report = self.must(f"xfs_quota -x -c 'report -p -n -N -b' {ROOT}")
        rows = [line.split() for line in report.splitlines() if line.startswith("#")]
        return {int(row[0][1:]): int(row[3]) * 1024 for row in rows if row[0] != "#0"}

    def numbers(self) -> set[str]:
        """All that the file system counts, or keeps a limit for, but for what it counts as its own."""
        if self.kind.name == "btrfs":
            return set(re.findall(r"^\d+/\d+", self.must(f"btrfs qgroup show {ROOT}"), re.MULTILINE)) - {"0/5"}
        report = self.must(f"xfs_quota -x -c 'report -p -n -N -b -i' {ROOT}")
        return set(re.findall(r"^#\d+", report, re.MULTILINE)) - {"#0"}

    def make(self) -> None:
        """Make an empty file system, as the role `nas` does."""
        self.release()
        self.must(f"mkdir -p {ROOT} && truncate -s 2G {IMAGE} && {self.kind.make} {IMAGE}")
        self.mount()
        self.must(f"touch {ROOT}/.silo-nas && chmod 0711 {ROOT} && {self.kind.enable}")

    def mount(self, options: str = "") -> None:
        self.must(f"mount -o {options or self.kind.mount_options} {IMAGE} {ROOT}")

    def release(self) -> None:
        self.run(f"umount --lazy {ROOT} 2>/dev/null; rm -rf {BASE}")


@functools.cache
def library() -> bytes:
    """Return an archive of Ansible's library for modules and of the collection's modules."""
    ours, theirs = REPOSITORY / "plugins", Path(ansible.__file__).parent
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in ("__init__.py", "_vendor", "release.py", "module_utils"):
            archive.add(theirs / name, f"ansible/{name}", filter=_source)
        for name in ("modules", "module_utils"):
            archive.add(ours / name, f"ansible_collections/swissphoto/silo/plugins/{name}", filter=_source)
    return stream.getvalue()


def _source(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return entry if entry.isdir() or entry.name.endswith(".py") else None


def tenant(name: str, number: int, limit: str = "50M") -> dict[str, Any]:
    return {"name": name, "id": number, "uid": 200000 + number, "gid": 200000, "limit": limit}


def deleted(name: str, number: int, when: str = "2026-11-23T16:57:05+00:00") -> dict[str, Any]:
    return {"name": name, "id": number, "when": when}


def place(name: str, number: int) -> str:
    return f"{ROOT}/.trash/20261123T165705Z-{name}-{number}"
