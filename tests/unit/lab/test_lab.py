import pytest
import yaml

from tests.lab import __main__ as command_line
from tests.lab import image_set
from tests.lab.command import LabError, Result
from tests.lab.hosts import Hosts
from tests.lab.images import STAND_INS
from tests.lab.internet import Internet
from tests.lab.lab import DISK_IMAGE, NAS_IMAGE, REPOSITORY, Laboratory
from tests.lab.server import MOUNT_POINTS, Server
from tests.lab.snapshot import Inventory, Snapshot


@pytest.fixture
def laboratory(machine, directory, monkeypatch):
    """A lab whose hosts answer at once, and whose registry has all that was pushed."""
    machine.answers = {
        "docker version": "26.1.5\n",
        "docker network inspect": "172.29.4.0/24\n",
        "docker container inspect": "running\n",
        "docker exec silo-lab systemctl is-system-running": "running\n",
        "docker exec silo-lab-internet systemctl is-system-running": "running\n",
    }
    monkeypatch.setattr("tests.lab.engine.Engine.missing", lambda self, needed=(): [])
    monkeypatch.setattr("tests.lab.engine.Engine.installed", lambda self: True)
    monkeypatch.setattr(Server, "ensure_ssh", lambda self: "root logs in")
    monkeypatch.setattr(Internet, "root", lambda self: "the root")
    monkeypatch.setattr(Internet, "digest", lambda self, image: None)
    monkeypatch.setattr(Internet, "push", lambda self, image: f"sha256:{image.name}")
    return Laboratory(machine, directory)


def test_up_records_how_to_reach_the_lab(laboratory, directory):
    lab = laboratory.up()
    assert directory.load() == lab
    assert (lab.container, lab.address, lab.resolver) == ("silo-lab", "172.29.4.2", "172.29.4.3")
    assert set(lab.images) == set(STAND_INS)
    assert lab.images["immich_server"] == "registry.swissphoto.test:5000/immich-server@sha256:immich-server"
    assert directory.ca.read_text() == "the root"
    assert directory.resolv_conf.read_text() == "nameserver 172.29.4.3\n"


def test_up_says_one_line_for_each_step(laboratory, capsys):
    laboratory.up()
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("lab  ") and line.endswith(" s)") for line in lines)
    assert len({line.partition(" ...")[0] for line in lines}) == len(lines)


def test_official_images_are_those_of_production_and_nothing_is_built_for_them(laboratory, machine, directory):
    lab = Laboratory(machine, directory, image_set.chosen("official")).up()
    policy = yaml.safe_load(image_set.OFFICIAL.read_text())["silo_images"]
    assert lab.images == {name: policy[name] for name in STAND_INS}
    assert not machine.asked("silo-lab-postgres:")


def test_images_that_the_registry_has_are_neither_built_nor_pushed(laboratory, machine, monkeypatch):
    monkeypatch.setattr(Internet, "digest", lambda self, image: f"sha256:{image.name}")
    monkeypatch.setattr(Internet, "push", lambda self, image: pytest.fail("pushed"))
    laboratory.up()
    assert not machine.asked("silo-lab-postgres:")


def test_certificates_of_an_authority_that_forgot_are_forgotten(laboratory, machine, monkeypatch):
    laboratory.up()
    machine.calls.clear()
    laboratory.up()
    assert not machine.asked("acme.json")
    monkeypatch.setattr(Internet, "root", lambda self: "another root")
    laboratory.up()
    assert machine.asked("acme.json")
    assert laboratory.directory.ca.read_text() == "another root"


def test_a_root_is_kept_only_after_the_old_certificates_are_gone(laboratory, machine, monkeypatch):
    laboratory.up()
    monkeypatch.setattr(Internet, "root", lambda self: "another root")
    machine.answers["docker exec silo-lab sh -c"] = Result(1, "", "killed")
    with pytest.raises(LabError, match="killed"):
        laboratory.up()
    assert laboratory.directory.ca.read_text() == "the root"


