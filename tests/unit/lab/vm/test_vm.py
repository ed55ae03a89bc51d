import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from tests.lab.command import LabError, Result
from tests.lab.vm import image as image_module
from tests.lab.vm import machines as machines_module
from tests.lab.vm.guest import Guest, Place
from tests.lab.vm.image import Image, acceleration, ensure, image_of
from tests.lab.vm.machines import Machines
from tests.unit.patience import PATIENCE

PLACE = Place("br-0123456789ab", "172.29.4.10", 24, "172.29.4.1", "172.29.4.3")


@pytest.fixture
def image(tmp_path):
    made = Image(tmp_path / "image")
    made.directory.mkdir()
    (made.directory / "acceleration").write_text("tcg")
    return made


@pytest.fixture
def guest(machine, tmp_path):
    def keygen(*argv, **options):
        if argv[0] == "ssh-keygen":
            Path(argv[-1]).write_text("private")
            Path(f"{argv[-1]}.pub").write_text("ssh-ed25519 AAAA nas")
        return run(*argv, **options)

    run = machine.run
    machine.run = keygen
    machine.answers["ssh "] = "in\n"
    return Guest(machine, tmp_path / "vm" / "nas", "nas")


def test_the_image_is_built_once_and_whole_or_not_at_all(machine, tmp_path):
    image = image_of(tmp_path)

    def build(*argv, **options):
        if argv[0] == "mmdebstrap":
            boot = Path(argv[-1]) / "boot"
            boot.mkdir(parents=True)
            for name in ("vmlinuz-6.12", "initrd.img-6.12"):
                (boot / name).write_text(name)
        return run(*argv, **options)

    run = machine.run
    machine.run = build
    machine.answers["mke2fs"] = Result(1, "", "no space left")
    with pytest.raises(LabError, match="no space left"):
        ensure(machine, image)
    assert not image.directory.exists()
    assert list(image.directory.parent.iterdir()) == []
    machine.answers["mke2fs"] = ""
    assert ensure(machine, image) == "built"
    assert image.kernel.read_text() == "vmlinuz-6.12"
    machine.calls.clear()
    assert ensure(machine, image) == "there"
    assert machine.calls == []


def test_a_device_that_is_there_proves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: True)
    said = []
    monkeypatch.setattr(image_module, "_boots", lambda image: said.append(image) or False)
    image = Image(tmp_path)
    assert acceleration(image) == "tcg"
    assert acceleration(image) == "tcg"
    assert len(said) == 1
    (tmp_path / "acceleration").unlink()
    monkeypatch.setattr(image_module, "_boots", lambda image: True)
    assert acceleration(image) == "kvm"


def test_a_machine_has_keys_and_an_address_of_its_own(guest, image, machine):
    assert guest.make(image, PLACE) == "made"
    with tarfile.open(fileobj=io.BytesIO((guest.directory / "seed.tar").read_bytes())) as seed:
        files = {member.name: (member.mode, member) for member in seed.getmembers()}
        network = seed.extractfile(files["etc/systemd/network/10-lab.network"][1]).read().decode()
    assert "Address=172.29.4.10/24\nGateway=172.29.4.1\n" in network
    assert files["etc/ssh/ssh_host_ed25519_key"][0] == 0o600
    assert files["root/.ssh"][0] == 0o700
    assert guest.known_hosts.read_text() == "172.29.4.10 ssh-ed25519 AAAA nas"
    assert guest.record().data_disk == "/dev/disk/by-id/virtio-data"
    assert len((guest.directory / "seed.tar").read_bytes()) % 2**20 == 0
    assert guest.make(image, PLACE) == "there"


def test_a_machine_that_was_half_made_is_made_anew(guest, image):
    guest.directory.mkdir(parents=True)
    (guest.directory / "root.img").write_text("half")
    assert guest.make(image, PLACE) == "made"
    assert not (guest.directory / "root.img").exists()


def test_power_on_plugs_it_into_the_network_and_waits_for_a_login(guest, image, machine):
    guest.make(image, PLACE)
    assert guest.power_on(image, PLACE) == "started, root logs in at 172.29.4.10"
    assert machine.asked(f"ip link set {guest.tap} master br-0123456789ab up")
    (start,) = machine.asked("start qemu-system-x86_64")
    assert "-accel tcg,thread=multi" in start
    assert "mac=52:54:00:1d:04:0a" in start
    assert len(guest.tap) <= 15


@pytest.fixture
def process(guest):
    """A process that has the machine's pid file among its arguments, as QEMU has."""
    guest.directory.mkdir(parents=True)
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", str(guest.pid_file)])
    guest.pid_file.write_text(f"{sleeper.pid}\n")
    # A process that has just begun has no arguments yet.
    deadline = time.monotonic() + PATIENCE
    while guest.pid() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    yield sleeper
    sleeper.kill()
    sleeper.wait()


def test_a_hang_and_a_power_cut_reach_its_own_process_alone(guest, process):
    assert guest.pid() == process.pid
    guest.pause()
    assert os.waitpid(process.pid, os.WUNTRACED)[1] >> 8 == signal.SIGSTOP
    guest.cut()
    assert process.wait(PATIENCE) == -signal.SIGKILL
    guest.pid_file.write_text(f"{os.getpid()}\n")
    assert guest.pid() is None
    guest.cut()


def test_a_machine_that_ends_while_it_boots_is_an_error(guest, image, machine):
    guest.make(image, PLACE)
    guest.pid_file.write_text("999999999\n")
    machine.answers["ssh "] = ""
    with pytest.raises(LabError, match="ended while it booted"):
        guest._login()


def test_up_makes_what_is_named_in_the_labs_network(machine, directory, tmp_path, monkeypatch, capsys):
    machine.answers = {"docker version": "26\n", "docker network inspect --format {{.Id}}": "0123456789abcdef\n"}
    machine.answers["docker network inspect --format '{{.Id}}'"] = "0123456789abcdef\n"
    machine.answers["docker network inspect"] = "172.29.4.0/24\n"
    monkeypatch.setattr("tests.lab.engine.Engine.missing", lambda self, needed=(): [])
    monkeypatch.setattr(machines_module.image, "ensure", lambda *_: "there")
    monkeypatch.setattr(machines_module.image, "acceleration", lambda _: "tcg")
    made = []
    monkeypatch.setattr(Guest, "make", lambda self, image, place: made.append((self.name, place)) or "made")
    monkeypatch.setattr(Guest, "power_on", lambda self, image, place: "started")
    Machines(machine, directory, tmp_path).up(["nas"])
    assert made == [("nas", PLACE)]
    assert "virtual machine nas ... made, started" in capsys.readouterr().out


def test_down_removes_what_is_there(machine, directory, tmp_path, capsys):
    machines = Machines(machine, directory, tmp_path)
    nas = machines.guest("nas")
    nas.directory.mkdir(parents=True)
    (nas.directory / "vm.json").write_text(json.dumps({}))
    machines.down(["nas", "server"])
    assert not nas.directory.exists()
    assert capsys.readouterr().out.splitlines() == ["lab  virtual machine nas ... removed (5 s)"]
