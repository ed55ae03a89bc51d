"""The two hosts of a lab: containers that boot systemd, on their own network."""

import io
import ipaddress
import json
import os
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .command import LabError, Machine
from .progress import wait_for

LABEL = "ch.swissphoto.silo.lab"
POOL = ipaddress.ip_network("172.29.0.0/16")
BOOT = (Path(__file__).parent / "boot.sh").read_text()
SECONDS = 120
# Capabilities by number, as in linux/capability.h; some machines lack some of them, such as SYS_RESOURCE.
CAPABILITIES = (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
).split()


def missing_capabilities(status: str) -> list[str]:
    """Return the names of capabilities that the bounding set of a /proc/<pid>/status lacks."""
    bounding = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:"))
    return [name for number, name in enumerate(CAPABILITIES) if not bounding >> number & 1]


def free_network(taken: Iterable[str]) -> ipaddress.IPv4Network:
    """Return the first /24 of the pool that overlaps with none of the taken networks."""
    others = [ipaddress.ip_network(network, strict=False) for network in taken]
    for candidate in POOL.subnets(new_prefix=24):
        if not any(candidate.overlaps(other) for other in others if other.version == candidate.version):
            return ipaddress.IPv4Network(candidate)
    raise LabError(f"no /24 of {POOL} is free for the lab's network")


@dataclass(frozen=True)
class Host:
    """One of the hosts: `volumes` maps a directory in the container to the last part of a volume's name."""

    name: str
    image: str
    address: str
    volumes: Mapping[str, str]
    mounts: Mapping[str, str]  # directory or file in the container: file of this machine, read only
    is_renewable: bool = False  # nothing in it is missed when a newer image takes its place


