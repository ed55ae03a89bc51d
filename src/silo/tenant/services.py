# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The containers of a tenant, read from their only list: roles/tenant/files/compose.yaml.

A service's section is for Compose; its `x-silo` block has everything else, in keys that the file explains. All code
that needs the containers iterates over `services()`; action plugins pass the data that a server needs.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible.module_utils.common.yaml import yaml_load

from silo.tenant.schema import PREFIX, TenantError, defaults, options, role

BLOCK = "x-silo"
KEYS = frozenset({"memory", "burst", "image", "address", "port", "variables", "environment"})
# A block and the lines below it with a larger indentation.
BLOCK_TEXT = re.compile(rf"^( +){BLOCK}:[^\n]*\n(?:\1 [^\n]*\n|[ ]*\n)*", re.MULTILINE)
PREFIXED = re.compile(PREFIX)
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)\}")
# How the source of a volume begins: a folder on the tenant's disk, or a file in its own directory.
DISK, OWN = "${TENANT_DISK}/", "./"
# In a subnet of 16 addresses, 0 is the network, 1 the gateway, and Docker assigns those from 8 on.
ADDRESSES = range(2, 8)
# The service behind a tenant's route, with Immich's web server, admin command and environment.
PHOTO_SERVER = "server"


class ServiceError(TenantError):
    """The tenants' Compose file is invalid; the text names the service and the key."""

    def __init__(self, problem: str) -> None:
        """Keep the one problem."""
        super().__init__([problem])


@dataclasses.dataclass(frozen=True)
class Service:
    """One container of every tenant. `section` is Compose's, without the block.

    `memory_setting` is the tenant's setting with its limit, or None where all have the same, `fixed_memory` in bytes.
    `burst_setting` is the setting with what it may borrow, or None where it never borrows.
    `image_setting` is the setting with an image of this tenant's own, in place of that of the policy.
    `address` is the number of the host in the subnet; `port` is 0 where it listens nowhere. `variables` are its own
    lines of .env: name to a setting, to a part of the memory such as memory/4, or to a text. `environment` is variable
    of the container to setting.
    """

    name: str
    section: Mapping[str, t.Any] = dataclasses.field(repr=False, hash=False)
    memory_setting: str | None
    fixed_memory: int
    address: int
    port: int
    variables: Mapping[str, str] = dataclasses.field(hash=False)
    environment: Mapping[str, str] = dataclasses.field(hash=False)
    image_setting: str | None = None
    burst_setting: str | None = None

    @property
    def prefix(self) -> str:
        """The prefix of its variables in .env, such as SERVER."""
        return self.name.upper().replace("-", "_")

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets that it mounts, which are also the names of their files."""
        return tuple(self.section.get("secrets", ()))

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders with its data on the tenant's disk."""
        return tuple(source.removeprefix(DISK) for source, _read_only in self._volumes() if source.startswith(DISK))

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the tenant's own directory that it mounts."""
        return tuple(source.removeprefix(OWN) for source, _read_only in self._volumes() if source.startswith(OWN))

    @property
    def writable(self) -> tuple[str, ...]:
        """The paths in the container to which it may write."""
        volumes = (volume["target"] for volume in self.section.get("volumes", ()) if not volume.get("read_only"))
        return (*volumes, *(text.partition(":")[0] for text in self.section.get("tmpfs", ())))

    def memory(self, settings: Mapping[str, t.Any]) -> int:
        """Return its limit in bytes; raises ValueError if the setting is not a size."""
        return self.fixed_memory if self.memory_setting is None else int(human_to_bytes(settings[self.memory_setting]))

    def burst(self, settings: Mapping[str, t.Any]) -> int:
        """Return how much more it may borrow, in bytes; raises ValueError if the setting is not a size."""
        return 0 if self.burst_setting is None else int(human_to_bytes(settings[self.burst_setting]))

    def image(self, settings: Mapping[str, t.Any]) -> str:
        """Return its image: the tenant's own, that of the policy, or that of the Compose file."""
        own = settings.get(self.image_setting) if self.image_setting else None
        return str(own or settings["tenant_images"].get(self.name) or self.section["image"])

    def with_environment(self, variables: Mapping[str, str]) -> dict[str, t.Any]:
        """Return the section with additional variables; Compose does not interpolate their values."""
        more = {name: value.replace("$", "$$") for name, value in variables.items()}
        return {**self.section, **({"environment": {**self.section.get("environment", {}), **more}} if more else {})}

    def check_volumes(self) -> None:
        """Refuse a folder that no quota counts; raises ServiceError."""
        for source, read_only in self._volumes():
            if source.startswith(OWN) and not read_only:
                right = f"write {DISK}{source.removeprefix(OWN)} for a folder, or read_only for a file"
                raise ServiceError(f"{self.name}: it may write to {source}, which no quota counts; {right}")

    def _volumes(self) -> Iterator[tuple[str, bool]]:
        for volume in self.section.get("volumes", ()):
            yield volume["source"], bool(volume.get("read_only"))


