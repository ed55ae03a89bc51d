"""What a server is good for, and what stands in the way."""

import dataclasses

import pytest

from silo.setup import machine, proposals
from silo.setup.machine import Disk, Listener
from silo.setup.target import Target

from .answered import GIB, NOW, SAYS

REPORT = machine.report(SAYS, NOW, NOW + 1)
TB = 10**12


def having(**values):
    return dataclasses.replace(REPORT, **values)


@pytest.mark.parametrize(
    ("total", "settings", "tenants"),
    [
        (128, {"silo_memory_of_server": "128G"}, 37),
        (125.6, {"silo_memory_of_server": "125G"}, 36),
        (64, {"silo_memory_of_server": "64G", "silo_memory_reserve": "8G", "silo_memory_machine_learning": "12G"}, 17),
        (23.5, {"silo_memory_of_server": "23G", "silo_memory_reserve": "2G", "silo_memory_machine_learning": "4G"}, 6),
        (8, {"silo_memory_of_server": "8G", "silo_memory_reserve": "2G", "silo_memory_machine_learning": "4G"}, 0),
    ],
)
def test_memory_is_divided_by_what_the_server_has(total, settings, tenants):
    found = proposals.memory(int(total * GIB))
    assert (dict(found.settings), found.tenants) == (settings, tenants)
    assert f"room for {tenants} tenants" in found.reason


def test_two_empty_disks_are_for_databases_and_uploads():
    uploads, databases = proposals.places(REPORT, None, 20)
    assert uploads.value == "/dev/disk/by-id/ata-ST8000VN004_ZR1"
    assert (databases.value, "SSD" in databases.reason) == ("/dev/disk/by-id/nvme-Samsung_PM9A3", True)


def test_one_empty_disk_is_for_the_uploads():
    uploads, databases = proposals.places(having(disks=(Disk("/dev/sdb", 4 * TB),)), None, 6)
    assert uploads.value == "/dev/sdb"
    assert databases.value == "120G"
    assert "no empty disk for them: a file of 120G" in databases.reason


def test_without_a_disk_both_are_files_that_fit():
    uploads, databases = proposals.places(having(disks=(), free=300 * GIB), None, 40)
    assert (uploads.value, databases.value) == ("150G", "100G")


def test_a_full_server_gets_no_proposal():
    assert proposals.places(having(disks=(Disk("/dev/sdb", GIB),), free=5 * GIB), None, 6) == (None, None)


def test_a_nas_of_its_own_has_the_uploads():
    nas = having(disks=(Disk("/dev/sdb", 4 * TB), Disk("/dev/sdc", 8 * TB)))
    uploads, databases = proposals.places(REPORT, nas, 20)
    assert (uploads.value, databases.value) == ("/dev/sdc", "/dev/disk/by-id/nvme-Samsung_PM9A3")


def test_a_small_disk_says_so():
    uploads, _databases = proposals.places(having(disks=(Disk("/dev/sdb", 50 * GIB),)), None, 6)
    assert "it is small" in uploads.reason


def test_what_will_be_closed_is_named_without_what_is_the_platforms():
    ports = proposals.open_ports(having(listeners=(*REPORT.listeners, Listener("tcp", 443, "traefik"))), Target("x"))
    assert [(one.protocol, one.port) for one in ports] == [("tcp", 9100), ("udp", 51820)]


def findings(is_server=True, **values):
    found = proposals.findings("silo1", having(**values), is_server=is_server)
    assert all(one.fix for one in found)
    return {(one.id, one.state): one.message for one in found}


def test_a_sound_server_has_no_finding():
    assert findings() == {}


@pytest.mark.parametrize(
    ("values", "finding", "message"),
    [
        ({"is_root": False}, ("login", "wrong"), "the login is not root's"),
        ({"release": "12"}, ("system", "wrong"), "it runs debian 12, not Debian 13"),
        ({"system": "ubuntu", "release": "24.04"}, ("system", "wrong"), "it runs ubuntu 24.04"),
        ({"system": ""}, ("system", "wrong"), "an unknown system"),
        ({"has_python": False}, ("python", "wrong"), "no Python"),
        ({"memory": 7 * GIB}, ("memory", "wrong"), "its 7 GiB of memory have no room for a tenant"),
        ({"has_foreign_engine": True}, ("docker", "wrong"), "docker-ce"),
        ({"clock": -3600.4}, ("clock", "warning"), "its clock is 3600 s behind this machine's"),
        ({"listeners": (Listener("tcp", 80, "nginx"),)}, ("ports", "wrong"), "nginx listens on port 80"),
        ({"listeners": (Listener("tcp", 443, ""),)}, ("ports", "wrong"), "a program listens on port 443"),
    ],
)
def test_what_stands_in_the_way_is_named_with_its_fix(values, finding, message):
    found = findings(**values)
    assert list(found) == [finding]
    assert message in found[finding]


def test_the_platforms_own_proxy_is_in_nobodys_way():
    assert findings(listeners=(Listener("tcp", 443, "traefik"), Listener("udp", 443, "other"))) == {}


def test_a_nas_needs_neither_ports_nor_memory():
    values = {"memory": 2 * GIB, "listeners": (Listener("tcp", 80, "nginx"),)}
    assert findings(is_server=False, **values) == {}