class Hosts:
    """The containers, volumes and the network of one lab, all of which carry its label."""

    def __init__(self, machine: Machine, lab: str, status: Path = Path("/proc/self/status")) -> None:
        """Look at nothing yet."""
        self.machine, self.lab, self.status = machine, lab, status
        self.label = f"{LABEL}={lab}"

    def network(self) -> ipaddress.IPv4Network:
        """Return the lab's network, created if it is missing."""
        while (existing := self._subnets(self.lab)) is None:
            listed = self.machine.run("docker", "network", "ls", "--quiet").stdout.split()
            taken = [subnet for network in listed for subnet in self._subnets(network) or []]
            subnet = free_network(taken)
            create = ("docker", "network", "create", "--label", self.label, "--subnet", str(subnet), self.lab)
            made = self.machine.run(*create, check=False)
            # Meanwhile, another process may have taken the same network, or created the same lab.
            if made.code != 0 and "overlap" not in made.stderr and "already exists" not in made.stderr:
                raise LabError(f"the network {subnet} could not be made: {made.stderr.strip()}")
        return ipaddress.IPv4Network(existing[0])

    def bridge(self) -> str:
        """Return the machine's interface of the lab's network; Docker names it after the network's id."""
        identity = self.machine.run("docker", "network", "inspect", "--format", "{{.Id}}", self.lab).stdout.strip()
        return f"br-{identity[:12]}"

    def _subnets(self, network: str) -> list[str] | None:
        """Return the subnets of a network; None if it does not exist."""
        template = "{{range .IPAM.Config}}{{.Subnet}} {{end}}"
        shown = self.machine.run("docker", "network", "inspect", "--format", template, network, check=False)
        return shown.stdout.split() if shown.code == 0 else None

    def state(self, name: str) -> str:
        """Return the state: `running`, `exited`, `created` ...; `absent` if there is no such container."""
        shown = self.machine.run("docker", "container", "inspect", "--format", "{{.State.Status}}", name, check=False)
        return shown.stdout.strip() if shown.code == 0 else "absent"

    def ensure(self, host: Host) -> str:
        """Create or start a host, and wait until it has booted; return what was done and its state."""
        state = self.state(host.name)
        is_old = state in ("running", "exited") and self._image(host.name) != host.image
        if state in ("running", "exited") and not (is_old and host.is_renewable):
            did = "runs" if state == "running" else "started again"
            if state == "exited":
                self.start(host)
        else:
            did = "made" if state == "absent" else "made anew"
            if state != "absent":  # half made, half removed, or of an older image
                self.machine.run("docker", "rm", "--force", host.name)
            self.machine.run(*self.run_arguments(host))
        age = " (of an older image: only down and up renews it)" if is_old and did != "made anew" else ""
        return f"{did}, {self.wait_until_booted(host.name)}{age}"

    def start(self, host: Host) -> None:
        """Start a stopped host on the lab's current network, because its old one may have been pruned."""
        self.machine.run("docker", "network", "disconnect", "--force", self.lab, host.name, check=False)
        self.machine.run("docker", "network", "connect", "--ip", host.address, self.lab, host.name)
        self.machine.run("docker", "start", host.name)

    def _image(self, name: str) -> str:
        return self.machine.run("docker", "container", "inspect", "--format", "{{.Config.Image}}", name).stdout.strip()

    def run_arguments(self, host: Host) -> list[str]:
        """Return the `docker run` of a host; without --privileged, which needs capabilities of every kind."""
        rights = ["--cap-add=ALL"]  # that is, all that this version of Docker has heard of
        rights += [f"--cap-drop={name}" for name in missing_capabilities(self.status.read_text())]
        rights += [f"--security-opt={option}=unconfined" for option in ("seccomp", "apparmor", "systempaths")]
        volumes = [f"--volume={host.name}-{volume}:{path}" for path, volume in host.volumes.items()]
        volumes += [f"--volume={source}:{path}:ro" for path, source in host.mounts.items()]
        return [
            *("docker", "run", "--detach", "--name", host.name, "--hostname", host.name, "--label", self.label),
            *("--network", self.lab, "--ip", host.address),
            *(*rights, "--device-cgroup-rule=a *:* rwm"),
            *("--cgroupns=private", "--tmpfs=/sys/fs/cgroup"),
            *volumes,
            *(host.image, "sh", "-c", BOOT),
        ]

    def wait_until_booted(self, name: str) -> str:
        """Wait until systemd has started all units; return `running`, or `degraded` with the failed units."""
        state = wait_for(f"the boot of {name}", lambda: self._booted(name), SECONDS, LabError)
        if state == "running":
            return state
        failed = self.execute(name, "systemctl", "list-units", "--state=failed", "--plain", "--no-legend")
        return f"{state}: {' '.join(line.split()[0] for line in failed.splitlines())}"

    def _booted(self, name: str) -> str | None:
        state = self.machine.run("docker", "exec", name, "systemctl", "is-system-running", check=False).stdout.strip()
        if state in ("running", "degraded"):
            return state
        if self.state(name) not in ("running", "created"):
            raise LabError(
                f"{name} does not boot: {self.machine.run('docker', 'logs', '--tail=5', name).stderr.strip()}"
            )
        return None

    def stop(self, name: str) -> str:
        """Shut a host down, like its power button."""
        self.machine.run("docker", "stop", "-t", "90", name)
        return "stopped"

    def restart(self, name: str) -> str:
        """Reboot a host."""
        self.machine.run("docker", "restart", "-t", "90", name)
        return self.wait_until_booted(name)

    def execute(self, name: str, *argv: str, check: bool = True) -> str:
        """Return the output of a command in a host."""
        return self.machine.run("docker", "exec", name, *argv, check=check).stdout

    def put(self, name: str, files: Mapping[str, tuple[str, int]]) -> bool:
        """Write files (path: content and mode), owned by root; return whether any differed."""
        paths = [path for path in files if self.execute(name, "cat", path, check=False) != files[path][0]]
        if paths:
            archive = _archive_of({path: files[path] for path in paths})
            self.machine.run("docker", "cp", "-", f"{name}:/", stdin=archive)
        return bool(paths)

    def any_left(self) -> bool:
        """Return whether a container or the network of the lab exists, running or not."""
        of_lab = ("--filter", f"label={self.label}", "--quiet")
        listed = (("docker", "ps", "--all", *of_lab), ("docker", "network", "ls", *of_lab))
        return any(self.machine.run(*command, check=False).stdout.split() for command in listed)

    def remove(self, volumes: Sequence[str]) -> str:
        """Remove all that has the lab's label, the volumes of its hosts and their loop devices; return what it was."""
        of_lab = ("--filter", f"label={self.label}", "--quiet")
        containers = self.machine.run("docker", "ps", "--all", *of_lab).stdout.split()
        if containers:
            self.machine.run("docker", "rm", "--force", "--volumes", *containers)
        existing = self.machine.run("docker", "volume", "ls", "--quiet").stdout.split()
        ours = sorted(set(existing) & set(volumes))
        if ours:
            self.free_loops(ours)
            self.machine.run("docker", "volume", "rm", *ours)
        networks = self.machine.run("docker", "network", "ls", *of_lab).stdout.split()
        if networks:
            self.machine.run("docker", "network", "rm", *networks)
        return f"{len(containers)} containers, {len(ours)} volumes, {len(networks)} networks removed"

    def free_loops(self, volumes: Sequence[str]) -> None:
        """Detach loop devices whose file is in one of the volumes; only their inodes distinguish two labs."""
        listed = self.machine.run("losetup", "--list", "--json", "--output", "NAME,BACK-INO,BACK-MAJ:MIN").stdout
        loops = json.loads(listed)["loopdevices"] if listed.strip() else []
        if not loops:
            return
        directories = self.machine.run("docker", "volume", "inspect", "--format", "{{.Mountpoint}}", *volumes).stdout
        statuses = [path.lstat() for directory in directories.splitlines() for path in Path(directory).rglob("*")]
        files = {(status.st_dev, status.st_ino) for status in statuses}
        for loop in loops:
            major, minor = (int(number) for number in loop["back-maj:min"].split(":"))
            if (os.makedev(major, minor), int(loop["back-ino"])) in files:
                self.machine.run("losetup", "--detach", loop["name"])


def _archive_of(files: Mapping[str, tuple[str, int]]) -> bytes:
    """A tar archive of files that root owns."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, (content, mode) in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content.encode()), mode
            archive.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()
