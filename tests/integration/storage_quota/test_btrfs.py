"""The module on a real btrfs, on the lab's server (SILO_LAB names its container) or on this machine.

Reads and writes go past the module, by commands on the host, so that the module is not its own witness.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.needs_root

REPOSITORY = Path(__file__).parents[2]
MIB = 2**20
BASE = "/srv/silo-quota-test"
ROOT = f"{BASE}/instances"
IMAGE = f"{BASE}/nas.img"


@dataclass(frozen=True)
class Host:
    """Where the file system is: a container, or this machine where the name is empty."""

    container: str

    def run(self, script: str, uid: int = 0) -> subprocess.CompletedProcess[str]:
        user = f"setpriv --reuid {uid} --regid {uid} --clear-groups " if uid else ""
        prefix = ["docker", "exec", "-i", self.container] if self.container else []
        argv = [*prefix, "sh", "-c", f"export LC_ALL=C; {user}sh -c {shlex.quote(script)}"]
        return subprocess.run(argv, capture_output=True, text=True, timeout=120)

    def must(self, script: str, uid: int = 0) -> str:
        done = self.run(script, uid)
        assert done.returncode == 0, f"{script}: {done.stderr}"
        return done.stdout

    def module(self, name: str, values: dict[str, Any], *flags: str) -> dict[str, Any]:
        target = self.container or "localhost"
        connection = "community.docker.docker" if self.container else "local"
        ansible = Path(sys.executable).with_name("ansible")
        argv: Sequence[str] = [str(ansible), target, "-i", f"{target},", "-c", connection, *flags]
        argv = [*argv, "-m", f"swissphoto.silo.{name}", "-a", json.dumps(values)]
        settings = {"ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"}
        # Who calls may want colours; the answer is read by a program.
        settings |= {"ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            argv, env=os.environ | settings, cwd=REPOSITORY, capture_output=True, text=True, timeout=120
        )
        answer = re.search(r"^\S+ \| \S+ => (\{.*^\})", done.stdout, re.MULTILINE | re.DOTALL)
        assert answer, f"{done.stdout}{done.stderr}"
        result: dict[str, Any] = json.loads(answer[1])
        return result

    def quota(self, *tenants: dict[str, Any], root: str = ROOT, check: bool = False, **options: Any) -> dict[str, Any]:
        flags = ["--check"] if check else []
        return self.module("storage_quota", {"root": root, "tenants": list(tenants), **options}, *flags)

    def write(self, path: str, mebibytes: int, uid: int) -> subprocess.CompletedProcess[str]:
        return self.run(f"dd if=/dev/zero of={path} bs=1M count={mebibytes} conv=fsync", uid)

    def commit(self) -> None:
        """What is used is counted when the file system commits, which it does by itself every 30 seconds."""
        self.must(f"btrfs filesystem sync {ROOT}")


def tenant(name: str, number: int, limit: str = "50M") -> dict[str, Any]:
    return {"name": name, "id": number, "uid": 200000 + number, "gid": 200000 + number, "limit": limit}


@pytest.fixture(scope="module")
def host() -> Host:
    host = Host(os.environ.get("SILO_LAB", ""))
    version = re.search(r"v(\d+)\.(\d+)", host.run("btrfs --version").stdout)
    if not version or (int(version[1]), int(version[2])) < (6, 7):
        pytest.skip(f"no btrfs-progs 6.7 on {host.container or 'this machine'}; SILO_LAB names a lab's container")
    if "btrfs" not in host.run("cat /proc/filesystems").stdout:
        pytest.skip("this kernel has no btrfs")
    return host


@pytest.fixture
def nas(host: Host) -> Iterator[Host]:
    """A fresh file system for each test, as the role `nas` makes it."""
    release = f"umount --lazy {ROOT} 2>/dev/null; rm -rf {BASE}"
    host.run(release)
    host.must(
        f"mkdir -p {ROOT} && truncate -s 2G {IMAGE} && mkfs.btrfs -q {IMAGE} && mount -o loop {IMAGE} {ROOT}"
        f" && touch {ROOT}/.silo-nas && chmod 0711 {ROOT}"
    )
    enabled = host.run(f"btrfs quota enable --simple {ROOT}")
    if enabled.returncode != 0:
        host.run(release)
        pytest.skip(f"this kernel has no simple quotas: {enabled.stderr.strip()}")
    yield host
    host.must(release)


def test_check_mode_says_what_a_run_would_do_and_does_nothing(nas: Host) -> None:
    planned = nas.quota(tenant("hans", 1), check=True)
    assert planned["changed"]
    assert planned["tenants"]["hans"]["changes"] == ["new, with a limit of 50M"]
    assert nas.must(f"ls {ROOT}") == ""
    assert "1/1" not in nas.must(f"btrfs qgroup show {ROOT}")


def test_ten_tenants_in_one_call_and_nothing_to_do_in_the_next(nas: Host) -> None:
    tenants = [tenant(f"tenant{number}", number, f"{number}00G") for number in range(1, 11)]
    made = nas.quota(*tenants)
    assert made["changed"]
    again = nas.quota(*tenants)
    assert not again["changed"]
    assert not nas.quota(*tenants, check=True)["changed"]
    groups = nas.must(f"btrfs qgroup show -re --raw {ROOT}")
    for number in range(1, 11):
        assert re.search(rf"^1/{number} .* {number * 100 * 2**30} ", groups, re.MULTILINE)
        path = f"{ROOT}/tenant{number}"
        owner = f"{200000 + number}:{200000 + number} 700"
        assert nas.must(f"stat -c '%u:%g %a' {path} {path}/uploads").splitlines() == ["0:0 711", owner]


def test_the_wall_holds_for_one_and_not_for_the_other(nas: Host) -> None:
    nas.quota(tenant("hans", 1), tenant("maria", 2))
    over = nas.write(f"{ROOT}/hans/uploads/film", 60, 200001)
    assert over.returncode != 0
    assert "Disk quota exceeded" in over.stderr
    assert nas.write(f"{ROOT}/maria/uploads/film", 40, 200002).returncode == 0
    # The customer deletes something, and goes on.
    nas.must(f"rm {ROOT}/hans/uploads/film", 200001)
    nas.commit()
    assert nas.write(f"{ROOT}/hans/uploads/photo", 20, 200001).returncode == 0
    nas.commit()
    used = nas.module("storage_quota_info", {"root": ROOT})["tenants"]
    assert 20 * MIB <= used["hans"]["used"] < 21 * MIB
    assert 40 * MIB <= used["maria"]["used"] < 41 * MIB


def test_many_small_files_meet_the_wall_too_and_can_be_deleted_there(nas: Host) -> None:
    # Files this small lie inside the file system's metadata; the commits keep what is counted up to date.
    nas.quota(tenant("hans", 1, "10M"))
    fill = "for n in $(seq 20000); do head -c 2000 /dev/zero >f$n || exit 1; [ $((n % 1000)) = 0 ] && sync -f .; done"
    assert "Disk quota exceeded" in nas.run(f"cd {ROOT}/hans/uploads; {fill}", 200001).stderr
    nas.must(f"rm {ROOT}/hans/uploads/f1 {ROOT}/hans/uploads/f2", 200001)


def test_a_nested_subvolume_does_not_escape(nas: Host) -> None:
    nas.quota(tenant("hans", 1))
    nested = f"{ROOT}/hans/uploads/nested"
    nas.must(f"btrfs subvolume create {nested}", 200001)
    over = nas.write(f"{nested}/film", 60, 200001)
    assert "Disk quota exceeded" in over.stderr
    # The same trial succeeds against a limit on the subvolume itself, so the one above can fail.
    nas.must(f"btrfs subvolume create {ROOT}/weak && btrfs qgroup limit 50M {ROOT}/weak && chown 200009 {ROOT}/weak")
    nas.must(f"btrfs subvolume create {ROOT}/weak/nested", 200009)
    assert nas.write(f"{ROOT}/weak/nested/film", 60, 200009).returncode == 0


def test_a_limit_grows_while_the_tenant_runs_and_shrinks_not_below_what_is_used(nas: Host) -> None:
    nas.quota(tenant("hans", 1))
    assert nas.write(f"{ROOT}/hans/uploads/one", 40, 200001).returncode == 0
    grown = nas.quota(tenant("hans", 1, "100M"))
    assert grown["tenants"]["hans"]["changes"] == ["limit 50M -> 100M"]
    assert nas.write(f"{ROOT}/hans/uploads/two", 40, 200001).returncode == 0
    nas.commit()
    refused = nas.quota(tenant("hans", 1, "50M"))
    assert "are in use, more than the new limit of 50M" in refused["msg"]
    assert nas.module("storage_quota_info", {"root": ROOT})["tenants"]["hans"]["limit"] == 100 * MIB
    forced = nas.quota(tenant("hans", 1, "50M"), force=True)
    assert forced["tenants"]["hans"]["limit"] == 50 * MIB, forced
    assert "Disk quota exceeded" in nas.write(f"{ROOT}/hans/uploads/three", 1, 200001).stderr
    assert not nas.quota(tenant("hans", 1, "50M"))["changed"]


def test_one_bad_tenant_does_not_hold_up_the_others(nas: Host) -> None:
    nas.must(f"mkdir {ROOT}/plain; ln -s /etc {ROOT}/link")
    nas.quota(tenant("hans", 1))
    wanted = [tenant("maria", 2), tenant("plain", 3), tenant("link", 4), tenant("peter", 1), tenant("anna", 5, "lots")]
    result = nas.quota(*wanted)
    assert result["tenants"]["maria"]["changed"]
    assert {name: row["msg"] for name, row in result["tenants"].items() if row["failed"]} == {
        "plain": "is a plain directory and not a subvolume, so nothing counts what lies in it",
        "link": f"{ROOT}/link is a symbolic link",
        "peter": "its quota id 1 already counts hans",
        "anna": "the limit 'lots' is not a size; write a number with K, M, G or T, such as 100G",
    }
    assert nas.must(f"ls {ROOT}").split() == ["hans", "link", "maria", "plain"]


def test_a_run_that_was_cut_short_is_completed(nas: Host) -> None:
    # As after a SIGKILL between two steps: the group of hans without a limit, maria without her uploads.
    nas.quota(tenant("maria", 2))
    nas.must(f"btrfs qgroup create 1/1 {ROOT} && rmdir {ROOT}/maria/uploads && chmod 0755 {ROOT}/maria")
    nas.quota(tenant("hans", 1), tenant("maria", 2))
    assert not nas.quota(tenant("hans", 1), tenant("maria", 2))["changed"]
    assert "Disk quota exceeded" in nas.write(f"{ROOT}/hans/uploads/film", 60, 200001).stderr


def test_a_subvolume_that_came_without_a_group_is_taken_in_with_all_that_is_in_it(nas: Host) -> None:
    nas.must(f"btrfs subvolume create {ROOT}/hans && btrfs subvolume create {ROOT}/hans/inner")
    assert nas.write(f"{ROOT}/hans/inner/old", 30, 0).returncode == 0
    nas.commit()
    adopted = nas.quota(tenant("hans", 1))
    assert 30 * MIB <= adopted["tenants"]["hans"]["used"] < 31 * MIB
    assert "Disk quota exceeded" in nas.write(f"{ROOT}/hans/inner/new", 30, 0).stderr


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (f"rm {ROOT}/.silo-nas", "it is not the NAS: the file .silo-nas is missing"),
        (f"mount -o remount,ro {ROOT}", f"{ROOT} is mounted read-only"),
        (f"btrfs quota disable {ROOT}", f"quotas are off on {ROOT}"),
        (f"btrfs quota disable {ROOT} && btrfs quota enable {ROOT}", "another mode than 'simple'"),
        (f"umount {ROOT}", f"nothing is mounted at {ROOT}"),
        (f"umount {ROOT}; mount -t tmpfs none {ROOT}; touch {ROOT}/.silo-nas", f"{ROOT} is tmpfs"),
    ],
)
def test_refuses_a_root_on_which_no_limit_would_hold(nas: Host, change: str, sentence: str) -> None:
    nas.must(change)
    before = nas.must(f"ls -A {ROOT}")
    assert sentence in nas.quota(tenant("hans", 1))["msg"]
    assert sentence in nas.module("storage_quota_info", {"root": ROOT})["msg"]
    assert nas.must(f"ls -A {ROOT}") == before


def test_refuses_a_root_behind_a_symbolic_link(nas: Host) -> None:
    nas.must(f"ln -sfn {ROOT} {BASE}/link")
    assert "symbolic link" in nas.quota(tenant("hans", 1), root=f"{BASE}/link")["msg"]