def test_down_removes_containers_and_files_and_can_be_repeated(laboratory, machine, directory):
    laboratory.up()
    machine.calls.clear()
    machine.answers |= {
        "docker ps --all": "c1\nc2\n",
        "docker volume ls": "silo-lab-srv\nsilo-lab-internet-registry\nsilo-lab-b-srv\n",
    }
    laboratory.down()
    assert machine.asked(" rm ") == [
        "docker rm --force --volumes c1 c2",
        "docker volume rm silo-lab-internet-registry silo-lab-srv",
    ]
    assert not directory.lab_json.exists()
    machine.answers |= {"docker ps --all": "", "docker volume ls": "silo-lab-b-srv\n"}
    laboratory.down()


def test_down_without_docker_removes_the_files(laboratory, machine, directory, monkeypatch):
    laboratory.up()
    machine.calls.clear()
    monkeypatch.setattr("tests.lab.engine.Engine.installed", lambda self: False)
    laboratory.down()
    assert machine.calls == []
    assert not directory.lab_json.exists()


def test_reboot_restarts_the_server_alone(laboratory, machine):
    laboratory.up()
    machine.calls.clear()
    laboratory.reboot()
    assert [call.split()[-1] for call in machine.asked("docker restart -t")] == ["silo-lab"]


def test_a_second_server_is_recorded_and_stays_when_the_lab_comes_up_again(laboratory, machine, directory):
    machine.answers["docker exec silo-lab-second systemctl is-system-running"] = "running\n"
    laboratory.up()
    lab = laboratory.add_server()
    assert directory.load() == lab
    assert (lab.second_container, lab.second_address) == ("silo-lab-second", "172.29.4.20")
    assert (lab.container, lab.address) == ("silo-lab", "172.29.4.2")
    assert laboratory.up() == lab


def test_down_removes_the_second_server_too(laboratory, machine):
    laboratory.up()
    machine.answers |= {"docker ps --all": "c1\n", "docker volume ls": "silo-lab-second-srv\nsilo-lab-srv\n"}
    laboratory.down()
    assert "docker volume rm silo-lab-second-srv silo-lab-srv" in machine.asked(" rm ")


@pytest.fixture
def inventory(tmp_path):
    return Inventory(tmp_path / "inventory", tmp_path / "vault-password")


def test_keep_stops_the_hosts_keeps_them_and_removes_the_lab(laboratory, machine, inventory, monkeypatch):
    laboratory.up()
    machine.calls.clear()
    kept = []
    monkeypatch.setattr(Snapshot, "keep", lambda self, *what: kept.append((list(machine.calls), what)) or "kept")
    laboratory.keep(inventory)
    ((before, (container, volumes, directory, given)),) = kept
    assert before == ["docker stop -t 90 silo-lab", "docker stop -t 90 silo-lab-internet"]
    assert container == "silo-lab"
    assert volumes == {
        "docker": "silo-lab-docker",
        "srv": "silo-lab-srv",
        "silo": "silo-lab-silo",
        "registry": "silo-lab-internet-registry",
    }
    assert (directory.name, given) == ("silo-lab", inventory)
    assert not laboratory.directory.lab_json.exists()


def test_a_lab_that_is_not_there_is_not_kept(laboratory, inventory):
    with pytest.raises(LabError, match="there is no lab silo-lab"):
        laboratory.keep(inventory)


def test_a_lab_whose_sources_have_changed_is_not_kept(laboratory, machine, inventory, monkeypatch):
    laboratory.up()
    monkeypatch.setattr(Laboratory, "_key", lambda self: "another")
    with pytest.raises(LabError, match="have changed since"):
        laboratory.keep(inventory)
    assert not machine.asked("docker stop")


def test_restore_starts_the_server_that_was_kept_with_a_file_system_of_its_own(
    laboratory, machine, inventory, monkeypatch
):
    machine.answers["docker container inspect"] = ["", "running\n"]
    monkeypatch.setattr(Laboratory, "_snapshot", lambda self: Snapshot(machine, "0123"))
    monkeypatch.setattr(Snapshot, "unpack", lambda self, *_what: True)
    monkeypatch.setattr(Server, "wait_for_certificates", lambda self, domain: "3 there")
    monkeypatch.setattr(Hosts, "state", lambda self, name: "absent")
    assert laboratory.restore(inventory)
    renamed, server = (machine.calls.index(*machine.asked(part)) for part in ("btrfstune", "--name silo-lab "))
    # Before it boots: two file systems of one id cannot be mounted at the same time.
    assert renamed < server
    for image in ("nas", "disk"):
        assert f"btrfstune -f -m /var/lib/silo/{image}.img" in machine.calls[renamed]
    assert "silo-lab-snapshot:0123" in machine.calls[server]
    (sealed,) = machine.asked("chattr +i")
    assert all(point in sealed for point in MOUNT_POINTS)


