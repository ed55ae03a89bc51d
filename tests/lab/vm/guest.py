"""One virtual machine: made from the image, powered on, paused, cut off, and reached by SSH."""

import hashlib
import io
import json
import os
import shutil
import signal
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import sleep

from ..command import LabError, Machine
from ..progress import wait_for
from .image import Image, acceleration

SECONDS = 600  # an emulated one on a busy machine
DATA_SIZE = "64G"  # sparse
NETWORK = """[Match]
Type=ether
[Network]
Address={address}/{prefix}
Gateway={gateway}
"""


@dataclass(frozen=True)
class Place:
    """Where a machine stands in the lab's network."""

    bridge: str
    address: str
    prefix: int
    gateway: str
    resolver: str


@dataclass(frozen=True)
class Record:
    """How a machine is reached; tests and inventories find it in vm.json. Paths are absolute."""

    name: str
    address: str
    ssh_key: str
    known_hosts: str
    data_disk: str  # in the machine


class Guest:
    """A machine of a lab. All that is its own lies in one directory."""

    def __init__(self, machine: Machine, directory: Path, name: str, memory_mib: int = 1024) -> None:
        """Look at nothing yet."""
        self.machine, self.directory, self.name, self.memory_mib = machine, directory, name, memory_mib
        self.pid_file = directory / "qemu.pid"
        self.key, self.known_hosts = directory / "id_ed25519", directory / "known_hosts"
        # An interface has at most 15 characters, and another checkout may have a lab of the same name.
        self.tap = "st-" + hashlib.sha256(str(directory).encode()).hexdigest()[:10]

    def make(self, image: Image, place: Place) -> str:
        """Have its disks and keys; what was done."""
        if (self.directory / "vm.json").exists():
            return "there"
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True, mode=0o700)
        host_key = self.directory / "host_key"
        for key in (self.key, host_key):
            self.machine.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(key))
        self.known_hosts.write_text(f"{place.address} {host_key.with_suffix('.pub').read_text()}")
        (self.directory / "seed.tar").write_bytes(self._seed(place, host_key.read_text()))
        self.machine.run("cp", "--sparse=always", str(image.root), str(self.directory / "root.img"))
        self.machine.run("truncate", "--size", DATA_SIZE, str(self.directory / "data.img"))
        record = Record(self.name, place.address, str(self.key), str(self.known_hosts), "/dev/disk/by-id/virtio-data")
        (self.directory / "vm.json").write_text(json.dumps(asdict(record), indent=2) + "\n")
        return "made"

    def _seed(self, place: Place, host_key: str) -> bytes:
        network = NETWORK.format(address=place.address, prefix=place.prefix, gateway=place.gateway)
        files = {
            "etc/hostname": (f"{self.name}\n", 0o644),
            "etc/hosts": (f"127.0.0.1 localhost\n{place.address} {self.name}\n", 0o644),
            "etc/resolv.conf": (f"nameserver {place.resolver}\n", 0o644),
            "etc/systemd/network/10-lab.network": (network, 0o644),
            "etc/ssh/ssh_host_ed25519_key": (host_key, 0o600),
            "root/.ssh/authorized_keys": (self.key.with_suffix(".pub").read_text(), 0o600),
        }
        archive = _archive_of(files)
        return archive + bytes(-len(archive) % 2**20)  # a disk has whole blocks

    def power_on(self, image: Image, place: Place) -> str:
        """Start it where it does not run, and wait until root can log in."""
        if self.pid() is None:
            self._plug(place.bridge)
            self.pid_file.unlink(missing_ok=True)
            self.machine.start(self._arguments(image, place), self.directory / "qemu.log")
            did = "started"
        else:
            did = "runs"
        wait_for(f"a login on {self.name} (see {self.directory}/console.log)", self._login, SECONDS, LabError)
        return f"{did}, root logs in at {place.address}"

    def _plug(self, bridge: str) -> None:
        self.machine.run("ip", "link", "delete", self.tap, check=False)
        self.machine.run("ip", "tuntap", "add", "dev", self.tap, "mode", "tap")
        self.machine.run("ip", "link", "set", self.tap, "master", bridge, "up")

    def _arguments(self, image: Image, place: Place) -> list[str]:
        how = acceleration(image)
        # A plain processor is emulated faster than one with every extension.
        processor = (
            ("-accel", "kvm", "-cpu", "host") if how == "kvm" else ("-accel", "tcg,thread=multi", "-cpu", "Nehalem")
        )
        # Emulated processors that patch code at once panic now and then while they boot: then they boot again.
        kernel = (
            "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=false mitigations=off nokaslr audit=0 panic=5"
        )
        disks = [
            f"file={self.directory}/{file},if=none,id={name},format=raw,cache=writeback{more}"
            for name, file, more in (
                ("root", "root.img", ""),
                ("seed", "seed.tar", ",readonly=on"),
                ("data", "data.img", ",discard=unmap"),
            )
        ]
        devices = [f"virtio-blk-pci,drive={name},serial={name}" for name in ("root", "seed", "data")]
        mac = "52:54:00:" + ":".join(f"{int(part):02x}" for part in place.address.split(".")[1:])
        return [
            *("qemu-system-x86_64", *processor, "-smp", "2", "-m", str(self.memory_mib)),
            *("-nodefaults", "-display", "none", "-serial", f"file:{self.directory}/console.log"),
            *("-pidfile", str(self.pid_file)),
            *("-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", kernel),
            *(part for disk in disks for part in ("-drive", disk)),
            *(part for device in devices for part in ("-device", device)),
            *("-netdev", f"tap,id=net,ifname={self.tap},script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=net,mac={mac}", "-device", "virtio-rng-pci"),
        ]

    def ssh(self, *command: str, check: bool = True) -> str:
        """What a command in the machine prints."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "5",
            "IdentitiesOnly": "yes",
            # A machine that panics closes no connection: after five minutes of silence the command fails.
            "ServerAliveCountMax": "10",
            "ServerAliveInterval": "30",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
        }
        flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        # No configuration of the person who calls: the files here must be enough.
        ssh = ("ssh", "-F", "none", *flags, "-i", str(self.key), f"root@{self.record().address}")
        return self.machine.run(*ssh, *command, check=check).stdout

    def _login(self) -> bool | None:
        if self.pid() is None and self.pid_file.exists():
            raise LabError(f"{self.name} ended while it booted: see {self.directory}/qemu.log")
        return True if self.ssh("echo", "in", check=False).strip() == "in" else None

    def record(self) -> Record:
        """How it is reached; LabError where there is no such machine."""
        file = self.directory / "vm.json"
        if not file.exists():
            raise LabError(f"there is no virtual machine {self.name}: `python -m tests.lab.vm up {self.name}` makes it")
        values: Mapping[str, str] = json.loads(file.read_text())
        return Record(**values)

    def pid(self) -> int | None:
        """The process of the machine; None where it is off. After a crash the number may be another's."""
        try:
            number = int(self.pid_file.read_text())
            arguments = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            return None
        return number if str(self.pid_file).encode() in arguments else None

    def pause(self) -> None:
        """Hang it: it answers nothing, and closes nothing."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """End the hang."""
        self._send(signal.SIGCONT)

    def cut(self) -> None:
        """Cut its power: what it had not written to its disks is gone."""
        self.resume()
        self._send(signal.SIGKILL)
        while self.pid() is not None:
            sleep(0.1)
        self.machine.run("ip", "link", "delete", self.tap, check=False)

    def _send(self, number: signal.Signals) -> None:
        if (pid := self.pid()) is not None:
            os.kill(pid, number)

    def remove(self) -> None:
        """Remove all of it."""
        self.cut()
        shutil.rmtree(self.directory, ignore_errors=True)


def _archive_of(files: Mapping[str, tuple[str, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, (content, mode) in files.items():
            for parent in list(Path(path).parents)[-2::-1]:
                entry = tarfile.TarInfo(str(parent))
                entry.type, entry.mode = tarfile.DIRTYPE, 0o700 if parent.name in ("root", ".ssh") else 0o755
                archive.addfile(entry)
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content.encode()), mode
            archive.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()
