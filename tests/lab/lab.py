"""The whole lab: up, down, reboot and status."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from . import certificates
from .command import LabError, Machine
from .engine import Engine
from .hosts import Host, Hosts
from .image_set import ImageSet
from .images import HOSTS, STAND_INS, Builder, Image
from .internet import ACME_PORT, Internet
from .progress import step
from .server import Server
from .snapshot import Inventory, Snapshot, key_of, policy_of
from .state import DOMAIN, Directory, Lab
from .vm.machines import MACHINES, Machines

REPOSITORY = Path(__file__).parents[2]
SERVER_VOLUMES = {"/var/lib/docker": "docker", "/srv": "srv", "/var/lib/silo": "silo"}
INTERNET_VOLUMES = {"/var/lib/docker-registry": "registry"}
SECOND = 20  # the place of a second server in the network
BUILDERS = 3  # at a time: some load packages while another unpacks
# nas_image_path and silo_disk_image_path of the demo's inventory: the NAS, and the server's disk for its tenants.
NAS_IMAGE, DISK_IMAGE = "/var/lib/silo/nas.img", "/var/lib/silo/disk.img"
# On the server's own disk, so that a recreated server has none.
CONVERGED = "/etc/silo-lab-converged"


class Laboratory:
    """Creates and removes the lab of a directory."""

    def __init__(self, machine: Machine, directory: Directory, images: ImageSet | None = None) -> None:
        """Use these images; by default the lab's stand-ins."""
        self.machine, self.directory, self.images = machine, directory, images or ImageSet()
        self.engine = Engine(machine)
        self.hosts = Hosts(machine, directory.name)
        self.builder = Builder(machine, directory.path / "build", costs=self.images.costs)
        self.server_name, self.internet_name = directory.name, f"{directory.name}-internet"
        self.second_name = f"{directory.name}-second"

    @property
    def volumes(self) -> dict[str, str]:
        """Part to volume of both hosts."""
        parts = [(self.server_name, part) for part in SERVER_VOLUMES.values()]
        parts += [(self.internet_name, part) for part in INTERNET_VOLUMES.values()]
        return {part: f"{host}-{part}" for host, part in parts}

    def up(self, server_image: str = "") -> Lab:
        """Create the lab, or its missing parts, and wait until it can be used; optionally with the server's image."""
        self.engine.ensure()
        self.directory.make()
        step("image base", self.builder.make_base)
        with ThreadPoolExecutor(BUILDERS) as workers:
            hosts = [workers.submit(self.builder.ensure, name) for name in HOSTS]
            # If the registry runs already, query it first.
            is_new = self.hosts.state(self.internet_name) == "absent"
            early = [workers.submit(self.builder.ensure, name) for name in self.images.stand_ins.values() if is_new]
            own_image, internet_image = (build.result() for build in hosts)
            network = step("network", self.hosts.network)
            address, resolver = str(network[2]), str(network[3])
            internet = self._internet(internet_image, resolver, address, str(network[MACHINES["server"].number]))
            server = self._server(self.server_name, server_image or own_image, address, resolver)
            step("root certificate", lambda: self._trust(internet, server))
            images = self._images(internet, workers, early)
        before = self.directory.load()
        lab = self._record(internet, server, images)
        return self.add_server() if before and before.second_container else lab

    def add_server(self) -> Lab:
        """Add a second server, from nothing, to a lab that runs; it is removed with the lab."""
        lab = self.known()
        image = self.builder.ensure("server")
        server = self._server(self.second_name, image, str(self.hosts.network()[SECOND]), lab.resolver)
        lab = replace(lab, second_container=server.container, second_address=server.address)
        self.directory.save(lab)
        return lab

    def _internet(self, image: str, address: str, server: str, virtual: str) -> Internet:
        """Start the internet services, with certificates for their names."""
        names = [f"registry.{DOMAIN}", f"acme.{DOMAIN}", "localhost"]
        step("certificates", lambda: certificates.ensure(self.directory, names, ["127.0.0.1"]))
        host = Host(self.internet_name, image, address, INTERNET_VOLUMES, {}, is_renewable=True)
        step(f"host {host.name}", lambda: self.hosts.ensure(host))
        internet = Internet(self.machine, self.hosts, self.directory, host.name, address, server, DOMAIN, virtual)
        step("resolver, registry and ACME authority", internet.ensure)
        return internet

    def _server(self, name: str, image: str, address: str, resolver: str) -> Server:
        """Start a server, with a login for root."""
        # In place of Docker's own resolver, which a rented server does not have, and whose rules a firewall may flush.
        self.directory.write(self.directory.resolv_conf, f"nameserver {resolver}\n", mode=0o644)
        mounts = {"/etc/resolv.conf": str(self.directory.resolv_conf)}
        host = Host(name, image, address, SERVER_VOLUMES, mounts)
        step(f"host {host.name}", lambda: self.hosts.ensure(host))
        server = Server(self.machine, self.hosts, self.directory, host.name, address)
        step(f"ssh of {name}", server.ensure_ssh)
        return server

    def _images(self, internet: Internet, workers: ThreadPoolExecutor, early: list[Future[str]]) -> dict[str, str]:
        """Make all images available to the server; return key of lab.json to reference."""

        def publish(image: Image, push: Callable[[], str]) -> str:
            digest = internet.digest(image) or step(f"image {image.name} in the registry", push, lambda got: got[:19])
            return f"{internet.registry}/{image.name}@{digest}"

        def own(name: str) -> str:
            image = self.builder.image(name)

            def push() -> str:
                if not early:
                    self.builder.ensure(name)
                return internet.push(image)

            return publish(image, push)

        def archive(key: str) -> str:
            given = self.images.archives[key]
            image = Image(STAND_INS[key], given.hash)
            return publish(image, lambda: internet.push_archive(given.path, image))

        for build in early:
            build.result()
        pushed = {key: workers.submit(own, name) for key, name in self.images.stand_ins.items()}
        pushed |= {key: workers.submit(archive, key) for key in self.images.archives}
        found = {**self.images.references, **{key: push.result() for key, push in pushed.items()}}
        return {key: found[key] for key in STAND_INS}

    def _trust(self, internet: Internet, server: Server) -> str:
        """Store the authority's root; if it has changed, the certificates that it issued before are invalid."""
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
            sources=self._key(),
            vector_extension=self.images.vector_extension,
            properties=self.images.properties,
        )
        self.directory.save(lab)
        return lab

    def is_there(self) -> bool:
        """Return whether files or hosts of the lab exist, also those of another clone."""
        return self.directory.is_there() or self.hosts.any_left()

    def down(self) -> None:
        """Remove the whole lab. The images stay in the machine's engine for the next lab."""
        machines = Machines(self.machine, self.directory, REPOSITORY / ".cache")
        machines.down(MACHINES)
        if self.engine.installed():
            step("docker engine", self.engine.ensure_running)
            second = [f"{self.second_name}-{part}" for part in SERVER_VOLUMES.values()]
            step(self.directory.name, lambda: self.hosts.remove([*self.volumes.values(), *second]))
        self.directory.remove()

    def keep(self, inventory: Inventory) -> None:
        """Turn a lab that `site.yml` has converged, and its inventory, into a snapshot. This removes the lab."""
        if self.known().sources != self._key():
            raise LabError("the sources of the lab have changed since it converged, so a snapshot would match neither")
        snapshot = self._snapshot()
        # The server first, because it uses the registry and the authority.
        for name in (self.server_name, self.internet_name):
            step(f"stop of {name}", partial(self.hosts.stop, name))
        step("snapshot", lambda: snapshot.keep(self.server_name, self.volumes, self.directory, inventory))
        self.down()

    def mark_converged(self, inventory: Path) -> None:
        """Record on the server that `site.yml` has succeeded, and its sources."""
        key = key_of(REPOSITORY, self.images.key, policy_of(inventory))
        self.hosts.put(self.known().container, {CONVERGED: (key, 0o644)})

    def is_converged(self, inventory: Path) -> bool:
        """Return whether `site.yml` has succeeded on this server, and its sources have not changed since."""
        key = key_of(REPOSITORY, self.images.key, policy_of(inventory))
        return self.hosts.execute(self.known().container, "cat", CONVERGED, check=False) == key

    def is_kept(self) -> bool:
        """Return whether there is a snapshot of the current sources."""
        return self._snapshot().exists()

    def restore(self, inventory: Inventory) -> bool:
        """Create the lab and its inventory from the snapshot; return False, and do nothing, if none fits."""
        self.engine.ensure()
        self.directory.make()
        snapshot = self._snapshot()
        if not step("snapshot", lambda: snapshot.unpack(self.volumes, self.directory, inventory), _found):
            return False
        step("identity of its file systems", lambda: self._rename_file_systems(snapshot.image))
        lab = self.up(snapshot.image)
        server = Server(self.machine, self.hosts, self.directory, lab.container, lab.address)
        step("mount points", server.seal_mount_points)
        step("certificates of its tenants", lambda: server.wait_for_certificates(lab.domain))
        return True

    def forget(self) -> None:
        """Remove the snapshot of this machine, regardless of its lab."""
        if self.engine.installed():
            step("docker engine", self.engine.ensure_running)
            step("snapshots", lambda: Snapshot.forget_all(self.machine))

    def _snapshot(self) -> Snapshot:
        return Snapshot(self.machine, self._key())

    def _key(self) -> str:
        return key_of(REPOSITORY, self.images.key)

    def _rename_file_systems(self, image: str) -> str:
        """Give copied file systems a new id: the kernel takes two with the same id for one with two devices."""
        volume = f"{self.server_name}-{SERVER_VOLUMES['/var/lib/silo']}:/var/lib/silo"
        script = f"btrfstune -f -m {NAS_IMAGE} && btrfstune -f -m {DISK_IMAGE}"
        self.machine.run("docker", "run", "--rm", f"--volume={volume}", image, "sh", "-ec", script)
        return "new"

    def reboot(self) -> None:
        """Restart the server, like its power button, and wait until root can log in again."""
        lab = self.known()
        step(f"reboot {lab.container}", lambda: self.hosts.restart(lab.container))
        server = Server(self.machine, self.hosts, self.directory, lab.container, lab.address)
        step("ssh", server.ensure_ssh)

    def status(self) -> bool:
        """Print the state of the lab; return whether both hosts run."""
        lab = self.known()
        if self.engine.version() is None:
            raise LabError("the machine's Docker Engine does not run: `make lab` starts it, and the lab with it")
        states = {name: self.hosts.state(name) for name in (self.server_name, self.internet_name)}
        for name, state in states.items():
            print(f"lab  {name} is {state}")
        print(f"lab  ssh -i {lab.ssh_key} -o UserKnownHostsFile={lab.known_hosts} root@{lab.address}")
        return set(states.values()) == {"running"}

    def known(self) -> Lab:
        """Return the lab of lab.json; raise LabError if there is none."""
        lab = self.directory.load()
        if lab is None:
            raise LabError(f"there is no lab {self.directory.name}: `make lab` makes it")
        return lab


def _found(there: bool) -> str:
    return "unpacked" if there else "none of what is here now"
