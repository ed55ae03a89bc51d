"""The system configuration: Immich's defaults with a partial file, or with stored settings, merged over them."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from photo_server.defaults import DEFAULTS
from photo_server.environment import Environment
from photo_server.errors import StartError


class InvalidConfig(ValueError):
    """A known setting has a value of the wrong kind; the message names it."""


@dataclass(frozen=True)
class MachineLearning:
    """What the worker needs to know of the machine learning service."""

    enabled: bool
    urls: tuple[str, ...]
    model: str


@dataclass(frozen=True)
class SystemConfig:
    """The merged configuration: `values` is what GET /system-config answers."""

    values: dict[str, Any]
    from_file: bool

    def at(self, path: str) -> Any:
        """The value at a dotted path, for instance `trash.days`."""
        value: Any = self.values
        for key in path.split("."):
            value = value[key]
        return value

    def concurrency(self, queue: str) -> int:
        """How many jobs of a queue may run at once; one, where the configuration has no such queue."""
        return int(self.at("job").get(queue, {"concurrency": 1})["concurrency"])

    def machine_learning(self) -> MachineLearning:
        """The machine learning settings for smart search."""
        return MachineLearning(
            enabled=self.at("machineLearning.enabled") and self.at("machineLearning.clip.enabled"),
            urls=tuple(url.rstrip("/") for url in self.at("machineLearning.urls")),
            model=self.at("machineLearning.clip.modelName"),
        )

    def external_domain(self) -> str:
        """The origin of `server.externalDomain`, or nothing."""
        parts = urlsplit(self.at("server.externalDomain"))
        return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def default_values(environment: Environment) -> dict[str, Any]:
    """Immich's defaults, with the two that the environment may change."""
    values = deepcopy(DEFAULTS)
    if environment.machine_learning_url:
        values["machineLearning"]["urls"] = [environment.machine_learning_url]
    values["machineLearning"]["enabled"] = environment.machine_learning_enabled
    return values


def merge(defaults: dict[str, Any], given: dict[str, Any], path: str = "") -> tuple[dict[str, Any], list[str]]:
    """`given` over `defaults`, and the dotted names of the keys that nothing knows. Raises InvalidConfig."""
    merged = deepcopy(defaults)
    unknown: list[str] = []
    for key, value in given.items():
        name = f"{path}{key}"
        if key not in defaults:
            unknown.append(name)
        elif isinstance(defaults[key], dict):
            if not isinstance(value, dict):
                raise InvalidConfig(f"{name} must be an object")
            merged[key], below = merge(defaults[key], value, f"{name}.")
            unknown += below
        else:
            merged[key] = _checked(name, defaults[key], value)
    return merged, unknown


def _checked(name: str, default: Any, value: Any) -> Any:
    """The value, where it is of the default's kind and in range."""
    if isinstance(default, bool):
        fits, kind = isinstance(value, bool), "true or false"
    elif isinstance(default, int | float):
        least = 1 if name.endswith(".concurrency") else 0
        fits = isinstance(value, int | float) and not isinstance(value, bool) and value >= least
        kind = f"a number of at least {least}"
    elif isinstance(default, list):
        fits = isinstance(value, list) and bool(value) and all(_is_http_url(item) for item in value)
        kind = "a list of http URLs"
    else:
        fits, kind = isinstance(value, str), "a string"
        if fits and name.endswith(".cronExpression"):
            fits, kind = len(value.split()) in (5, 6), "a cron expression"
        if fits and name == "server.externalDomain" and value:
            fits, kind = _is_http_url(value), "an http URL"
    if not fits:
        raise InvalidConfig(f"{name} must be {kind}")
    return value


def _is_http_url(value: Any) -> bool:
    parts = urlsplit(value) if isinstance(value, str) else None
    return parts is not None and parts.scheme in ("http", "https") and bool(parts.netloc)


def read_config_file(path: Path) -> dict[str, Any]:
    """The content of a JSON or YAML file. Raises StartError."""
    try:
        text = path.read_text()
        content: Any = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise StartError(f"Unable to load configuration file {path}: {error}") from error
    if not isinstance(content, dict):
        raise StartError(f"Invalid system config: {path} must hold an object")
    return content


def load_config(environment: Environment, stored: dict[str, Any]) -> tuple[SystemConfig, list[str]]:
    """The configuration from the file where one is named, else from the stored settings; and the unknown names.

    Raises StartError for a file that cannot be read or holds an invalid value.
    """
    from_file = environment.config_file is not None
    given = read_config_file(environment.config_file) if environment.config_file else stored
    try:
        values, unknown = merge(default_values(environment), given)
    except InvalidConfig as error:
        raise StartError(f"Invalid system config: {error}") from error
    return SystemConfig(values, from_file), unknown


def differences(defaults: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """The part of `values` that is not default: what is worth storing."""
    return {key: value for key, value in _differences(defaults, values)}


def _differences(defaults: dict[str, Any], values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            if below := differences(defaults[key], value):
                yield key, below
        elif value != defaults[key]:
            yield key, value
