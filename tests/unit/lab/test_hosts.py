import dataclasses
import io
import json
import tarfile

import pytest

from tests.lab.command import LabError, Result
from tests.lab.hosts import Host, Hosts, free_network, missing_capabilities

ABSENT = Result(1, "", "No such object")
STATE = "docker container inspect --format '{{.State.Status}}'"
IMAGE = "docker container inspect --format '{{.Config.Image}}'"
SERVER = Host(
    name="silo-lab",
    image="silo-lab-server:1",
    address="172.29.0.2",
    volumes={"/srv": "srv"},
    mounts={"/etc/resolv.conf": "/lab/resolv.conf"},
)


@pytest.fixture
def hosts(machine, tmp_path):
    status = tmp_path / "status"
    status.write_text("CapPrm:\t0000000000000000\nCapBnd:\t000001fffeffffff\n")
    machine.answers = {"docker exec silo-lab systemctl is-system-running": "running\n"}
    return Hosts(machine, "silo-lab", status)


def test_the_capabilities_that_a_machine_lacks():
    assert missing_capabilities("CapBnd:\t000001fffeffffff\n") == ["SYS_RESOURCE"]
    assert missing_capabilities("CapBnd:\t000001ffffffffff\n") == []


@pytest.mark.parametrize(
    ("taken", "free"),
    [
        ([], "172.29.0.0/24"),
        (["172.29.0.0/24", "172.29.2.0/24"], "172.29.1.0/24"),
        (["172.29.0.64/26", "172.29.1.0/25"], "172.29.2.0/24"),
        (["172.28.0.0/15", "fd00::/64"], None),
        (["172.17.0.0/16", "fd00::/64"], "172.29.0.0/24"),
    ],
)
def test_the_first_network_that_is_free(taken, free):
    if free is None:
        with pytest.raises(LabError, match="is free"):
            free_network(taken)
    else:
        assert str(free_network(taken)) == free


def test_an_existing_network_is_kept(hosts, machine):
    machine.answers |= {"docker network inspect": "172.29.7.0/24 \n"}
    assert str(hosts.network()) == "172.29.7.0/24"
    assert not machine.asked("create")


def test_a_network_that_another_took_meanwhile_is_not_fought_for(hosts, machine):
    overlap = Result(1, "", "Error response from daemon: Pool overlaps with other one on this address space")
    inspected = {"silo-lab": [ABSENT, ABSENT, "172.29.1.0/24\n"], "one": ["", "172.29.0.0/24\n"]}
    for name, answers in inspected.items():
        machine.answers[
            f"docker network inspect --format '{{{{range .IPAM.Config}}}}{{{{.Subnet}}}} {{{{end}}}}' {name}"
        ] = answers
    machine.answers |= {"docker network ls": "one\n", "docker network create": [overlap, "id\n"]}
    assert str(hosts.network()) == "172.29.1.0/24"
    assert [call.split()[-2] for call in machine.asked("create")] == ["172.29.0.0/24", "172.29.1.0/24"]


def test_a_network_that_cannot_be_made_is_an_error(hosts, machine):
    machine.answers |= {"docker network inspect": ABSENT, "docker network create": Result(1, "", "no bridge module")}
    with pytest.raises(LabError, match="no bridge module"):
        hosts.network()


@pytest.mark.parametrize(
    ("state", "does", "says"),
    [
        ("running\n", [], "runs"),
        ("exited\n", ["docker start"], "started again"),
        ("created\n", ["docker rm", "docker run"], "made anew"),
        ("dead\n", ["docker rm", "docker run"], "made anew"),
        (ABSENT, ["docker run"], "made"),
    ],
)
def test_a_host_is_brought_to_run_from_whatever_it_is(hosts, machine, state, does, says):
    machine.answers |= {STATE: state, IMAGE: "silo-lab-server:1\n"}
    assert hosts.ensure(SERVER) == f"{says}, running"
    started = [call for call in machine.calls if call.startswith(("docker start", "docker rm", "docker run"))]
    assert [" ".join(call.split()[:2]) for call in started] == does


def test_a_host_that_was_stopped_comes_back_on_the_network_as_it_is_now(hosts, machine):
    machine.answers |= {STATE: "exited\n", IMAGE: "silo-lab-server:1\n", "docker network disconnect": ABSENT}
    hosts.ensure(SERVER)
    assert [call for call in machine.calls if call.startswith(("docker network", "docker start"))] == [
        "docker network disconnect --force silo-lab silo-lab",
        "docker network connect --ip 172.29.0.2 silo-lab silo-lab",
        "docker start silo-lab",
    ]


