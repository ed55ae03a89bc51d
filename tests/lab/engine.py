"""The machine's own Docker Engine, and other programs that the lab needs of the machine."""

import fcntl
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .command import LabError, Machine
from .progress import step, wait_for

# Program or file that the lab needs to its Debian package.
NEEDED = (
    ("docker", "docker.io"),
    ("iptables", "iptables"),
    ("mmdebstrap", "mmdebstrap"),
    ("ssh-keygen", "openssh-client"),
    ("/usr/share/keyrings/debian-archive-keyring.gpg", "debian-archive-keyring"),
)
# Needed if no engine answers: some machines have only the client.
DAEMON = ("dockerd", "docker.io")
# Pid files that dockerd trusts when it starts, to the program of their process.
PID_FILES = (
    ("run/docker.pid", "dockerd"),
    ("run/docker/containerd/containerd.pid", "containerd"),
)
# Sockets of containerd that dockerd uses if the file exists, even if no process listens.
SOCKETS = ("run/containerd/containerd.sock", "run/docker/containerd/containerd.sock")
LOG = "var/log/docker.log"
# Labs that start in parallel install packages and start the engine one after the other.
LOCK = "run/lab-engine.lock"
SECONDS = 60


class Engine:
    """The machine's Docker Engine. `root` is the directory of its files; tests use another."""

    def __init__(self, machine: Machine, root: Path = Path("/")) -> None:
        """Remember the machine."""
        self.machine, self.root = machine, root

    def installed(self) -> bool:
        """Return whether an engine is installed; without one there was never a lab."""
        return shutil.which(DAEMON[0]) is not None or self.version() is not None

    def version(self) -> str | None:
        """Return the version of the engine; None if none answers."""
        answer = self.machine.run("docker", "version", "--format", "{{.Server.Version}}", check=False)
        return answer.stdout.strip() if answer.code == 0 and answer.stdout.strip() else None

    def ensure(self, more: Sequence[tuple[str, str]] = ()) -> None:
        """Install missing programs that every lab needs, and C(more), and start the engine."""
        with self._alone():
            daemon = () if self.version() else (DAEMON,)
            if missing := self.missing((*NEEDED, *daemon, *more)):
                step(f"packages {' '.join(missing)}", lambda: self.install(missing), lambda _: "installed")
            step("docker engine", self.ensure_running, str)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        path = self.root / LOCK
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def missing(self, needed: Sequence[tuple[str, str]] = NEEDED) -> list[str]:
        """Return the Debian packages of missing programs."""
        absent = [package for name, package in needed if shutil.which(name) is None and not Path(name).is_file()]
        return list(dict.fromkeys(absent))

    def install(self, packages: Sequence[str]) -> None:
        """Install Debian packages."""
        if os.geteuid() != 0:
            raise LabError(f"these Debian packages are missing, and only root can install them: {' '.join(packages)}")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        self.machine.run("apt-get", "update", "-qq", env=quiet)
        apt = ("apt-get", "install", "-y", "-qq", "--no-install-recommends")
        self.machine.run(*apt, *packages, env=quiet)
        if shutil.which("docker") is None:
            self.machine.run(*apt, "docker-cli", env=quiet)  # its own package since Debian 13

    def ensure_running(self) -> str:
        """Start the engine if none answers; return what was found or done."""
        if version := self.version():
            return f"{version} runs"
        if os.geteuid() != 0:
            raise LabError("Docker does not answer here; only root can start it (or a member of group docker use it)")
        if (self.root / "run/systemd/system").is_dir():
            self.machine.run("systemctl", "start", "docker.service")
        elif not self.is_running(self.root / PID_FILES[0][0], PID_FILES[0][1]):
            self.remove_remains()
            self.machine.start(["dockerd"], self.root / LOG)
        version = wait_for(f"Docker Engine (see /{LOG})", self.version, SECONDS, LabError)
        return f"{version} started"

    def is_running(self, pid_file: Path, program: str) -> bool:
        """Return whether the process of a pid file lives and is that program; after a crash it may be another one."""
        try:
            status = (self.root / f"proc/{int(pid_file.read_text())}/status").read_text()
        except (OSError, ValueError):
            return False
        values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        # dockerd itself takes a zombie process (Z) for a living one, and waits for it.
        return values["Name"] == program and not values["State"].startswith("Z")

    def remove_remains(self) -> None:
        """Remove files of a killed engine that would stop a new one."""
        for name, program in PID_FILES:
            if not self.is_running(self.root / name, program):
                (self.root / name).unlink(missing_ok=True)
        for name in SOCKETS:
            if not _listens(self.root / name):
                (self.root / name).unlink(missing_ok=True)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True
