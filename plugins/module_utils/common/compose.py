# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names that Compose and systemd use for a tenant's project, containers and slice."""

from __future__ import annotations

PREFIX = "silo-"
"""The prefix of the name of each of silo's Compose projects, including those of the platform."""


def project(tenant: str) -> str:
    """Return the name of the tenant's Compose project."""
    return f"{PREFIX}{tenant}"


def container(tenant: str, service: str) -> str:
    """Return the name that Compose gives the one container of a service."""
    return f"{project(tenant)}-{service}-1"


def slice_name(tenant: str) -> str:
    """Return the systemd slice that holds all containers of the tenant."""
    return f"{project(tenant)}.slice"
