# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Turns the module's parameters into stacks: the path, owner and services of each file."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..common import tenant_env
from ..common.compose import slice_name
from .stack import Admin, Directory, File, Stack

CONFIGURATION = "immich.json"
# The directory of local systemd units.
UNITS = Path("/etc/systemd/system")


def _directories(directory: Path, disk: Path, owner: int, folders: Iterable[str]) -> tuple[Directory, ...]:
    private = (Directory(directory, 0o700, 0), Directory(directory / "secrets", 0o700, 0))
    return private + tuple(Directory(disk / name, 0o700, owner) for name in folders)


def _slice(item: Mapping[str, t.Any]) -> tuple[File, ...]:
    return (File(UNITS / slice_name(item["name"]), item["slice"]),) if item["slice"] else ()


def _files(directory: Path, owner: int, item: Mapping[str, t.Any], parameters: Mapping[str, t.Any]) -> tuple[File, ...]:
    mounts: Mapping[str, list[str]] = parameters["mounts"]
    own = item["compose"]
    public = (
        # A tenant's own Compose file contains the operator's environment variables for it.
        File(directory / "compose.yaml", own or parameters["compose"], 0o600 if own else 0o644, secret=bool(own)),
        File(directory / tenant_env.FILE, item["env"], 0o600),
        # May contain the password of a mail relay.
        File(
            directory / CONFIGURATION,
            item["configuration"],
            0o400,
            owner,
            tuple(mounts.get(CONFIGURATION, ())),
            secret=True,
        ),
    )
    secrets = (
        File(directory / "secrets" / name, content, 0o400, owner, tuple(mounts.get(name, ())), secret=True)
        for name, content in item["secrets"].items()
    )
    return (*_slice(item), *public, *secrets)


def _route(routes: Path, name: str, content: str) -> File:
    # Traefik reads all files at each event in its directory, so the file is written elsewhere and renamed into it.
    return File(routes / name, content, staging=routes.parent)


def stack(item: Mapping[str, t.Any], parameters: Mapping[str, t.Any]) -> Stack:
    """Return the stack of one element of the module's `tenants`."""
    directory, disk = Path(parameters["directory"]) / item["name"], Path(item["disk"])
    routes = Path(parameters["routes_directory"])
    return Stack(
        name=item["name"],
        host_name=item["host_name"],
        state=item["state"],
        directory=directory,
        disk=disk,
        directories=_directories(directory, disk, item["uid"], parameters["folders"]),
        files=_files(directory, item["uid"], item, parameters),
        route=_route(routes, f"tenant-{item['name']}.yml", item["route"]),
        starting=_route(routes, f"starting-{item['name']}.yml", item["starting"]),
        storage=Path(item["storage"]),
        digests=item["digests"],
        admin=Admin(item["photo_server"], item["email"], item["admin_password"]),
        app_quota=item["app_quota"],
        owner=item["uid"],
        template=item["template"],
        anew=item["name"] in parameters["anew"],
        unlimited=item["name"] in parameters["unlimited"],
        after=parameters["after"],
    )
