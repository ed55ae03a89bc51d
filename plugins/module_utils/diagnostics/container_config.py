# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks of a container's configuration in the engine: image, rights, mounts, seccomp profile."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ..common import bounded_json
from .container import Found
from .expected import ExpectedTenant
from .finding import Finding, holds, none_of
from .registry import check
from .subjects import SITE, Container

SECCOMP = "seccomp="
PROFILE = "/etc/silo/seccomp-1.json"


@check("image", scope="container")
def image(container: Container) -> Finding:
    """Check that the image is the pinned one, by its digest."""
    service, found = container.service, container.found
    _name, at, digest = service.image.partition("@")
    seen = ", ".join(found.digests) or found.details["Image"]
    ok = bool(at) and any(known.endswith(f"@{digest}") for known in found.digests)
    finding = holds(ok, seen, service.image if at else f"{service.image}, pinned by its digest")
    return finding if at else dataclasses.replace(finding, fix="pin the image by its digest in silo_images")


@check("rights", scope="container")
def rights(container: Container) -> Finding:
    """Check that the engine granted nothing of the host: no privilege, no device, none of the host's namespaces."""
    host = container.found.details["HostConfig"]
    wrong = ["privileged"] if host.get("Privileged") else []
    wrong += [f"+{name}" for name in host.get("CapAdd") or []]
    wrong += [str(device.get("PathOnHost")) for device in host.get("Devices") or []]
    wrong += [f"{key} is the host's" for key in ("PidMode", "IpcMode", "UTSMode") if host.get(key) == "host"]
    return none_of(wrong, "none", "none")


@check("mounts", scope="container")
def mounts(container: Container) -> Finding | None:
    """Check that a tenant's container mounts only the tenant's own files, and writes only where a quota counts it."""
    if container.tenant is None:
        return None
    tenant = container.tenant.expected
    found = [mount for mount in container.found.details.get("Mounts") or [] if mount.get("Source")]
    sources = [Path(mount["Source"]) for mount in found]
    wrong = [str(path) for path in sources if not any(path.is_relative_to(folder) for folder in tenant.folders)]
    wrong += [f"it may write to {mount['Source']}" for mount in found if mount.get("RW") and _is_free(mount, tenant)]
    expected = f"files in {', '.join(map(str, tenant.folders))}, and nothing to write in the first"
    return none_of(wrong, f"{len(sources)}, all its own", expected)


def _is_free(mount: Mapping[str, t.Any], tenant: ExpectedTenant) -> bool:
    """Return whether no quota counts what is written there."""
    return Path(mount["Source"]).is_relative_to(tenant.directory)


def _profile(found: Found) -> t.Any:
    options = found.details["HostConfig"].get("SecurityOpt") or []
    text = next((option.removeprefix(SECCOMP) for option in options if option.startswith(SECCOMP)), "")
    try:
        return bounded_json.parse(text)
    except ValueError:
        return text or "the engine's own"


@check("seccomp_profile", scope="container", fix=f"{SITE}, then 'silo apply'")
def seccomp_profile(container: Container) -> Finding | None:
    """Check that the system-call filter of a tenant's container has the rules of the file."""
    if container.tenant is None:
        return None
    path = container.server.expected.path("seccomp", PROFILE)
    expected = f"the rules of {path}"
    try:
        rules = bounded_json.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return holds(False, f"{path} cannot be read: {error}", expected)
    seen = _profile(container.found)
    text = seen if isinstance(seen, str) else "other rules, for example of an older file"
    return holds(seen == rules, expected if seen == rules else text, expected)