def test_without_a_snapshot_nothing_is_restored_and_nothing_made(laboratory, machine, inventory, monkeypatch):
    monkeypatch.setattr(Snapshot, "unpack", lambda self, *_what: False)
    assert not laboratory.restore(inventory)
    assert not machine.asked("docker run")
    assert not laboratory.directory.lab_json.exists()


def test_the_file_system_is_where_the_demo_has_it():
    policy = REPOSITORY / "inventory" / "demo" / "group_vars" / "all" / "policy.yml"
    assert f"nas_image_path: {NAS_IMAGE}\n" in policy.read_text()
    platform = yaml.safe_load((REPOSITORY / "group_vars" / "all" / "platform.yml").read_text())
    assert f"silo_disk_image_path: {DISK_IMAGE}\n" in policy.read_text()
    disk = yaml.safe_load((REPOSITORY / "group_vars" / "all" / "disk.yml").read_text())
    assert (platform["silo_storage_root"], disk["silo_disk_root"]) == MOUNT_POINTS


def test_it_is_there_as_long_as_a_file_or_a_container_is(laboratory, machine):
    assert not laboratory.is_there()
    laboratory.up()
    assert laboratory.is_there()
    laboratory.directory.remove()
    assert not laboratory.is_there()
    # Another clone made it, and was killed.
    machine.answers["docker ps --all"] = "c1\n"
    assert laboratory.is_there()


def test_archives_and_references_are_had_where_the_server_finds_them(machine, laboratory, directory, monkeypatch):
    pushed = []
    monkeypatch.setattr(
        Internet, "push_archive", lambda self, path, image: pushed.append((path.name, image.name)) or "sha256:archive"
    )
    path = directory.path / "server.tar"
    path.write_text("an image")
    images = image_set.ImageSet({"postgres": "example.org/postgres:14"}, {"immich_server": image_set.Archive(path)})
    lab = Laboratory(machine, directory, images).up()
    assert pushed == [("server.tar", "immich-server")]
    assert lab.images["immich_server"] == "registry.swissphoto.test:5000/immich-server@sha256:archive"
    assert lab.images["postgres"] == "example.org/postgres:14"
    assert lab.images["valkey"] == "registry.swissphoto.test:5000/valkey@sha256:valkey"
    assert list(lab.images) == list(STAND_INS)
    assert lab.vector_extension == "vectorchord"


def test_status_tells_a_lab_that_runs_from_one_that_does_not(laboratory, machine, capsys):
    with pytest.raises(LabError, match="there is no lab silo-lab"):
        laboratory.status()
    laboratory.up()
    assert laboratory.status()
    machine.answers["docker container inspect"] = "exited\n"
    assert not laboratory.status()
    assert "silo-lab-internet is exited" in capsys.readouterr().out


def test_the_command_line_turns_an_error_into_one_sentence_and_a_code(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("SILO_LAB", "No Lab")
    assert command_line.main(["status"]) == 1
    assert capsys.readouterr().err.startswith("lab: SILO_LAB='No Lab' cannot be the name of a lab")
    monkeypatch.setenv("SILO_LAB", "lab-of-a-unit-test")
    monkeypatch.setenv("IMAGES", "offical")
    assert command_line.main(["status"]) == 1
    assert "IMAGES='offical' is not known" in capsys.readouterr().err
    monkeypatch.setenv("IMAGES", "")
    monkeypatch.setattr(command_line, "REPOSITORY", tmp_path)
    assert command_line.main(["status"]) == 1
    assert "there is no lab lab-of-a-unit-test" in capsys.readouterr().err
    monkeypatch.setenv("SILO_INVENTORY", "")
    assert command_line.main(["restore"]) == 1
    assert "SILO_INVENTORY is not set; it names the inventory of a lab" in capsys.readouterr().err
