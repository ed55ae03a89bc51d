"""What bounds a container; each check fails where its one thing is broken, and no other does."""

import dataclasses

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import hardening
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.limits import Limits
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.process import CAPABILITIES

GIB = 1024**3
CHECKS = [
    hardening.user,
    hardening.capabilities,
    hardening.no_new_privileges,
    hardening.seccomp,
    hardening.core_dumps,
    hardening.root_file_system,
    hardening.writable_paths,
    hardening.memory,
    hardening.swap,
    hardening.processes,
    hardening.memory_order,
    hardening.open_files,
]
NONE = dict.fromkeys(CAPABILITIES, 0)


@pytest.fixture
def failed(given):
    """The findings that are not ok, by id, of hans' photo server or of a shared service that differs."""

    def of(container=given.container, **changes):
        looked_at = container(**changes)
        return {one.id: one for check in CHECKS for one in check(looked_at) if not one.ok}

    return of


def test_all_hold_where_all_is_right(failed):
    assert failed() == {}


@pytest.mark.parametrize(
    ("check", "changes", "seen"),
    [
        ("user", {"users": frozenset({200001, 0})}, "0, 200001"),
        ("user", {"groups": frozenset({200001, 4})}, "4, 200001"),
        ("user", {"users": frozenset({200002}), "groups": frozenset({200002})}, "200001, 200002"),
        ("capabilities", {"capabilities": NONE | {"CapEff": 0x1000}}, "CapEff 0x1000 in process 42 (node)"),
        ("capabilities", {"capabilities": NONE | {"CapBnd": 0xA80425FB}}, "CapBnd 0xa80425fb in process 42 (node)"),
        ("no_new_privileges", {"no_new_privileges": False}, "not set in process 42 (node)"),
        ("seccomp", {"seccomp": 0}, "no filter in process 42 (node)"),
        ("core_dumps", {"dumps": True}, "written in process 42 (node)"),
        ("memory_order", {"memory_order": 0}, "0, 100"),
        ("open_files", {"open_files": 1048576}, "1048576, 16384"),
        ("open_files", {"open_files": None}, "16384, no limit"),
        ("seccomp", {"seccomp": 1}, "no filter in process 42 (node)"),
    ],
)
def test_a_process_that_may_more(given, failed, check, changes, seen):
    found = failed(processes=(given.process(number=41), given.process(**changes)))
    assert list(found) == [check]
    assert found[check].seen == seen


def test_a_root_that_can_be_written_to(given, failed):
    found = failed(mounts=given.mounted(**{"/": {"writable": True}}))
    assert {name: check.seen for name, check in found.items()} == {"root_file_system": "writable"}


def test_a_root_that_nobody_knows(given, failed):
    assert failed(mounts=given.mounted(**{"/": None}))["root_file_system"].seen == "none"


def test_a_place_to_write_that_nobody_named(given, failed):
    more = Mount("/etc", "ext4", writable=True, size_limited=False)
    assert failed(mounts=(*given.found().mounts, more))["writable_paths"].seen == "/etc"


@pytest.mark.parametrize("point", ["/tmp", "/dev/shm", "/dev"])
def test_a_place_in_memory_without_an_end(given, failed, point):
    found = failed(mounts=given.mounted(**{point: {"size_limited": False}}))
    assert found["writable_paths"].seen == f"{point} without a size limit"


@pytest.mark.parametrize(
    ("check", "limits", "seen"),
    [
        ("memory", Limits(2 * GIB, 0, 64), "2G"),
        ("memory", Limits(None, 0, 64), "no limit"),
        ("swap", Limits(GIB, GIB, 64), "1G"),
        ("swap", Limits(GIB, None, 64), "no limit"),
        ("processes", Limits(GIB, 0, None), "no limit"),
        ("processes", Limits(GIB, 0, 65), "65"),
    ],
)
def test_a_limit_that_is_another(failed, monkeypatch, check, limits, seen):
    monkeypatch.setattr(hardening, "has_swap", lambda: True)
    found = failed(limits=limits)
    assert {name: one.seen for name, one in found.items()} == {check: seen}


def test_a_limit_may_be_above_its_promise_by_what_is_lent_and_no_more(given, failed):
    def borrower(**changes):
        return dataclasses.replace(given.container(**changes), service=service)

    service = dataclasses.replace(given.service, burst=GIB // 2)
    for memory, seen in ((GIB, {}), (GIB + GIB // 2, {}), (GIB - 4096, "1024.0M"), (2 * GIB, "2G")):
        found = failed(borrower, limits=Limits(memory, 0, 64))
        assert {name: one.seen for name, one in found.items()} == ({"memory": seen} if seen else {})
    assert failed(borrower, limits=Limits(2 * GIB, 0, 64))["memory"].expected == "1G to 1.5G"


def test_a_kernel_that_counts_no_swap_on_a_server_that_has_none(failed, monkeypatch):
    monkeypatch.setattr(hardening, "has_swap", lambda: False)
    assert failed(limits=Limits(GIB, None, 64)) == {}


def test_a_shared_service_has_a_user_and_limits_of_its_own(given, failed):
    assert failed(given.shared) == {}
    processes = (given.process(users=frozenset({0})),)
    found = failed(given.shared, processes=processes, limits=Limits(GIB, 0, None))
    assert {name: check.seen for name, check in found.items()} == {"user": "0, 200001", "processes": "no limit"}
    assert {check.fix for check in found.values()} == {"run playbooks/site.yml"}
