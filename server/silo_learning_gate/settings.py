"""The gate's settings, written by the role."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json


class SettingsError(Exception):
    """The settings cannot be used; the text names the file and the value."""


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What requests may take. Sizes in bytes, times in seconds.

    `requests_of_tenant` and `held_of_tenant` are of one tenant, `requests` and `held` of all together; held is what the
    bodies of requests under way have.
    """

    requests_of_tenant: int = 8
    requests: int = 128
    held_of_tenant: int = 16 * 1024**2
    held: int = 256 * 1024**2
    body: int = 8 * 1024**2
    text: int = 8192
    pixels: int = 40_000_000
    head_seconds: float = 10
    body_seconds: float = 60
    answer_seconds: float = 300


@dataclasses.dataclass(frozen=True)
class GateSettings:
    """`port` is Traefik's, `local_port` that of metrics and health. `models`: task to the names of its models."""

    url: str
    address: str
    port: int
    local_port: int
    models: Mapping[str, frozenset[str]]
    bounds: Bounds = Bounds()


def load(path: Path) -> GateSettings:
    """Read the settings; raises SettingsError."""
    try:
        found: t.Any = bounded_json.parse(path.read_text(encoding="utf-8"))
        models: dict[str, frozenset[str]] = {}
        for model in found["models"]:
            models[str(model["task"])] = models.get(str(model["task"]), frozenset()) | {str(model["name"])}
        settings = GateSettings(
            url=str(found["url"]).rstrip("/"),
            address=str(found["address"]),
            port=int(found["port"]),
            local_port=int(found["local_port"]),
            models=models,
            bounds=Bounds(**found["bounds"]),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path}: the settings cannot be read: {type(error).__name__}: {error}") from error
    for name, value in dataclasses.asdict(settings.bounds).items():
        if not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0:
            raise SettingsError(f"{path}: bounds.{name} is {value!r}; it must be a number above 0")
    return settings