@pytest.mark.parametrize(("renewable", "runs"), [(True, 1), (False, 0)])
def test_a_host_of_an_older_image_is_renewed_where_nothing_is_lost(hosts, machine, renewable, runs):
    machine.answers |= {STATE: "running\n", IMAGE: "silo-lab-server:0\n"}
    said = hosts.ensure(dataclasses.replace(SERVER, is_renewable=renewable))
    assert ("older image" in said) is not renewable
    assert len(machine.asked("docker run")) == runs


def test_how_a_host_is_run(hosts):
    arguments = hosts.run_arguments(SERVER)
    assert "--privileged" not in arguments
    assert "--cap-drop=SYS_RESOURCE" in arguments
    assert "--cgroupns=private" in arguments
    assert "--volume=silo-lab-srv:/srv" in arguments
    assert "--volume=/lab/resolv.conf:/etc/resolv.conf:ro" in arguments
    assert "ch.swissphoto.silo.lab=silo-lab" in arguments
    assert arguments[-4:-1] == ["silo-lab-server:1", "sh", "-c"]


def test_units_that_failed_are_named(hosts, machine):
    machine.answers |= {
        "docker exec silo-lab systemctl is-system-running": Result(1, "degraded\n", ""),
        "docker exec silo-lab systemctl list-units": "one.service loaded failed failed One\ntwo.timer x\n",
    }
    assert hosts.wait_until_booted("silo-lab") == "degraded: one.service two.timer"


def test_a_host_that_dies_while_it_boots_is_an_error_with_its_last_words(hosts, machine):
    machine.answers |= {
        "docker exec silo-lab systemctl is-system-running": Result(1, "", "not running"),
        "docker container inspect": "exited\n",
        "docker logs": Result(0, "", "mount: permission denied"),
    }
    with pytest.raises(LabError, match="silo-lab does not boot: mount: permission denied"):
        hosts.wait_until_booted("silo-lab")


def test_a_boot_that_does_not_end_is_an_error(hosts, machine):
    machine.answers |= {
        "docker exec silo-lab systemctl is-system-running": Result(1, "starting\n", ""),
        "docker container inspect": "running\n",
    }
    with pytest.raises(LabError, match="the boot of silo-lab did not come"):
        hosts.wait_until_booted("silo-lab")


def test_only_files_that_differ_are_put(hosts, machine):
    machine.answers |= {"docker exec silo-lab cat /a": "old", "docker exec silo-lab cat /b": "same"}
    assert hosts.put("silo-lab", {"/a": ("new", 0o640), "/b": ("same", 0o644)})
    with tarfile.open(fileobj=io.BytesIO(machine.sent[-1])) as archive:
        (entry,) = archive.getmembers()
        assert (entry.name, entry.mode, entry.uid) == ("a", 0o640, 0)
        assert archive.extractfile(entry).read() == b"new"
    machine.answers["docker exec silo-lab cat /a"] = "new"
    assert not hosts.put("silo-lab", {"/a": ("new", 0o640), "/b": ("same", 0o644)})


def test_removal_takes_what_is_the_labs_and_nothing_else(hosts, machine):
    machine.answers |= {
        "docker ps --all --filter label=ch.swissphoto.silo.lab=silo-lab --quiet": "c1\nc2\n",
        "docker volume ls": "silo-lab-srv\nsilo-lab-b-srv\nother\n",
        "docker network ls --filter label=ch.swissphoto.silo.lab=silo-lab --quiet": "n1\n",
    }
    assert hosts.remove(["silo-lab-srv", "silo-lab-docker"]) == "2 containers, 1 volumes, 1 networks removed"
    removed = [call for call in machine.calls if " rm " in call]
    assert removed == ["docker rm --force --volumes c1 c2", "docker volume rm silo-lab-srv", "docker network rm n1"]


def test_removal_of_nothing_removes_nothing(hosts, machine):
    assert hosts.remove(["silo-lab-srv"]) == "0 containers, 0 volumes, 0 networks removed"
    assert not machine.asked(" rm ")


def test_loop_devices_are_told_apart_by_inode(hosts, machine, tmp_path):
    (tmp_path / "silo").mkdir()
    image = tmp_path / "silo" / "nas.img"
    image.write_text("ours")
    status = image.stat()
    disk = f"     {status.st_dev >> 8 & 0xFFF}:{status.st_dev & 0xFF}  "
    loops = [
        {"name": "/dev/loop3", "back-ino": status.st_ino, "back-maj:min": disk},
        {"name": "/dev/loop4", "back-ino": status.st_ino, "back-maj:min": "254:99"},
        {"name": "/dev/loop5", "back-ino": status.st_ino + 1_000_000, "back-maj:min": disk},
    ]
    machine.answers |= {
        "losetup --list": json.dumps({"loopdevices": loops}),
        "docker volume inspect": f"{tmp_path}/silo\n",
    }
    hosts.free_loops(["silo-lab-silo"])
    assert machine.asked("--detach") == ["losetup --detach /dev/loop3"]
