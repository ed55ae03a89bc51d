# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The state that the inventory expects of a server: the module's option `expected`."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible.module_utils.parsing.convert_bool import boolean

from ..common.compose import container
from ..common.sizes import SizeError, parse_size


class ExpectedError(Exception):
    """An expected value is missing or invalid."""


@dataclasses.dataclass(frozen=True)
class ExpectedService:
    """The expected state of a container. Sizes in bytes.

    `burst` is what it may borrow beyond `memory`. `label` names it in findings. `writable`: the paths to which it may
    write. `memory_order`: if the server runs out of memory, the kernel kills the container with the highest number
    first. `open_files`: of each process. `port`: the port on its own network, 0 for a container on the server's
    network.
    """

    label: str
    container: str
    image: str
    memory: int
    processes: int
    uid: int
    writable: tuple[str, ...]
    memory_order: int
    open_files: int
    port: int
    address: str = ""
    burst: int = 0

    @property
    def name(self) -> str:
        """The service of the tenant, such as server."""
        return self.label.rpartition("/")[2]


@dataclasses.dataclass(frozen=True)
class ExpectedTenant:
    """The expected state of a tenant; its containers mount files from `folders` only.

    In its directory, `secrets` are the files below secrets/; `passwords` are those of them that contain a password.
    `configuration` are other files that its containers mount, `data` the folders with their data.
    """

    name: str
    state: str
    uid: int
    directory: Path
    disk: Path
    storage: Path
    gateway: str
    bridge: str
    services: tuple[ExpectedService, ...]
    secrets: tuple[str, ...]
    passwords: tuple[str, ...]
    configuration: tuple[str, ...]
    data: tuple[str, ...]

    @property
    def folders(self) -> tuple[Path, Path, Path]:
        """The tenant's directories on the server, on its disk and on the NAS."""
        return self.directory, self.disk, self.storage


@dataclasses.dataclass(frozen=True)
class Expected:
    """The expected state of one server. Checks of the server read `values` by name."""

    server: str
    tenants: tuple[ExpectedTenant, ...]
    shared: tuple[ExpectedService, ...]
    values: Mapping[str, t.Any]

    def flag(self, name: str, default: bool = True) -> bool:
        """Return a value as a boolean."""
        try:
            return bool(boolean(self.values.get(name, default)))
        except TypeError as error:
            raise ExpectedError(f"{name}: {error}") from error

    def text(self, name: str, default: str = "") -> str:
        """Return a value as text."""
        return str(self.values.get(name, default))

    def path(self, name: str, default: str) -> Path:
        """Return a value as a path."""
        return Path(self.text(name, default))

    def number(self, name: str, default: float) -> float:
        """Return a value as a number."""
        try:
            return float(self.values.get(name, default))
        except (TypeError, ValueError) as error:
            raise ExpectedError(f"{name}: {error}") from error

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a value as a list of texts."""
        return tuple(str(item) for item in self.values.get(name, ()))

    def items(self, name: str) -> tuple[Mapping[str, t.Any], ...]:
        """Return a value as a list of mappings."""
        return tuple(self.values.get(name) or ())


def _service(item: Mapping[str, t.Any], label: str, container: str, uid: t.Any, address: str = "") -> ExpectedService:
    return ExpectedService(
        label=label,
        container=container,
        image=item["image"],
        memory=parse_size(item["memory"]),
        processes=int(item["processes"]),
        uid=int(uid),
        writable=tuple(item["writable"]),
        memory_order=int(item["memory_order"]),
        open_files=int(item["open_files"]),
        port=int(item["port"]),
        address=address,
        burst=parse_size(item.get("burst", 0)),
    )


def _tenant(item: Mapping[str, t.Any]) -> ExpectedTenant:
    name, uid = item["name"], int(item["uid"])
    services = tuple(
        _service(one, f"{name}/{one['name']}", container(name, one["name"]), uid, one["address"])
        for one in item["services"]
    )
    paths = (Path(item["directory"]), Path(item["disk"]), Path(item["storage"]))
    lists = (tuple(item[key]) for key in ("secrets", "passwords", "configuration", "folders"))
    return ExpectedTenant(name, item["state"], uid, *paths, item["gateway"], item["bridge"], services, *lists)


def parse(values: Mapping[str, t.Any]) -> Expected:
    """Parse the module's option; raises ExpectedError."""
    try:
        return Expected(
            server=str(values.get("server", "")),
            tenants=tuple(_tenant(item) for item in values.get("tenants", ())),
            shared=tuple(_service(one, one["name"], one["container"], one["uid"]) for one in values.get("shared", ())),
            values=values,
        )
    except KeyError as error:
        raise ExpectedError(f"{error} is missing") from error
    except SizeError as error:
        raise ExpectedError(f"memory: {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise ExpectedError(str(error)) from error
