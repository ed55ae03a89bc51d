"""The state of a lab on this machine: its directory and its lab.json."""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from .command import LabError

DEFAULT = "silo-lab"
DOMAIN = "swissphoto.test"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
MAX_NAME = 40  # a host name of 63 characters, with "-internet" and some room


@dataclass(frozen=True)
class Lab:
    """A running lab, as in lab.json, which tests and the demo's inventory read. All paths are absolute."""

    name: str
    container: str
    address: str
    domain: str
    ca_file: str  # verifies the certificates that the ACME authority issues
    lab_ca_file: str  # verifies the registry and the ACME authority itself
    registry: str
    acme_directory: str
    resolver: str
    ssh_key: str
    known_hosts: str
    images: Mapping[str, str]
    sources: str = ""  # a hash of what the lab was made from, the key of its snapshot
    vector_extension: str = "pgvector"  # of this database's image
    properties: Sequence[str] = ()  # what tests may expect of these images beside the interface of the official ones
    second_container: str = ""  # a second server, empty, if one was added
    second_address: str = ""


class Directory:
    """The files of one lab. The default lab lives in `.lab` itself, each other lab in a directory below it."""

    def __init__(self, root: Path, name: str) -> None:
        """Name the files. Raise LabError if the name is not valid for a container."""
        if not _NAME.fullmatch(name) or len(name) > MAX_NAME or name.endswith(("-internet", "-second")):
            raise LabError(
                f"SILO_LAB={name!r} cannot be the name of a lab: lower-case letters, digits and single dashes, "
                f"a letter first, at most {MAX_NAME} characters, and not ending in -internet or -second"
            )
        self.root, self.name = root, name
        self.path = root if name == DEFAULT else root / name
        self.lab_json = self.path / "lab.json"
        self.ca = self.path / "ca.pem"
        self.lab_ca = self.path / "lab-ca.pem"
        self.certificate = self.path / "tls.crt"
        self.key = self.path / "tls.key"
        self.ssh_key = self.path / "id_ed25519"
        self.known_hosts = self.path / "known_hosts"
        self.resolv_conf = self.path / "resolv.conf"

    def make(self) -> None:
        """Create the directory, accessible to its owner only."""
        for path in (self.root, self.path):
            path.mkdir(mode=0o700, exist_ok=True)
            path.chmod(0o700)

    def write(self, path: Path, text: str, mode: int = 0o600) -> bool:
        """Write a file atomically; return whether its content changed."""
        if path.exists() and path.read_text() == text:
            path.chmod(mode)
            return False
        scratch = path.with_name(path.name + ".tmp")
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        scratch.chmod(mode)
        scratch.replace(path)
        return True

    def save(self, lab: Lab) -> bool:
        """Write lab.json; return whether it changed."""
        return self.write(self.lab_json, json.dumps(asdict(lab), indent=2) + "\n")

    def load(self) -> Lab | None:
        """Return the lab of lab.json; None if there is none."""
        if not self.lab_json.exists():
            return None
        values = json.loads(self.lab_json.read_text())
        return Lab(**{field.name: values[field.name] for field in fields(Lab) if field.name in values})

    def is_there(self) -> bool:
        """Return whether there are files of the lab."""
        return self.lab_json.exists() or (self.path != self.root and self.path.exists())

    def remove(self) -> None:
        """Remove the lab's files, but not the vault password and other labs in `.lab`."""
        if self.path != self.root:
            shutil.rmtree(self.path, ignore_errors=True)
            return
        ours = (
            self.lab_json,
            self.ca,
            self.lab_ca,
            self.certificate,
            self.key,
            self.ssh_key,
            self.known_hosts,
            self.resolv_conf,
        )
        for path in (*ours, self.ssh_key.with_suffix(".pub")):
            path.unlink(missing_ok=True)


@contextmanager
def only_one(directory: Directory) -> Iterator[None]:
    """Let only one command at a time change a lab. The lock ends with the process; its file stays."""
    directory.root.mkdir(mode=0o700, exist_ok=True)
    with (directory.root / f"{directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
