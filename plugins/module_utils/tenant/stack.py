# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The types that the parts of tenant_stacks share."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path

from ..common import compose, tenant_env


class StackError(Exception):
    """A tenant cannot reach its desired state; the text says what happened and what to do."""


@dataclasses.dataclass(frozen=True)
class File:
    """The desired state of a file. `services` mount it; a secret one shows no content in a diff.

    `staging` is the directory for its temporary file, on the same file system; without it, the file's own directory.
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
    """The desired state of a directory."""

    path: Path
    mode: int
    owner: int


@dataclasses.dataclass(frozen=True)
class Admin:
    """The first admin of an instance, and the photo server's URL on the tenant's own network."""

    url: str
    email: str
    password: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Stack:
    """The desired state of one tenant on its server. `digests`: service to the digest in its container's label.

    `owner`: user and group of its processes and data. `template`: the key of that of which it is born. `anew`: whether
    the operator lets it begin without a database though there are files of it on the NAS.
    `after`: service to those that must work before it is made or started.
    `starting`: the route to the pages until the photo server is ready. `app_quota`: the photo server's own quota of the
    customer, in bytes; it stays as it is where the tenant is `unlimited`, as a limit of it was refused.
    `directory` has what root keeps of it, `disk` its data, with a quota of the server's disk.
    """

    name: str
    host_name: str
    state: str
    directory: Path
    disk: Path
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
    unlimited: bool = False
    after: Mapping[str, Collection[str]] = dataclasses.field(default_factory=dict)

    @property
    def uploads(self) -> Path:
        """The directory on the NAS that the photo server mounts."""
        return self.storage / "uploads"

    @property
    def record(self) -> File:
        """The variables of Compose; silo-recovery reads the desired state from them."""
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
        """The file with the app quota that was set last, in bytes, so that no database must be queried."""
        return File(self.directory / ".app-quota", f"{self.app_quota}\n", mode=0o600)

    @property
    def login(self) -> File:
        """The file with the login that was set last; the customer may have chosen another one since, which stays."""
        return File(self.directory / ".login", f"{self.admin.email}\n", mode=0o600)


FROZEN = "frozen"
"""The state of a tenant of which an operator has paused containers; nothing but an operator ends it."""


@dataclasses.dataclass(frozen=True)
class Container:
    """A container in the engine. `health`: healthy, unhealthy, starting, or empty without a health check.

    It is the engine's own word, or, of those that `health.asked` returns, the truth of now, which may be "not
    answering". `version` is the version label of its image, `address` its own on its network; empty without one.
    `image` is the reference that it was made of.
    """

    identity: str
    name: str
    tenant: str
    service: str
    digest: str
    state: str
    health: str
    version: str = ""
    address: str = ""
    image: str = ""

    @property
    def stray(self) -> bool:
        """Return whether an interrupted replacement left it; Compose itself cannot handle such a container."""
        return self.name != compose.container(self.tenant, self.service)

    @property
    def frozen(self) -> bool:
        """Return whether it was paused by hand, so that it executes nothing; silo itself pauses none."""
        return self.state == "paused"

    @property
    def running(self) -> bool:
        """Return whether it uses memory."""
        return self.state in ("running", "restarting", "paused")


@dataclasses.dataclass(frozen=True)
class Change:
    """One difference: `what` differs (a file, a service), and the `action` that removes the difference."""

    what: str
    action: str


@dataclasses.dataclass(frozen=True)
class FileDiff:
    """A file before and after, for --diff; its creator leaves out secrets."""

    path: str
    before: str
    after: str
