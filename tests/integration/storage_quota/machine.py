"""Where the file systems under test are: reads and writes go past the module, so that it is not its own witness."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[3]
MIB = 2**20
BASE = "/srv/silo-quota-test"
ROOT = f"{BASE}/instances"
IMAGE = f"{BASE}/nas.img"


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
    variables: Mapping[str, str]
    """How Ansible reaches it."""

    def run(self, script: str, uid: int = 0) -> subprocess.CompletedProcess[str]:
        user = f"setpriv --reuid {uid} --regid {uid} --clear-groups " if uid else ""
        text = f"export LC_ALL=C; {user}sh -c {shlex.quote(script)}"
        argv = [*self.shell, shlex.quote(text) if self.remote else text]
        return subprocess.run(argv, capture_output=True, text=True, timeout=240)

    def must(self, script: str, uid: int = 0) -> str:
        done = self.run(script, uid)
        assert done.returncode == 0, f"{script}: {done.stderr}"
        return done.stdout

    def module(self, name: str, values: dict[str, Any], *flags: str) -> dict[str, Any]:
        ansible = [str(Path(sys.executable).with_name("ansible")), "machine", "-i", "machine,", *flags]
        argv = [*ansible, "-e", json.dumps(self.variables), "-m", f"swissphoto.silo.{name}", "-a", json.dumps(values)]
        # Who calls may want colours; the answer is read by a program.
        settings = {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
        settings |= {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg")}
        done = subprocess.run(
            argv, env=os.environ | settings, cwd=REPOSITORY, capture_output=True, text=True, timeout=240
        )
        answer = re.search(r"^\S+ \| \S+ => (\{.*^\})", done.stdout, re.MULTILINE | re.DOTALL)
        assert answer, f"{done.stdout}{done.stderr}"
        result: dict[str, Any] = json.loads(answer[1])
        return result

    def quota(self, *tenants: dict[str, Any], root: str = ROOT, check: bool = False, **options: Any) -> dict[str, Any]:
        # The limits of customers are larger than the disks of tests.
        values = {"root": root, "tenants": list(tenants), "overcommit": 1e6, **options}
        return self.module("storage_quota", values, *(["--check"] if check else []))

    def info(self, **options: Any) -> dict[str, Any]:
        return self.module("storage_quota_info", {"root": ROOT, **options})

    def trash(self, state: str, *tenants: dict[str, Any], check: bool = False, **options: Any) -> dict[str, Any]:
        values = {"root": ROOT, "state": state, "tenants": list(tenants), **options}
        return self.module("storage_trash", values, *(["--check"] if check else []))

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


def tenant(name: str, number: int, limit: str = "50M") -> dict[str, Any]:
    return {"name": name, "id": number, "uid": 200000 + number, "gid": 200000, "limit": limit}


def deleted(name: str, number: int, when: str = "2026-11-23T16:57:05+00:00") -> dict[str, Any]:
    return {"name": name, "id": number, "when": when}


def place(name: str, number: int) -> str:
    return f"{ROOT}/.trash/20261123T165705Z-{name}-{number}"
