"""A converged lab, kept: its volumes, its server as an image, and its inventory. Another lab made from it starts in
seconds.

The key is a hash of all that goes into a converged lab, so a change of a role, a plugin or an image makes it anew. It
holds vaults and the password that opens them: like the engine's other volumes, root alone reads it.
"""

import datetime
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import typing as t
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .command import LabError, Machine
from .state import Directory

# The sources of a converged lab: code, policy, inventory, versions of Ansible, and the lab itself.
SOURCES = (
    *("ansible.cfg", "constraints.txt", "pyproject.toml"),
    *("group_vars", "inventory/demo", "meta", "playbooks", "plugins", "roles", "server", "src"),
    *("tests/lab", "tests/molecule"),
)
LABEL = "ch.swissphoto.silo.lab-snapshot"
NAME = "silo-lab-snapshot"
FILES = "files"
COMPLETE = "complete.json"
# Packages and base images become outdated; the certificates are valid for longer than this.
MAX_AGE = datetime.timedelta(days=7)
LOCK = Path("/run/lab-snapshot.lock")


@dataclass(frozen=True)
class Inventory:
    """The inventory of a lab, and the file with the password of its vaults."""

    folder: Path
    vault_password: Path

    def refuse_use(self) -> None:
        """Raise LabError if the inventory is in use, because it has vaults or a history."""
        if (self.folder / ".git").exists() or any(self.folder.glob("host_vars/*/vault.yml")):
            raise LabError(f"{self.folder} is in use, and would be replaced; name another folder, or remove it first")


def policy_of(inventory: Path) -> str:
    """Return a hash of an inventory without its tenants: the settings of servers and shared services."""
    summary = hashlib.sha256()
    tenants = {path.parent for path in inventory.glob("host_vars/*/tenant.yml")}
    for path in sorted(inventory.rglob("*")):
        place = path.relative_to(inventory)
        # Hidden files are those of silo and git.
        is_policy = path.parent not in tenants and not any(part.startswith(".") for part in place.parts)
        if path.is_file() and is_policy:
            summary.update(f"{place}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\0".encode())
    return summary.hexdigest()


def key_of(repository: Path, *more: str) -> str:
    """Return twelve hex digits of the hash of a converged lab's sources and of `more`."""
    summary = hashlib.sha256("\0".join(more).encode())
    # Files that git knows or would add, thus no bytecode and no metadata of an installation.
    listing = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *SOURCES)
    listed = subprocess.run(listing, cwd=repository, capture_output=True, text=True, check=True).stdout
    for name in sorted({*listed.split("\0")} - {""}):
        path = repository / name
        # A link counts with its target; a deleted file that git still knows does not count.
        if path.is_symlink() or path.is_file():
            content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
            executable = bool(path.lstat().st_mode & 0o100)
            summary.update(f"\0{name}\0{executable}\0{hashlib.sha256(content).hexdigest()}".encode())
    return summary.hexdigest()[:12]


