# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the parts of tenant_stacks hand to each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from ..common import compose, tenant_env


class StackError(Exception):
    """One tenant cannot be brought to what it should be; the text says what happened and what to do."""


@dataclasses.dataclass(frozen=True)
class File:
    """A file as it should be. `services` mount it; one with a secret shows no content in a diff.

    `staging` is a directory of the same file system in which it is written, before it is renamed; its own without one.
    """

    path: Path
    content: str = dataclasses.field(repr=False)
    mode: int = 0o644
    owner: int = 0
    services: tuple[str, ...] = ()
    secret: bool = False
    staging: Path | None = None


@dataclasses.dataclass(frozen=True)
class Directory:
    """A directory as it should be."""

    path: Path
    mode: int
    owner: int


@dataclasses.dataclass(frozen=True)
class Admin:
    """The first admin of an instance, and where the photo server answers on the tenant's own network."""

    url: str
    email: str
    password: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Stack:
    """One tenant as the server should have it. `digests`: service to the digest that its container carries.

    `owner`: user and group of its processes and data. `template`: the key of that of which it is born. `anew`: whether
    the operator lets it begin without a database though there are files of it on the NAS.
    `starting`: the route that leads to the pages until there is something to lead to. `app_quota`: what the photo
    server itself grants the customer, in bytes.
    """

    name: str
    host_name: str
    state: str
    directory: Path
    directories: tuple[Directory, ...]
    files: tuple[File, ...]
    route: File
    starting: File
    storage: Path
    digests: Mapping[str, str]
    admin: Admin
    app_quota: int
    owner: int
    template: str
    anew: bool = False

    @property
    def uploads(self) -> Path:
        """The directory on the NAS that the photo server gets."""
        return self.storage / "uploads"

    @property
    def record(self) -> File:
        """The variables of Compose; by them those who bring tenants back after a power cut know who should run."""
        return next(file for file in self.files if file.path.name == tenant_env.FILE)

    @property
    def units(self) -> tuple[File, ...]:
        """The files that systemd reads."""
        return tuple(file for file in self.files if file.path.suffix == ".slice")

    @property
    def marker(self) -> File:
        """The file that says that this instance is set up to the end, and is its customer's."""
        return File(self.directory / tenant_env.SET_UP, "The first admin of this instance exists.\n", mode=0o600)

    @property
    def birth(self) -> Path:
        """The file that says that a database was begun and is nobody's yet; in the end it becomes the marker."""
        return self.directory / ".birth"

    @property
    def granted(self) -> File:
        """The file that says which app quota was set, in bytes; the database need not be asked."""
        return File(self.directory / ".app-quota", f"{self.app_quota}\n", mode=0o600)


@dataclasses.dataclass(frozen=True)
class Container:
    """A container as the engine sees it. `health`: healthy, unhealthy, starting, or empty where it has no check.

    `version` is that of its image, as who built it says; empty where nobody does.
    """

    identity: str
    name: str
    tenant: str
    service: str
    digest: str
    state: str
    health: str
    version: str = ""

    @property
    def stray(self) -> bool:
        """Whether it is the half of a replacement that was cut off; Compose itself cannot get past it."""
        return self.name != compose.container(self.tenant, self.service)

    @property
    def running(self) -> bool:
        """Whether it takes memory."""
        return self.state in ("running", "restarting", "paused")


@dataclasses.dataclass(frozen=True)
class Change:
    """One difference: `what` differs (a file, a service), and the `action` that ends it."""

    what: str
    action: str


@dataclasses.dataclass(frozen=True)
class FileDiff:
    """A file before and after, for --diff; secrets are left out by who makes it."""

    path: str
    before: str
    after: str
