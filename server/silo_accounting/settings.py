"""The collector's settings, written by the role."""

from __future__ import annotations

import dataclasses
import typing as t
import zoneinfo
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.ledger import Rules


class SettingsError(Exception):
    """The settings cannot be read; the text names the file."""


@dataclasses.dataclass(frozen=True)
class Server:
    """A server: the directory with one directory per tenant, and the port of Traefik's metrics."""

    directory: Path
    metrics_port: int


@dataclasses.dataclass(frozen=True)
class Storage:
    """A file system of tenants, on a NAS or a server: its root, its sentinel file, and the kind of quota."""

    root: str
    sentinel: str
    backend: str


@dataclasses.dataclass(frozen=True)
class AccountingSettings:
    """`exposition` is the file for Prometheus. A host is a server, a NAS, or both.

    `storage` has the uploads of a NAS, `disk` is that of a server for its tenants.
    """

    ledger: Path
    exposition: Path
    rules: Rules
    server: Server | None
    storage: Storage | None
    disk: Storage | None = None


def load(path: Path) -> AccountingSettings:
    """Read the settings; raises SettingsError."""
    try:
        found: t.Any = bounded_json.parse(path.read_text(encoding="utf-8"))
        server, storage, disk = found["server"], found["storage"], found.get("disk")
        return AccountingSettings(
            Path(found["ledger"]),
            Path(found["exposition"]),
            Rules(zoneinfo.ZoneInfo(found["time_zone"]), found["gap_seconds"], found["detail_days"]),
            Server(Path(server["directory"]), server["metrics_port"]) if server else None,
            Storage(**storage) if storage else None,
            Storage(**disk) if disk else None,
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise SettingsError(f"{path}: the settings cannot be read: {type(error).__name__}: {error}") from error