class Snapshot:
    """A snapshot with one key in the machine's engine, complete or absent."""

    def __init__(self, machine: Machine, key: str) -> None:
        """Look at nothing yet."""
        self.machine, self.key = machine, key
        self.image = f"{NAME}:{key}"
        self.files = f"{NAME}-{key}-{FILES}"

    def volume(self, part: str) -> str:
        """Return the name of the volume with a part of the lab."""
        return f"{NAME}-{self.key}-{part}"

    def exists(self, now: datetime.datetime | None = None) -> bool:
        """Return whether it is complete and recent enough."""
        known = self._record()
        if known is None or self._run("docker", "image", "inspect", self.image) is None:
            return False
        made = datetime.datetime.fromisoformat(known["made"])
        parts = set(self.volumes(self.machine))
        is_young = (now or datetime.datetime.now(datetime.UTC)) - made < MAX_AGE
        return is_young and {self.volume(part) for part in known["parts"]} <= parts

    def keep(self, container: str, volumes: Mapping[str, str], directory: Directory, inventory: Inventory) -> str:
        """Store a lab whose hosts are stopped, in place of all other snapshots; `volumes` is part to volume.

        What is in the volumes is moved, which takes no time: of the lab only a way to remove it is left.
        """
        with _alone():
            self.forget_all(self.machine)
            for part, volume in volumes.items():
                self._make(self.volume(part))
                self._move(self._place(volume), self._place(self.volume(part)))
            self.machine.run("docker", "commit", "--change", f"LABEL {LABEL}={self.key}", container, self.image)
            self._make(self.files)
            files = self._place(self.files)
            for path in _files_of(directory):
                shutil.copy2(path, files)
            shutil.copytree(inventory.folder, files / "inventory", symlinks=True)
            shutil.copy2(inventory.vault_password, files / "vault-password")
            record = {"made": datetime.datetime.now(datetime.UTC).isoformat(), "parts": sorted(volumes)}
            # An interruption before this line leaves no snapshot.
            (files / COMPLETE).write_text(json.dumps(record))
        return f"under {self.key}"

    def unpack(self, volumes: Mapping[str, str], directory: Directory, inventory: Inventory) -> bool:
        """Create the volumes and files of a new lab; return whether there was a snapshot."""
        with _alone(shared=True):
            if not self.exists():
                return False
            inventory.refuse_use()
            files = self._place(self.files)
            for path in _files_of(directory):
                directory.write(path, (files / path.name).read_text())
            shutil.rmtree(inventory.folder, ignore_errors=True)
            shutil.copytree(files / "inventory", inventory.folder, symlinks=True)
            shutil.copy2(files / "vault-password", inventory.vault_password)
            for part, volume in volumes.items():
                self.machine.run("docker", "volume", "create", volume)
                self._copy(self._place(self.volume(part)), self._place(volume))
        return True

    @classmethod
    def forget_all(cls, machine: Machine) -> str:
        """Remove every snapshot of the machine, also incomplete ones; return the number of parts."""
        of_snapshots = ("--filter", f"label={LABEL}", "--quiet")
        images = machine.run("docker", "image", "ls", *of_snapshots).stdout.split()
        volumes = cls.volumes(machine)
        if images:
            machine.run("docker", "image", "rm", "--force", *images)
        if volumes:
            machine.run("docker", "volume", "rm", *volumes)
        return f"{len(images)} images, {len(volumes)} volumes removed"

    @staticmethod
    def volumes(machine: Machine) -> list[str]:
        """The volumes of all snapshots."""
        return machine.run("docker", "volume", "ls", "--filter", f"label={LABEL}", "--quiet").stdout.split()

    def _record(self) -> dict[str, t.Any] | None:
        place = self._run("docker", "volume", "inspect", "--format", "{{.Mountpoint}}", self.files)
        path = Path(place.strip()) / COMPLETE if place else None
        return dict(json.loads(path.read_text())) if path and path.exists() else None

    def _run(self, *argv: str) -> str | None:
        answer = self.machine.run(*argv, check=False)
        return answer.stdout if answer.code == 0 else None

    def _make(self, volume: str) -> None:
        self.machine.run("docker", "volume", "create", "--label", f"{LABEL}={self.key}", volume)

    def _place(self, volume: str) -> Path:
        shown = self.machine.run("docker", "volume", "inspect", "--format", "{{.Mountpoint}}", volume).stdout.strip()
        if not os.access(shown, os.W_OK):
            raise LabError(f"the volume {volume} lies in {shown}, which only root of the engine's own machine reaches")
        return Path(shown)

    def _move(self, source: Path, target: Path) -> None:
        for path in source.iterdir():
            path.rename(target / path.name)

    def _copy(self, source: Path, target: Path) -> None:
        self.machine.run("cp", "--archive", "--reflink=auto", "--sparse=auto", f"{source}/.", str(target))


def _files_of(directory: Directory) -> tuple[Path, ...]:
    """The keys and certificates of the lab's hosts."""
    return directory.lab_ca, directory.certificate, directory.key


@contextmanager
def _alone(*, shared: bool = False) -> Iterator[None]:
    """Let only one process at a time store a snapshot; several may use it."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
