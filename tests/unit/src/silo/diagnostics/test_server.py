"""From what machines tell of themselves to findings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silo.capacity import GIB
from silo.diagnostics import server

NOW = 1_795_451_640.0


def disk(**changes):
    return {"path": "/srv", "size": 100 * GIB, "free": 50 * GIB, "inodes": 1000, "inodes_free": 500, **changes}


def test_a_clock_that_is_right_whatever_the_way_took():
    finding = server.clock("silo1", NOW + 9, NOW, NOW + 20, True)
    assert (finding.id, finding.subject, finding.state, finding.fix) == ("clock", "silo1", "ok", "")


@pytest.mark.parametrize(("there", "text"), [(NOW - 90, "90 seconds behind"), (NOW + 92, "90 seconds ahead of")])
def test_a_clock_that_is_off(there, text):
    finding = server.clock("silo1", there, NOW, NOW + 2, True)
    assert (finding.state, finding.message) == ("wrong", f"it is {text} this machine's")
    assert "timedatectl" in finding.fix


def test_a_clock_that_nobody_keeps():
    finding = server.clock("silo1", NOW + 1, NOW, NOW + 2, False)
    assert (finding.state, finding.message) == ("warning", "it is right now, but nothing synchronizes it")
    assert finding.fix


@given(st.floats(0, 3600), st.floats(-1e6, 1e6))
def test_a_clock_is_wrong_exactly_where_it_is_off_by_more_than_the_way(way, off):
    finding = server.clock("silo1", NOW + off, NOW, NOW + way, True)
    beyond = max(-off, off - way)
    if abs(beyond - server.CLOCK_SECONDS) > 0.001:
        assert finding.state == ("wrong" if beyond > server.CLOCK_SECONDS else "ok")


def test_a_disk_with_room():
    (finding,) = server.disks("silo1", [disk()], server.Thresholds())
    assert (finding.id, finding.state, finding.fix) == ("disk", "ok", "")
    assert finding.message == "/srv has 50 GiB of 100 GiB and 50 % of the inodes left"


@pytest.mark.parametrize(
    ("changes", "state", "short"),
    [
        ({"free": 14 * GIB}, "warning", "its room is below 15 % (silo_check_disk_warning)"),
        ({"free": 4 * GIB}, "wrong", "its room is below 5 % (silo_check_disk_wrong)"),
        ({"inodes_free": 149}, "warning", "its inodes are below 15 % (silo_check_disk_warning)"),
        ({"free": 0, "inodes_free": 0}, "wrong", "its room and inodes are below 5 % (silo_check_disk_wrong)"),
        ({"free": 4 * GIB, "inodes_free": 149}, "wrong", "its room is below 5 % (silo_check_disk_wrong)"),
        ({"free": 14 * GIB, "inodes_free": 4}, "wrong", "its inodes are below 5 % (silo_check_disk_wrong)"),
    ],
)
def test_a_disk_that_fills(changes, state, short):
    (finding,) = server.disks("silo1", [disk(**changes)], server.Thresholds())
    assert finding.state == state
    assert finding.message.endswith(f" left; {short}")
    assert "/srv" in finding.fix


def test_a_file_system_that_counts_no_inodes():
    (finding,) = server.disks("silo1", [disk(inodes=0, inodes_free=0)], server.Thresholds())
    assert (finding.state, finding.message) == ("ok", "/srv has 50 GiB of 100 GiB left")


def test_the_room_of_the_nas():
    good = server.pool("nas1", {"size": 100 * GIB, "free": 50 * GIB}, server.Thresholds())
    bad = server.pool("nas1", {"size": 100 * GIB, "free": GIB}, server.Thresholds())
    assert (good.id, good.subject, good.state, good.fix) == ("disk", "nas1", "ok", "")
    assert bad.state == "wrong"
    assert bad.message == (
        "the storage of all tenants has 1 GiB of 100 GiB left; its room is below 5 % (silo_check_disk_wrong)"
    )
    assert "silo purge" in bad.fix


def test_thresholds_are_the_operators():
    (finding,) = server.disks("silo1", [disk()], server.Thresholds(warning=60, wrong=55))
    assert finding.state == "wrong"


def tenant(name, problem="", limit=100 * GIB):
    return {"path": f"/instances/{name}", "problem": problem, "limit": limit}


def test_quotas_that_hold():
    (finding,) = server.quotas("nas1", "xfs", {"hans": tenant("hans")})
    assert (finding.id, finding.subject, finding.state, finding.fix) == ("quota", "nas1", "ok", "")
    assert finding.message == "quotas of xfs are on, and hold 1 tenant"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (tenant("maria", "is a plain directory and not a subvolume", None), ": it is a plain directory and not a subv"),
        (tenant("maria", limit=None), ""),
    ],
)
def test_a_quota_that_does_not_hold(found, why):
    good, bad = server.quotas("nas1", "xfs", {"maria": found, "hans": tenant("hans")})
    assert good.message == "quotas of xfs are on, and hold 1 tenant"
    assert (bad.subject, bad.state) == ("maria", "wrong")
    assert bad.message.startswith(f"no limit holds on /instances/maria of nas1{why}")
    assert "playbooks/apply.yml --limit maria" in bad.fix
    assert server.quotas("nas1", "xfs", {"maria": found}) == [bad]
