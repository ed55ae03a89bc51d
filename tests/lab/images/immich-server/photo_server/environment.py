"""The environment variables of Immich, read once; start.sh has put in what the files of secrets hold."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from photo_server.costs import CHOICES, Costs
from photo_server.errors import StartError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAMED_NETWORKS = {
    "loopback": ("127.0.0.0/8", "::1/128"),
    "linklocal": ("169.254.0.0/16", "fe80::/10"),
    "uniquelocal": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
}
_VECTOR_EXTENSIONS = {"pgvector": "vector", "vectorchord": "vchord"}
_WORKERS = frozenset({"api", "microservices"})


@dataclass(frozen=True)
class Database:
    """How to reach PostgreSQL. A URL wins over the rest. The extension is `vector`, `vchord`, or None to choose."""

    url: str | None
    host: str
    port: int
    user: str
    password: str
    name: str
    ssl: str | None
    vector_extension: str | None
    skip_migrations: bool


@dataclass(frozen=True)
class Cache:
    """How to reach Valkey. A socket wins over host and port."""

    host: str
    port: int
    user: str | None
    password: str | None
    index: int
    socket: str | None


@dataclass(frozen=True)
class Environment:
    """All that the environment says."""

    database: Database
    cache: Cache
    host: str
    port: int
    media_location: Path
    config_file: Path | None
    allow_setup: bool
    ignore_mount_check_errors: bool
    trusted_proxies: tuple[Network, ...]
    workers: frozenset[str]
    machine_learning_url: str | None
    machine_learning_enabled: bool
    build_data: Path
    costs: Costs
    memory_purged: bool


class _Reader:
    """Typed access to the variables; an empty one counts as not set."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables

    def text(self, name: str) -> str | None:
        return self._variables.get(name) or None

    def number(self, name: str, default: int) -> int:
        value = self.text(name)
        try:
            return default if value is None else int(value)
        except ValueError:
            raise StartError(f"{name} must be a number, not {value!r}") from None

    def boolean(self, name: str, default: bool) -> bool:
        value = self.text(name)
        if value is None:
            return default
        if value.lower() not in ("true", "false"):
            raise StartError(f"{name} must be true or false, not {value!r}")
        return value.lower() == "true"

    def choice(self, name: str, choices: Mapping[str, str]) -> str | None:
        value = self.text(name)
        if value is not None and value not in choices:
            raise StartError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
        return None if value is None else choices[value]

    def words(self, name: str) -> list[str]:
        return [word.strip() for word in (self.text(name) or "").split(",") if word.strip()]


def read_environment(variables: Mapping[str, str]) -> Environment:
    """The environment with Immich's defaults. Raises StartError for a value that Immich refuses."""
    reader = _Reader(variables)
    media_location = Path(reader.text("IMMICH_MEDIA_LOCATION") or "/data")
    if not media_location.is_absolute():
        raise StartError(f"IMMICH_MEDIA_LOCATION must be an absolute path, not {str(media_location)!r}")
    config_file = reader.text("IMMICH_CONFIG_FILE")
    return Environment(
        database=_database(reader),
        cache=Cache(
            host=reader.text("REDIS_HOSTNAME") or "redis",
            port=reader.number("REDIS_PORT", 6379),
            user=reader.text("REDIS_USERNAME"),
            password=reader.text("REDIS_PASSWORD"),
            index=reader.number("REDIS_DBINDEX", 0),
            socket=reader.text("REDIS_SOCKET"),
        ),
        host=reader.text("IMMICH_HOST") or "0.0.0.0",  # noqa: S104 - the default of Immich; the network is the tenant's
        port=reader.number("IMMICH_PORT", 2283),
        media_location=media_location,
        config_file=Path(config_file) if config_file else None,
        allow_setup=reader.boolean("IMMICH_ALLOW_SETUP", True),
        ignore_mount_check_errors=reader.boolean("IMMICH_IGNORE_MOUNT_CHECK_ERRORS", False),
        trusted_proxies=_trusted_proxies(reader.words("IMMICH_TRUSTED_PROXIES")),
        workers=_workers(reader),
        machine_learning_url=reader.text("IMMICH_MACHINE_LEARNING_URL"),
        machine_learning_enabled=reader.boolean("IMMICH_MACHINE_LEARNING_ENABLED", True),
        build_data=Path(reader.text("IMMICH_BUILD_DATA") or "/build"),
        costs=_costs(reader),
        memory_purged=reader.text("MIMALLOC_PURGE_DELAY") == "0",
    )


def _database(reader: _Reader) -> Database:
    return Database(
        url=reader.text("DB_URL"),
        host=reader.text("DB_HOSTNAME") or "database",
        port=reader.number("DB_PORT", 5432),
        user=reader.text("DB_USERNAME") or "postgres",
        password=reader.text("DB_PASSWORD") or "postgres",
        name=reader.text("DB_DATABASE_NAME") or "immich",
        ssl=reader.choice(
            "DB_SSL_MODE", {mode: mode for mode in ("disable", "allow", "prefer", "require", "verify-full")}
        ),
        vector_extension=reader.choice("DB_VECTOR_EXTENSION", _VECTOR_EXTENSIONS),
        skip_migrations=reader.boolean("DB_SKIP_MIGRATIONS", False),
    )


def _costs(reader: _Reader) -> Costs:
    return CHOICES[reader.choice("STAND_IN_COSTS", {name: name for name in CHOICES}) or "none"]


def _trusted_proxies(words: list[str]) -> tuple[Network, ...]:
    """The networks whose X-Forwarded-* headers count. Loopback always does."""
    networks: list[Network] = []
    for word in ["loopback", *(words or ["linklocal", "uniquelocal"])]:
        for network in _NAMED_NETWORKS.get(word, (word,)):
            try:
                networks.append(ipaddress.ip_network(network, strict=False))
            except ValueError:
                raise StartError(f"IMMICH_TRUSTED_PROXIES: {word!r} is no address, network or known name") from None
    return tuple(networks)


def _workers(reader: _Reader) -> frozenset[str]:
    included = frozenset(reader.words("IMMICH_WORKERS_INCLUDE")) or _WORKERS
    excluded = frozenset(reader.words("IMMICH_WORKERS_EXCLUDE"))
    if unknown := (included | excluded) - _WORKERS:
        raise StartError(f"Invalid worker(s) found: {', '.join(sorted(unknown))}")
    return included - excluded
