# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the inventory expects of a server, as the module gets it in its option `expected`."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible.module_utils.parsing.convert_bool import boolean

from ..common.compose import container
from ..common.sizes import SizeError, parse_size


class ExpectedError(Exception):
    """An expected value that is missing or cannot be used."""


@dataclasses.dataclass(frozen=True)
class ExpectedService:
    """A container as it should be. Sizes in bytes.

    `label` names it in findings. `writable`: where it may write. `memory_order`: the kernel ends the container with
    the highest first where the server is short of memory. `port`: where it listens on a network of its own, 0 for a
    container on the server's network.
    """

    label: str
    container: str
    image: str
    memory: int
    processes: int
    uid: int
    writable: tuple[str, ...]
    memory_order: int
    port: int
    address: str = ""


@dataclasses.dataclass(frozen=True)
class ExpectedTenant:
    """A tenant as it should be; `folders` are those of which its containers get files.

    Of its directory, `secrets` are files below secrets/, of which `passwords` hold one each; `configuration` are other
    files that its containers mount, and `data` the folders in which they keep data.
    """

    name: str
    state: str
    uid: int
    directory: Path
    storage: Path
    gateway: str
    bridge: str
    services: tuple[ExpectedService, ...]
    secrets: tuple[str, ...]
    passwords: tuple[str, ...]
    configuration: tuple[str, ...]
    data: tuple[str, ...]

    @property
    def folders(self) -> tuple[Path, Path]:
        """The tenant's directories on the server and on the NAS."""
        return self.directory, self.storage


@dataclasses.dataclass(frozen=True)
class Expected:
    """Everything on one server. `values` has what a check of the server reads by its name."""

    server: str
    tenants: tuple[ExpectedTenant, ...]
    shared: tuple[ExpectedService, ...]
    values: Mapping[str, t.Any]

    def flag(self, name: str, default: bool = True) -> bool:
        """Return a value that is yes or no."""
        try:
            return bool(boolean(self.values.get(name, default)))
        except TypeError as error:
            raise ExpectedError(f"{name}: {error}") from error

    def text(self, name: str, default: str = "") -> str:
        """Return a value as text."""
        return str(self.values.get(name, default))

    def path(self, name: str, default: str) -> Path:
        """Return a value that is a path."""
        return Path(self.text(name, default))

    def number(self, name: str, default: float) -> float:
        """Return a value that is a number."""
        try:
            return float(self.values.get(name, default))
        except (TypeError, ValueError) as error:
            raise ExpectedError(f"{name}: {error}") from error

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a value that is a list of texts."""
        return tuple(str(item) for item in self.values.get(name, ()))


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
        port=int(item["port"]),
        address=address,
    )


def _tenant(item: Mapping[str, t.Any]) -> ExpectedTenant:
    name, uid = item["name"], int(item["uid"])
    services = tuple(
        _service(one, f"{name}/{one['name']}", container(name, one["name"]), uid, one["address"])
        for one in item["services"]
    )
    paths = (Path(item["directory"]), Path(item["storage"]))
    lists = (tuple(item[key]) for key in ("secrets", "passwords", "configuration", "folders"))
    return ExpectedTenant(name, item["state"], uid, *paths, item["gateway"], item["bridge"], services, *lists)


def parse(values: Mapping[str, t.Any]) -> Expected:
    """Return what the module's option says; raises ExpectedError."""
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