@dataclasses.dataclass(frozen=True)
class _File:
    """The Compose file: the text for a server, its data, and the services in its order."""

    text: str
    project: Mapping[str, t.Any]
    services: Mapping[str, Service]


def compose_path() -> Path:
    """Return the path of the common Compose file."""
    return role() / "files" / "compose.yaml"


def compose_file() -> str:
    """Return the text of the common Compose file for servers."""
    return _read(compose_path()).text


def project() -> Mapping[str, t.Any]:
    """Return the data of the common Compose file for servers."""
    return _read(compose_path()).project


def services() -> Mapping[str, Service]:
    """Return the services by name; raises ServiceError if the file is invalid."""
    return _read(compose_path()).services


def memory_settings() -> tuple[str, ...]:
    """Return the settings with the limits of services."""
    return tuple(service.memory_setting for service in services().values() if service.memory_setting)


def burst_settings() -> tuple[str, ...]:
    """Return the settings with what services may borrow."""
    return tuple(service.burst_setting for service in services().values() if service.burst_setting)


def default_memory() -> int:
    """Return the sum of the default limits of all services, in bytes."""
    return sum(service.memory(defaults()) for service in services().values())


def default_burst() -> int:
    """Return the sum of what all services may borrow by default, in bytes."""
    return sum(service.burst(defaults()) for service in services().values())


def folders() -> tuple[str, ...]:
    """Return the folders of the tenant's disk, which have its data."""
    return tuple(dict.fromkeys(folder for service in services().values() for folder in service.folders))


def secret_files() -> tuple[str, ...]:
    """Return the files below secrets/ of a tenant's directory."""
    return tuple(project().get("secrets", {}))


def configuration_files() -> tuple[str, ...]:
    """Return the other files of a tenant's directory that a service mounts."""
    return tuple(dict.fromkeys(file for service in services().values() for file in service.files))


def after() -> dict[str, list[str]]:
    """Return service to those that it depends on, of those that depend on any."""
    return {one.name: list(one.section["depends_on"]) for one in services().values() if one.section.get("depends_on")}


def mounts() -> dict[str, list[str]]:
    """Return the files that services mount, each to the services that restart when it changes."""
    return {
        file: [service.name for service in services().values() if file in (*service.secrets, *service.files)]
        for file in (*secret_files(), *configuration_files())
    }


@functools.cache
def _read(path: Path) -> _File:
    source = path.read_text(encoding="utf-8")
    found = yaml_load(source)
    blocks = {name: section.pop(BLOCK, {}) for name, section in found["services"].items()}
    text = BLOCK_TEXT.sub("", source)
    if yaml_load(text) != found:
        raise ServiceError(f"{path}: the {BLOCK} blocks cannot be left out; write each on lines of its own")
    made = {name: _service(name, section, blocks[name]) for name, section in found["services"].items()}
    _check_addresses(made)
    for service in made.values():
        service.check_volumes()
    # Without aliases, because a change of a shared part would change all its users.
    return _File(text, json.loads(json.dumps(found)), made)


def _check_addresses(made: Mapping[str, Service]) -> None:
    addresses = [service.address for service in made.values()]
    for service in made.values():
        if service.address not in ADDRESSES or addresses.count(service.address) > 1:
            right = f"it must be a number from {ADDRESSES[0]} to {ADDRESSES[-1]} that no other service has"
            raise ServiceError(f"{service.name}: address is {service.address}; {right}")


def _service(name: str, section: Mapping[str, t.Any], block: Mapping[str, t.Any]) -> Service:
    if unknown := sorted(set(block) - KEYS):
        raise ServiceError(f"{name}: {BLOCK} has {', '.join(unknown)}; the keys are {', '.join(sorted(KEYS))}")
    environment, variables = block.get("environment", {}), block.get("variables", {})
    settings = [block["memory"]] if "memory" in block else []
    images, bursts = ([block[key]] if key in block else [] for key in ("image", "burst"))
    named = [*settings, *images, *bursts, *environment.values(), *filter(PREFIXED.match, variables.values())]
    if missing := [setting for setting in named if setting not in options()]:
        raise ServiceError(f"{name}: {BLOCK} names {', '.join(missing)}; name a setting of argument_specs.yml")
    try:
        fixed = 0 if settings else int(human_to_bytes(str(section["mem_limit"])))
        address, port = int(block["address"]), int(block.get("port", 0))
    except (KeyError, TypeError, ValueError) as error:
        right = "it must have a number as address and port, and a setting as memory or a size as mem_limit"
        raise ServiceError(f"{name}: {BLOCK} cannot be read ({error}); {right}") from error
    memory, image, burst = (found[0] if found else None for found in (settings, images, bursts))
    return Service(name, section, memory, fixed, address, port, variables, environment, image, burst)
