"""The virtual machines of a lab: which there are, and their places in its network."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..command import Machine
from ..engine import Engine
from ..hosts import Hosts
from ..progress import step
from ..state import Directory
from . import image
from .guest import Guest, Place


@dataclass(frozen=True)
class Kind:
    """Where a machine is in the lab's network, and its memory in MiB."""

    number: int
    memory: int


# A NAS, and a server that mounts it.
MACHINES: Mapping[str, Kind] = {"nas": Kind(10, 1024), "server": Kind(11, 4096)}
RESOLVER = 3  # the lab's "rest of the world", where it runs
NEEDED = (
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("mmdebstrap", "mmdebstrap"),
    ("mke2fs", "e2fsprogs"),
    ("ip", "iproute2"),
)


class Machines:
    """Makes, starts and removes them; the image is shared by all labs of a checkout."""

    def __init__(self, machine: Machine, directory: Directory, cache: Path) -> None:
        """Look at nothing yet."""
        self.machine, self.directory = machine, directory
        self.engine = Engine(machine)
        self.hosts = Hosts(machine, directory.name)
        self.image = image.image_of(cache)

    def guest(self, name: str) -> Guest:
        """One of them, there or not."""
        return Guest(self.machine, self.directory.path / "vm" / name, name, MACHINES[name].memory)

    def up(self, names: Iterable[str]) -> None:
        """Have them run, side by side, made where they are missing."""
        self.engine.ensure(NEEDED)
        self.directory.make()
        step("image of the virtual machines", lambda: image.ensure(self.machine, self.image))
        step("acceleration", lambda: image.acceleration(self.image))
        network = self.hosts.network()
        bridge = self.hosts.bridge()

        def boot(name: str) -> None:
            place = Place(
                bridge, str(network[MACHINES[name].number]), network.prefixlen, str(network[1]), str(network[RESOLVER])
            )
            guest = self.guest(name)
            step(
                f"virtual machine {name}",
                lambda: f"{guest.make(self.image, place)}, {guest.power_on(self.image, place)}",
            )

        with ThreadPoolExecutor() as workers:
            list(workers.map(boot, names))

    def cut(self, names: Iterable[str]) -> None:
        """Cut their power; their disks stay."""
        for name in names:
            step(f"power cut of {name}", self.guest(name).cut, lambda _: "done")

    def down(self, names: Iterable[str]) -> None:
        """Remove them."""
        for name in names:
            if self.guest(name).directory.exists():
                step(f"virtual machine {name}", self.guest(name).remove, lambda _: "removed")
