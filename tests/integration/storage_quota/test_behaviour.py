"""What every kind of file system does for its tenants, and refuses to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from .machine import BASE, MIB, ROOT, Machine, tenant

pytestmark = pytest.mark.needs_root

SMALL_FILES = """
import os
for number in range(20000):
    with open(str(number), "wb") as file:
        file.write(bytes(2000))
    if number % 1000 == 0:
        os.sync()
"""
MANY_FILES = """
import os
for number in range(200000):
    if number % 2000 == 0:
        directory = f"{number}d"
        os.mkdir(directory)
    os.mknod(f"{directory}/{number}")
"""
DATABASES = (("hans", 200001), ("maria", 200002))
Recorder = Callable[[str, object], None]


def test_check_mode_says_what_a_run_would_do_and_does_nothing(nas: Machine) -> None:
    planned = nas.quota(tenant("hans", 1), check=True)
    assert planned["changed"]
    assert planned["tenants"]["hans"]["changes"] == ["new, with a limit of 50M"]
    assert nas.must(f"ls -A {ROOT}").split() == [".silo-nas"]
    assert nas.limits() == {}


def test_ten_tenants_in_one_call_and_nothing_to_do_in_the_next(nas: Machine) -> None:
    tenants = [tenant(f"tenant{number}", number, f"{number}00G") for number in range(1, 11)]
    made = nas.quota(*tenants, mount_points=["backups"])
    assert made["changed"]
    assert "failed" not in made
    assert not nas.quota(*tenants, mount_points=["backups"])["changed"]
    assert not nas.quota(*tenants, mount_points=["backups"], check=True)["changed"]
    assert nas.limits() == {number: number * 100 * 2**30 for number in range(1, 11)}
    owners = nas.must(f"cd {ROOT}; stat -c '%n %u:%g %a' tenant*/uploads tenant*/uploads/backups tenant*").splitlines()
    wanted = [(f"tenant{number}", 200000 + number) for number in range(1, 11)]
    shells = {f"{name} 0:0 711" for name, _uid in wanted}
    uploads = {f"{name}/uploads {uid}:200000 710" for name, uid in wanted}
    assert set(owners) == shells | uploads | {f"{name}/uploads/backups {uid}:200000 700" for name, uid in wanted}


def test_the_wall_holds_for_one_and_not_for_the_other(nas: Machine) -> None:
    nas.quota(tenant("hans", 1), tenant("maria", 2))
    over = nas.write(f"{ROOT}/hans/uploads/film", 60, 200001)
    assert over.returncode != 0
    assert nas.kind.full in over.stderr
    assert nas.write(f"{ROOT}/maria/uploads/film", 40, 200002).returncode == 0
    # The customer deletes something, and goes on.
    nas.must(f"rm {ROOT}/hans/uploads/film", 200001)
    nas.commit()
    assert nas.write(f"{ROOT}/hans/uploads/photo", 20, 200001).returncode == 0
    nas.commit()
    used = nas.info()["tenants"]
    assert 20 * MIB <= used["hans"]["used"] < 21 * MIB
    assert 40 * MIB <= used["maria"]["used"] < 41 * MIB


def test_the_disk_of_a_server_has_a_wall_that_moves_while_it_is_full(nas: Machine) -> None:
    # The folders in it are the stack's, as tenant_stacks makes them.
    disk = {"uploads": False}
    assert nas.quota(tenant("hans", 1), tenant("maria", 2), **disk)["changed"]
    assert nas.must(f"ls -A {ROOT}/hans") == ""
    nas.must("".join(f"install -d -m 0700 -o {uid} -g {uid} {ROOT}/{name}/database; " for name, uid in DATABASES))
    assert nas.kind.full in nas.write(f"{ROOT}/hans/database/wal", 60, 200001).stderr
    assert nas.write(f"{ROOT}/maria/database/wal", 40, 200002).returncode == 0
    planned = nas.quota(tenant("hans", 1, "80M"), check=True, **disk)
    assert planned["tenants"]["hans"]["changes"] == ["limit 50M -> 80M"]
    assert nas.quota(tenant("hans", 1, "80M"), **disk)["changed"]
    assert nas.write(f"{ROOT}/hans/database/more", 20, 200001).returncode == 0
    assert not nas.quota(tenant("hans", 1, "80M"), **disk)["changed"]


def test_many_small_files_meet_the_wall_too_and_can_be_deleted_there(nas: Machine) -> None:
    # Files this small lie inside the file system's metadata; the commits keep what is counted up to date.
    nas.quota(tenant("hans", 1, "10M"))
    full = nas.run(f"cd {ROOT}/hans/uploads && python3 -c '{SMALL_FILES}'", 200001)
    assert nas.kind.full in full.stderr
    nas.must(f"rm {ROOT}/hans/uploads/1 {ROOT}/hans/uploads/2", 200001)


def test_a_limit_grows_while_the_tenant_runs_and_shrinks_not_below_what_is_used(nas: Machine) -> None:
    nas.quota(tenant("hans", 1))
    assert nas.write(f"{ROOT}/hans/uploads/one", 40, 200001).returncode == 0
    grown = nas.quota(tenant("hans", 1, "100M"))
    assert grown["tenants"]["hans"]["changes"] == ["limit 50M -> 100M"]
    assert nas.write(f"{ROOT}/hans/uploads/two", 40, 200001).returncode == 0
    nas.commit()
    refused = nas.quota(tenant("hans", 1, "50M"))
    assert "are in use, more than the new limit of 50M" in refused["msg"]
    assert nas.info()["tenants"]["hans"]["limit"] == 100 * MIB
    forced = nas.quota(tenant("hans", 1, "50M"), force=True)
    assert forced["tenants"]["hans"]["limit"] == 50 * MIB, forced
    assert nas.kind.full in nas.write(f"{ROOT}/hans/uploads/three", 1, 200001).stderr
    assert not nas.quota(tenant("hans", 1, "50M"))["changed"]


def test_one_bad_tenant_does_not_hold_up_the_others(nas: Machine) -> None:
    nas.must(f"ln -s /etc {ROOT}/link")
    nas.quota(tenant("hans", 1))
    wanted = [tenant("maria", 2), tenant("link", 4), tenant("peter", 1), tenant("anna", 5, "lots")]
    result = nas.quota(*wanted)
    assert result["tenants"]["maria"]["changed"]
    assert {name: row["msg"] for name, row in result["tenants"].items() if row["failed"]} == {
        "link": f"{ROOT}/link is a symbolic link",
        "peter": "its quota id 1 already counts hans",
        "anna": "the limit 'lots' is not a size; write a number with K, M, G or T, such as 100G",
    }
    assert nas.must(f"ls {ROOT}").split() == ["hans", "link", "maria"]


@pytest.mark.fault(8)
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (f"rm {ROOT}/.silo-nas", "it is not the one of silo: the file .silo-nas is missing"),
        (f"mount -o remount,ro {ROOT}", f"{ROOT} is mounted read-only"),
        (f"umount {ROOT}", f"nothing is mounted at {ROOT}"),
        (f"umount {ROOT}; mount -t tmpfs none {ROOT}; touch {ROOT}/.silo-nas", f"{ROOT} is tmpfs"),
    ],
)
def test_refuses_a_root_on_which_no_limit_would_hold(nas: Machine, change: str, sentence: str) -> None:
    nas.must(change)
    before = nas.must(f"ls -A {ROOT}")
    assert sentence in nas.quota(tenant("hans", 1))["msg"]
    assert sentence in nas.info()["msg"]
    assert nas.must(f"ls -A {ROOT}") == before


def test_refuses_a_root_behind_a_symbolic_link(nas: Machine) -> None:
    nas.must(f"ln -sfn {ROOT} {BASE}/link")
    assert "symbolic link" in nas.quota(tenant("hans", 1), root=f"{BASE}/link")["msg"]


def test_an_id_is_never_given_twice_even_when_its_directory_is_gone(nas: Machine) -> None:
    nas.quota(tenant("hans", 1))
    nas.must(f"rmdir {ROOT}/hans/uploads && (rmdir {ROOT}/hans || btrfs subvolume delete {ROOT}/hans)")
    nas.commit()
    refused = nas.quota(tenant("maria", 1))
    assert "its quota id 1 was given to hans, and an id is never given twice" in refused["msg"]
    assert nas.must(f"ls {ROOT}") == ""
    assert not nas.quota(tenant("hans", 1))["tenants"]["hans"]["failed"]


def test_no_more_is_promised_than_the_pool_has(nas: Machine) -> None:
    nas.quota(tenant("hans", 1, "1500M"), overcommit=1.0)
    refused = nas.quota(tenant("maria", 2, "1500M"), tenant("peter", 3, "100M"), overcommit=1.0)
    assert "2.9G would be promised on a pool of" in refused["tenants"]["maria"]["msg"]
    assert refused["tenants"]["peter"]["changed"]
    assert nas.limits() == {1: 1500 * MIB, 3: 100 * MIB}
    assert nas.quota(tenant("maria", 2, "1500M"), overcommit=2.0)["changed"]
    # What is promised already is kept, and may shrink, whatever the policy says by now.
    assert nas.quota(tenant("hans", 1, "1400M"), overcommit=1.0)["changed"]


@pytest.mark.fault(19)
def test_two_runs_at_once_both_do_their_part(nas: Machine) -> None:
    halves = [[tenant(f"tenant{number}", number) for number in numbers] for numbers in (range(1, 6), range(6, 11))]
    with ThreadPoolExecutor() as operators:
        results = list(operators.map(lambda half: nas.quota(*half), halves))
    assert all(row["changed"] for result in results for row in result["tenants"].values())
    assert nas.limits() == dict.fromkeys(range(1, 11), 50 * MIB)
    assert len(nas.must(f"cat {ROOT}/.silo-ids").splitlines()) == 10


def test_the_use_of_many_files_is_read_without_looking_at_them(nas: Machine, record_property: Recorder) -> None:
    nas.quota(tenant("hans", 1, "1900M"))
    nas.must(f"cd {ROOT}/hans/uploads && python3 -c '{MANY_FILES}'", 200001)
    nas.commit()
    inodes = nas.info()["tenants"]["hans"]["inodes"]
    # The directory, its uploads, 100 directories and 200,000 files.
    assert inodes == (None if nas.kind.name == "btrfs" else 200_102)
    seconds = {}
    reading = {
        "btrfs": f"btrfs --format json qgroup show -pcre --raw {ROOT}",
        "xfs": f"xfs_quota -x -c 'report -p' {ROOT}",
    }
    for name, command in (("du", f"du -s {ROOT}/hans"), ("report", reading[nas.kind.name])):
        nas.must(command)
        started = time.monotonic()
        nas.must(command)
        seconds[name] = time.monotonic() - started
    record_property("seconds", seconds)
    print(f"200,000 files on {nas.kind.name}: du {seconds['du']:.2f} s, report {seconds['report']:.2f} s")
