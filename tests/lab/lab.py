"""A lab as a whole: up, down, reboot and how it is."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from . import certificates
from .command import LabError, Machine
from .engine import Engine
from .hosts import Host, Hosts
from .images import STAND_INS, Builder
from .internet import ACME_PORT, Internet
from .progress import step
from .server import Server
from .state import DOMAIN, Directory, Lab
from .vm.machines import MACHINES, Machines

REPOSITORY = Path(__file__).parents[2]
OFFICIAL_IMAGES = REPOSITORY / "group_vars" / "all" / "images.yml"
SERVER_VOLUMES = {"/var/lib/docker": "docker", "/srv": "srv", "/var/lib/silo": "silo"}
INTERNET_VOLUMES = {"/var/lib/docker-registry": "registry"}
BUILDERS = 2  # at a time: one loads packages while the other unpacks


class Laboratory:
    """Makes and removes the lab of a directory."""

    def __init__(self, machine: Machine, directory: Directory, *, official: bool = False) -> None:
        """With `official`, the server is to run the official images; nothing is built for it then."""
        self.machine, self.directory, self.official = machine, directory, official
        self.engine = Engine(machine)
        self.hosts = Hosts(machine, directory.name)
        self.builder = Builder(machine, directory.path / "build")
        self.server_name, self.internet_name = directory.name, f"{directory.name}-internet"

    def up(self) -> Lab:
        """Make the lab, or what is missing of it, and wait until it can be used."""
        self.engine.ensure()
        self.directory.make()
        step("image base", self.builder.make_base)
        server_image, internet_image = self._build("server", "internet")
        network = step("network", self.hosts.network)
        address, resolver = str(network[2]), str(network[3])
        internet = self._internet(internet_image, resolver, address, str(network[MACHINES["server"].number]))
        server = self._server(server_image, address, resolver)
        step("root certificate", lambda: self._trust(internet, server))
        images = _official_images() if self.official else self._images(internet)
        return self._record(internet, server, images)

    def _internet(self, image: str, address: str, server: str, virtual: str) -> Internet:
        """Have the rest of the world, with certificates for its names and address."""
        names = [f"registry.{DOMAIN}", f"acme.{DOMAIN}", "localhost"]
        step("certificates", lambda: certificates.ensure(self.directory, names, [address, "127.0.0.1"]))
        host = Host(self.internet_name, image, address, INTERNET_VOLUMES, {}, is_renewable=True)
        step(f"host {host.name}", lambda: self.hosts.ensure(host))
        internet = Internet(self.machine, self.hosts, self.directory, host.name, address, server, DOMAIN, virtual)
        step("resolver, registry and ACME authority", internet.ensure)
        return internet

    def _server(self, image: str, address: str, resolver: str) -> Server:
        """Have the server, and root's login on it."""
        # In place of Docker's own resolver, which a rented server has not, and whose rules a firewall may flush.
        self.directory.write(self.directory.resolv_conf, f"nameserver {resolver}\n", mode=0o644)
        mounts = {"/etc/resolv.conf": str(self.directory.resolv_conf)}
        host = Host(self.server_name, image, address, SERVER_VOLUMES, mounts)
        step(f"host {host.name}", lambda: self.hosts.ensure(host))
        server = Server(self.machine, self.hosts, self.directory, host.name, address)
        step("ssh", server.ensure_ssh)
        return server

    def _build(self, *names: str) -> list[str]:
        """Build some images side by side; their tags."""

        def make(name: str) -> str:
            image = self.builder.image(name)
            step(f"image {name}", lambda: self.builder.make(image))
            return image.tag

        with ThreadPoolExecutor(BUILDERS) as workers:
            return list(workers.map(make, names))

    def _images(self, internet: Internet) -> dict[str, str]:
        """Build the stand-ins and put them into the registry; their references by digest, by the key of lab.json."""

        def publish(name: str) -> str:
            image = self.builder.image(name)
            digest = internet.digest(image)
            if digest is None:
                step(f"image {name}", lambda: self.builder.make(image))
                digest = step(f"image {name} in the registry", lambda: internet.push(image), lambda answer: answer[:19])
            return f"{internet.registry}/{name}@{digest}"

        with ThreadPoolExecutor(BUILDERS) as workers:
            return dict(zip(STAND_INS, workers.map(publish, STAND_INS.values()), strict=True))

    def _trust(self, internet: Internet, server: Server) -> str:
        """Keep the authority's root; where it is another than before, what it issued before is worthless."""
        is_first = not self.directory.ca.exists()
        root = internet.root()
        if not is_first and self.directory.ca.read_text() == root:
            return "as before"
        server.forget_certificates()
        self.directory.write(self.directory.ca, root)
        return "fetched" if is_first else "new, Traefik asks for its certificates again"

    def _record(self, internet: Internet, server: Server, images: Mapping[str, str]) -> Lab:
        lab = Lab(
            name=self.directory.name,
            container=server.container,
            address=server.address,
            domain=internet.domain,
            ca_file=str(self.directory.ca),
            lab_ca_file=str(self.directory.lab_ca),
            registry=internet.registry,
            acme_directory=f"https://acme.{internet.domain}:{ACME_PORT}/dir",
            resolver=internet.address,
            ssh_key=str(self.directory.ssh_key),
            known_hosts=str(self.directory.known_hosts),
            images=dict(images),
        )
        self.directory.save(lab)
        return lab

    def down(self) -> None:
        """Remove all of the lab. The images stay in the machine's engine: the next lab needs them."""
        machines = Machines(self.machine, self.directory, REPOSITORY / ".cache")
        machines.down(MACHINES)
        if self.engine.installed():
            step("docker engine", self.engine.ensure_running)
            volumes = [f"{self.server_name}-{volume}" for volume in SERVER_VOLUMES.values()]
            volumes += [f"{self.internet_name}-{volume}" for volume in INTERNET_VOLUMES.values()]
            step(self.directory.name, lambda: self.hosts.remove(volumes))
        self.directory.remove()

    def reboot(self) -> None:
        """Restart the server as if its power button was pressed, and wait until root can log in again."""
        lab = self.known()
        step(f"reboot {lab.container}", lambda: self.hosts.restart(lab.container))
        server = Server(self.machine, self.hosts, self.directory, lab.container, lab.address)
        step("ssh", server.ensure_ssh)

    def status(self) -> bool:
        """Say how the lab is; whether both hosts run."""
        lab = self.known()
        if self.engine.version() is None:
            raise LabError("the machine's Docker Engine does not run: `make lab` starts it, and the lab with it")
        states = {name: self.hosts.state(name) for name in (self.server_name, self.internet_name)}
        for name, state in states.items():
            print(f"lab  {name} is {state}")
        print(f"lab  ssh -i {lab.ssh_key} -o UserKnownHostsFile={lab.known_hosts} root@{lab.address}")
        return set(states.values()) == {"running"}

    def known(self) -> Lab:
        """The lab as it was recorded; LabError where there is none."""
        lab = self.directory.load()
        if lab is None:
            raise LabError(f"there is no lab {self.directory.name}: `make lab` makes it")
        return lab


def _official_images() -> dict[str, str]:
    """The references that production pulls."""
    images = yaml.safe_load(OFFICIAL_IMAGES.read_text())["silo_images"]
    return {name: str(images[name]) for name in STAND_INS}
