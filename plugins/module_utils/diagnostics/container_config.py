# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a container is made of: its image, its ports, its mounts, the profile of its system calls. The engine's word."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterable, Iterator
from pathlib import Path

from .check import Check, none_of
from .container import Found, Item
from .expected import ExpectedService, ExpectedTenant

SECCOMP = "seccomp="
# By which one is root of the server.
SOCKETS = ("docker.sock", "containerd.sock")


def image(service: ExpectedService, found: Found) -> Check:
    """Return whether the image is the pinned one, by its digest."""
    _name, at, digest = service.image.partition("@")
    seen = ", ".join(found.digests) or found.details["Image"]
    ok = bool(at) and any(known.endswith(f"@{digest}") for known in found.digests)
    return Check("image", service.label, ok, seen, service.image if at else f"{service.image}, pinned by its digest")


def rights(service: ExpectedService, found: Found) -> Check:
    """Return whether the engine gave nothing of the host: no privilege, no device, no namespace of its own."""
    host = found.details["HostConfig"]
    wrong = ["privileged"] if host.get("Privileged") else []
    wrong += [f"+{name}" for name in host.get("CapAdd") or []]
    wrong += [str(device.get("PathOnHost")) for device in host.get("Devices") or []]
    wrong += [f"{key} is the host's" for key in ("PidMode", "IpcMode", "UTSMode") if host.get(key) == "host"]
    return none_of("rights", service.label, wrong, "none", "none")


def mounted(tenant: ExpectedTenant, service: ExpectedService, found: Found) -> Check:
    """Return whether all that a tenant's container has of the server's files is that tenant's own."""
    sources = [Path(mount["Source"]) for mount in found.details.get("Mounts") or [] if mount.get("Source")]
    wrong = [str(path) for path in sources if not any(path.is_relative_to(folder) for folder in tenant.folders)]
    expected = " and ".join(map(str, tenant.folders))
    return none_of("mounts", service.label, wrong, f"{len(sources)}, all its own", f"what lies in {expected}")


def _profile(found: Found) -> t.Any:
    options = found.details["HostConfig"].get("SecurityOpt") or []
    text = next((option.removeprefix(SECCOMP) for option in options if option.startswith(SECCOMP)), "")
    try:
        return json.loads(text)
    except ValueError:
        return text or "the engine's own"


def profile(path: Path, service: ExpectedService, found: Found) -> Check:
    """Return whether the system calls are filtered by the rules of the file `path`."""
    expected = f"the rules of {path}"
    try:
        rules = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return Check("seccomp profile", service.label, False, f"{path} cannot be read: {error}", expected)
    seen = _profile(found)
    text = seen if isinstance(seen, str) else "other rules, as of an older file"
    return Check("seccomp profile", service.label, seen == rules, expected if seen == rules else text, expected)


def of_tenant(tenant: ExpectedTenant, service: ExpectedService, found: Found, seccomp: Path) -> Iterator[Check]:
    """Yield all of these, of a tenant's container that runs."""
    yield image(service, found)
    yield rights(service, found)
    yield mounted(tenant, service, found)
    yield profile(seccomp, service, found)


def of_server(server: str, items: Iterable[Item]) -> Iterator[Check]:
    """Yield what holds for every container of a server, whoever's it is."""
    listed = list(items)
    ports = [f"{port} of {item.name}" for item in listed for port in item.published]
    yield none_of("published ports", server, ports, "none", "none")
    sockets = [f"{source} in {item.name}" for item in listed for source in item.sources if source.endswith(SOCKETS)]
    yield none_of("engine's socket", server, sockets, "in no container", "in no container")
