"""What becomes of a deleted tenant's files, on every kind of file system."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from .machine import BASE, MIB, ROOT, Machine, deleted, place, tenant

pytestmark = pytest.mark.needs_root
# The same for all back ends, so the quickest of the machines shows it.
decided_above = pytest.mark.kind("btrfs")

PHOTOS = """
import os
for number in range(50):
    os.makedirs(f"album{number % 5}", exist_ok=True)
    with open(f"album{number % 5}/{number}.jpg", "wb") as file:
        file.write(os.urandom(50000 + number))
"""
DEEP = """
import os
for number in range(1500):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
"""
MANY = """
import os
for number in range(20000):
    os.mknod(str(number))
"""
# Ends the process that has the root open, which is the module with its lock, as soon as it has begun to remove. It is
# looked for before that, as a look takes about as long as a purge.
KILL = """
import glob, os, signal, time
deadline = time.monotonic() + 60
def holders():
    for descriptor in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(descriptor) == "{root}":
                yield int(descriptor.split("/")[2])
        except OSError:
            pass
found = None
while found is None and time.monotonic() < deadline:
    found = next(holders(), None)
while not glob.glob("{root}/.trash/*.purging") and time.monotonic() < deadline:
    time.sleep(0.001)
os.kill(found, signal.SIGKILL)
print("killed")
"""


def photos(nas: Machine, name: str, uid: int) -> str:
    nas.must(f"cd {ROOT}/{name}/uploads && python3 -c '{PHOTOS}'", uid)
    nas.commit()
    return checksums(nas, f"{ROOT}/{name}")


def checksums(nas: Machine, path: str) -> str:
    """Names, owners, modes and contents of all below a path."""
    return nas.must(
        f"cd {path} && find . -printf '%P %U:%G %m\\n' | sort; find . -type f -exec sha256sum {{}} + | sort"
    )


def test_goes_to_the_trash_and_comes_back_as_it_was(nas: Machine) -> None:
    nas.quota(tenant("hans", 1), tenant("maria", 2))
    before = photos(nas, "hans", 200001)
    planned = nas.trash("trashed", deleted("hans", 1), check=True)
    assert planned["changed"]
    assert checksums(nas, f"{ROOT}/hans") == before
    assert nas.must(f"ls -A {ROOT}").split() == [".silo-ids", ".silo-nas", "hans", "maria"]

    (gone,) = nas.trash("trashed", deleted("hans", 1))["tenants"]
    assert gone["changes"] == planned["tenants"][0]["changes"] == [f"{ROOT}/hans -> {place('hans', 1)}"]
    assert (gone["path"], gone["limit"]) == (place("hans", 1), 50 * MIB)
    # The directory, its uploads, 5 albums and 50 photos.
    assert gone["files"] == 57
    assert 2 * MIB < gone["bytes"] < 4 * MIB
    assert nas.must(f"ls {ROOT}; stat -c '%u:%g %a' {ROOT}/.trash").split() == ["maria", "0:0", "700"]
    assert nas.run(f"ls {place('hans', 1)}/uploads", 200001).returncode != 0
    assert checksums(nas, place("hans", 1)) == before
    again = nas.trash("trashed", deleted("hans", 1))
    assert (again["changed"], again["tenants"][0]["files"]) == (False, 57)

    assert nas.trash("restored", deleted("hans", 1), check=True)["changed"]
    back = nas.trash("restored", deleted("hans", 1))
    assert back["tenants"][0]["changes"] == [f"{place('hans', 1)} -> {ROOT}/hans"]
    assert checksums(nas, f"{ROOT}/hans") == before
    assert not nas.trash("restored", deleted("hans", 1))["changed"]
    assert not nas.quota(tenant("hans", 1), tenant("maria", 2))["changed"]
    assert nas.kind.full in nas.write(f"{ROOT}/hans/uploads/film", 60, 200001).stderr


def test_what_lies_in_the_trash_still_counts_and_keeps_its_limit(nas: Machine) -> None:
    nas.quota(tenant("hans", 1, "1500M"), overcommit=1.0)
    nas.write(f"{ROOT}/hans/uploads/film", 20, 200001)
    nas.commit()
    nas.trash("trashed", deleted("hans", 1))
    assert nas.limits() == {1: 1500 * MIB}
    info = nas.info()
    assert info["tenants"] == {}
    (lies,) = info["trash"]
    assert 20 * MIB <= lies.pop("used") < 21 * MIB
    assert lies.pop("inodes") == (None if nas.kind.name == "btrfs" else 3)
    assert lies == {**deleted("hans", 1), "path": place("hans", 1), "limit": 1500 * MIB, "purging": False}
    # Whoever still has the directory open writes against the same wall.
    writes = "setpriv --reuid 200001 --regid 200001 --clear-groups dd if=/dev/zero of=film bs=1M count=1600 conv=fsync"
    assert nas.kind.full in nas.run(f"cd {place('hans', 1)}/uploads && {writes}").stderr
    refused = nas.quota(tenant("maria", 2, "1500M"), overcommit=1.0)["tenants"]["maria"]
    assert "2.9G would be promised on a pool of" in refused["msg"]
    assert not nas.trash("purged", deleted("hans", 1)).get("failed")
    assert nas.quota(tenant("maria", 2, "1500M"), overcommit=1.0)["changed"]


def test_an_id_in_the_trash_is_its_tenants_and_after_a_purge_nobodys(nas: Machine) -> None:
    nas.quota(tenant("hans", 1))
    nas.trash("trashed", deleted("hans", 1))
    sentence = f"hans with id 1 was deleted at 2026-11-23T16:57:05+00:00, {place('hans', 1)}; restore it first"
    assert nas.quota(tenant("hans", 1))["tenants"]["hans"]["msg"] == sentence
    assert nas.quota(tenant("maria", 1))["tenants"]["maria"]["msg"] == sentence
    nas.trash("purged", deleted("hans", 1))
    assert "was given to hans, and an id is never given twice" in nas.quota(tenant("maria", 1))["msg"]
    assert nas.must(f"cat {ROOT}/.silo-ids").split() == ["1", "hans"]


@decided_above
def test_a_name_is_used_again_while_the_first_lies_in_the_trash(nas: Machine) -> None:
    nas.quota(tenant("hans", 1))
    first = photos(nas, "hans", 200001)
    nas.trash("trashed", deleted("hans", 1))
    assert nas.quota(tenant("hans", 4))["tenants"]["hans"]["changed"]
    second = photos(nas, "hans", 200004)
    refused = nas.trash("restored", deleted("hans", 1))["tenants"][0]["msg"]
    assert refused == f"{ROOT}/hans exists by now, counted under the id 4; nothing was restored, and nothing is lost"
    assert not nas.trash("trashed", deleted("hans", 1))["changed"]
    assert "so it is not deleted" in nas.trash("purged", deleted("hans", 4))["msg"]
    nas.trash("trashed", deleted("hans", 4))
    assert checksums(nas, place("hans", 1)) == first
    assert checksums(nas, place("hans", 4)) == second
    assert nas.trash("purged", deleted("hans", 1))["changed"]
    assert nas.trash("restored", deleted("hans", 4))["changed"]
    assert checksums(nas, f"{ROOT}/hans") == second
    assert nas.limits() == {4: 50 * MIB}


def test_a_full_quota_is_purged_with_links_and_depths_and_nothing_outside(nas: Machine) -> None:
    nas.quota(tenant("hans", 1), tenant("maria", 2))
    other = photos(nas, "maria", 200002)
    nas.must(f"mkdir {BASE}/outside && echo kept > {BASE}/outside/file")
    uploads = f"{ROOT}/hans/uploads"
    nas.must(f"cd {uploads} && ln -s {BASE}/outside out && ln -s ../../maria maria && ln -s / root && mkfifo p", 200001)
    nas.must(f"cd {uploads} && python3 -c '{DEEP}'", 200001)
    assert nas.kind.full in nas.write(f"{uploads}/film", 60, 200001).stderr
    nas.commit()
    nas.trash("trashed", deleted("hans", 1))
    assert nas.trash("purged", deleted("hans", 1), check=True)["changed"]
    (gone,) = nas.trash("purged", deleted("hans", 1))["tenants"]
    assert gone["changes"] == [f"{place('hans', 1)} -> removed for good"], gone
    assert gone["path"] == ""
    assert gone["bytes"] > 40 * MIB
    assert nas.must(f"ls -A {ROOT}/.trash; cat {BASE}/outside/file") == "kept\n"
    assert checksums(nas, f"{ROOT}/maria") == other
    assert nas.limits() == {2: 50 * MIB}
    assert len(nas.numbers()) == (2 if nas.kind.name == "btrfs" else 1)
    again = nas.trash("purged", deleted("hans", 1))
    assert (again["changed"], again["tenants"][0]["path"]) == (False, "")


@pytest.mark.fault(21)
def test_a_purge_that_is_killed_is_completed_and_never_restored(nas: Machine) -> None:
    nas.quota(tenant("hans", 1))
    nas.must(f"cd {ROOT}/hans/uploads && python3 -c '{MANY}'", 200001)
    nas.trash("trashed", deleted("hans", 1))
    nas.must(f"cat > {BASE}/kill.py <<'END'\n{KILL.format(root=ROOT)}\nEND")
    with ThreadPoolExecutor() as helper:
        killer = helper.submit(nas.must, f"python3 {BASE}/kill.py")
        assert "tenants" not in nas.trash("purged", deleted("hans", 1))
        assert killer.result() == "killed\n"
    assert nas.must(f"ls {ROOT}/.trash").split() in ([], ["20261123T165705Z-hans-1.purging"])
    refused = nas.trash("restored", deleted("hans", 1))["msg"]
    assert "only a purge completes it" in refused or "so nothing can be restored" in refused
    assert nas.must(f"ls {ROOT}") == ""
    assert nas.trash("purged", deleted("hans", 1))["changed"]
    assert nas.must(f"ls {ROOT}/.trash") == ""
    assert nas.numbers() == set()
    assert not nas.trash("purged", deleted("hans", 1))["changed"]


@decided_above
def test_what_is_half_removed_says_so(nas: Machine) -> None:
    nas.quota(tenant("hans", 1))
    photos(nas, "hans", 200001)
    nas.trash("trashed", deleted("hans", 1))
    # As after a SIGKILL in the middle.
    nas.must(f"mv {place('hans', 1)} {place('hans', 1)}.purging && rm -r {place('hans', 1)}.purging/uploads/album1")
    sentence = f"{place('hans', 1)}.purging is being removed for good, and a part of it may be gone; only a purge"
    assert sentence in nas.trash("restored", deleted("hans", 1))["msg"]
    assert sentence in nas.trash("trashed", deleted("hans", 1))["msg"]
    assert "it is being removed for good, and an id is never given twice" in nas.quota(tenant("hans", 1))["msg"]
    assert [entry["purging"] for entry in nas.info()["trash"]] == [True]
    assert nas.trash("purged", deleted("hans", 1))["changed"]
    assert nas.info()["trash"] == []
    assert nas.numbers() == set()


@decided_above
def test_no_more_are_purged_in_one_call_than_the_policy_allows(nas: Machine) -> None:
    names = [f"tenant{number}" for number in range(1, 5)]
    nas.quota(*(tenant(name, number) for number, name in enumerate(names, 1)))
    gone = [deleted(name, number) for number, name in enumerate(names, 1)]
    assert nas.trash("trashed", *gone)["changed"]
    for check in (True, False):
        purged = nas.trash("purged", *gone, max_purges=3, check=check)
        assert [row["changed"] for row in purged["tenants"]] == [True, True, True, False]
        assert "no more than 3 are removed for good in one call (max_purges)" in purged["msg"]
    assert nas.must(f"ls {ROOT}/.trash").split() == ["20261123T165705Z-tenant4-4"]
    assert nas.trash("purged", *gone, max_purges=1)["changed"]
    assert nas.numbers() == set()


@decided_above
def test_nothing_is_purged_but_what_was_named_exactly(nas: Machine) -> None:
    nas.quota(tenant("hans", 1), tenant("maria", 2))
    before = photos(nas, "hans", 200001)
    refused = nas.trash("purged", deleted("hans", 1))["tenants"][0]["msg"]
    assert refused == f"{ROOT}/hans is counted under the id 1, so it is not deleted; nothing was touched"
    nas.trash("trashed", deleted("hans", 1))
    later = deleted("hans", 1, "2026-11-24T00:00:00+00:00")
    assert "is hans of 2026-11-23T16:57:05+00:00, and not hans of 2026-11-24" in nas.trash("purged", later)["msg"]
    assert "was given to hans; nothing was touched" in nas.trash("purged", deleted("maria", 1))["msg"]
    # Somebody put another one's directory into the place.
    nas.must(f"mv {place('hans', 1)} {ROOT}/.trash/kept && mv {ROOT}/maria {place('hans', 1)}")
    swapped = nas.trash("purged", deleted("hans", 1))["msg"]
    assert f"{place('hans', 1)} is counted under the quota id 2, and not under 1; nothing was touched" in swapped
    assert checksums(nas, f"{ROOT}/.trash/kept") == before


@decided_above
@pytest.mark.parametrize("state", ["trashed", "purged"])
def test_another_file_system_inside_is_never_entered(nas: Machine, state: str) -> None:
    nas.quota(tenant("hans", 1))
    before = photos(nas, "hans", 200001)
    path = f"{ROOT}/hans"
    if state == "purged":
        nas.trash("trashed", deleted("hans", 1))
        path = place("hans", 1)
    nas.must(f"mkdir {BASE}/outside && echo kept > {BASE}/outside/file")
    nas.must(f"mkdir {path}/mounted && mount --bind {BASE}/outside {path}/mounted")
    refused = nas.trash(state, deleted("hans", 1))["msg"]
    nas.must(f"umount {path}/mounted && rmdir {path}/mounted")
    assert f"{path}/mounted is a mount of its own; unmount it, and run this again" in refused
    assert nas.must(f"cat {BASE}/outside/file") == "kept\n"
    assert checksums(nas, path) == before
    assert nas.trash(state, deleted("hans", 1))["changed"]


@decided_above
def test_a_trash_that_leads_elsewhere_is_refused(nas: Machine) -> None:
    nas.quota(tenant("hans", 1))
    nas.must(f"mkdir {BASE}/outside && ln -s {BASE}/outside {ROOT}/.trash")
    assert f"{ROOT}/.trash is a symbolic link" in nas.trash("trashed", deleted("hans", 1))["msg"]
    assert nas.must(f"ls {ROOT} {BASE}/outside").count("hans") == 1
