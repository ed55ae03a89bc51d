# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Renders the files of a tenant from its desired state. Pure: writes no file, reads no variable of the play."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import typing as t
from collections.abc import Iterator, Mapping

import yaml
from ansible.module_utils.common.dict_transformations import dict_merge
from ansible.module_utils.common.yaml import SafeDumper  # type: ignore[attr-defined]  # by libyaml where it is
from ansible_collections.swissphoto.silo.plugins.module_utils.common import metrics
from ansible_collections.swissphoto.silo.plugins.module_utils.common.compose import project as project_name
from ansible_collections.swissphoto.silo.plugins.module_utils.common.compose import slice_name

from silo.tenant.environment import text
from silo.tenant.model import MIB, Tenant
from silo.tenant.schema import PREFIX, TenantError
from silo.tenant.services import VARIABLE, Service, project, services

PART_OF_MEMORY = re.compile(r"memory/(\d+)")
ACCESS_PATH = "/silo/welcome/"
# The paths at which Immich accepts a password, a PIN or a code; its router ignores upper and lower case.
GUESSED_PATHS = (
    "(?i)^/api/(auth/(login|change-password|pin-code|session/unlock)|oauth/(callback|link)"
    "|shared-links/login|admin/maintenance/login)"
)
# By which an instance could become somebody else's, whatever the photo server's own settings say: its first sign-up,
# and a dump of a database that is uploaded and restored, in the mode of maintenance.
REFUSED_PATHS = "(?i)^/api/(auth/admin-sign-up|admin/database-backups/(start-restore|upload)|admin/maintenance/*$)"
# An address from which nobody can connect.
NOBODY = "255.255.255.255/32"
# Higher than the route for unknown names, and lower than every tenant's own, whose priority is the rule's length.
STARTING_PRIORITY = 2
# Higher than maintenance and outage (role traefik): who is closed reads why, and not that it soon goes on.
CLOSED_PRIORITY = 2000
# The reasons for a suspension with pages of their own; that somebody owes money is no stranger's concern.
PUBLIC_REASONS = ("cancelled", "trial_over", "paused")
# What every host name has, in the order in which it applies; the server's own file has both.
BOUNDS = ["hsts@file", "requests@file"]
LEARNING_JOBS = ("faceDetection", "ocr", "smartSearch")
# The parts of its configuration that name a model.
MODEL_TASKS = ("clip", "facialRecognition", "ocr")
# All queues whose number of jobs Immich lets one choose; the others work on one at a time by themselves.
QUEUES = (
    "backgroundTask",
    "editor",
    "faceDetection",
    "integrityCheck",
    "library",
    "metadataExtraction",
    "migration",
    "notifications",
    "ocr",
    "search",
    "sidecar",
    "smartSearch",
    "thumbnailGeneration",
    "videoConversion",
    "workflow",
)


@dataclasses.dataclass(frozen=True)
class Stack:
    """The files of one tenant. `digests`: service to digest; `secrets`: file name below secrets/ to content.

    `compose` is the tenant's own Compose file; empty if the common one applies. `slice` is the systemd slice of the
    containers; empty if there is none. `starting` is the route until the photo server is ready.
    """

    compose: str
    env: str
    slice: str
    configuration: str
    route: str
    starting: str
    digests: Mapping[str, str]
    secrets: Mapping[str, str] = dataclasses.field(repr=False)


def configuration(tenant: Tenant) -> str:
    """Return Immich's configuration file; raises TenantError."""
    port = tenant.settings["tenant_machine_learning_port"]
    computed = {
        "server": {"externalDomain": f"https://{tenant.host_name}"},
        "machineLearning": {"urls": [f"http://{tenant.network.gateway}:{port}"]},
        # The tenant's network has no route out, so functions that need the internet are off.
        "newVersionCheck": {"enabled": False},
        # One job of a kind at a time, because the photo server has 1 GB.
        "job": {queue: {"concurrency": 1} for queue in QUEUES},
        # By default one a core: a film takes 116 MiB with 2 threads, and 259 MiB with 16.
        "ffmpeg": {"threads": 2},
    }
    merged = dict_merge(computed, tenant.settings["tenant_configuration"])
    _check_jobs(tenant, merged["job"])
    _check_models(tenant, merged["machineLearning"])
    return json.dumps(merged, indent=2, sort_keys=True) + "\n"


def _check_jobs(tenant: Tenant, jobs: Mapping[str, t.Any]) -> None:
    """Refuse more parallel jobs than the shared machine learning accepts from a tenant: Immich does not retry them.

    One request remains for a search.
    """
    limit = tenant.settings["tenant_machine_learning_requests"]
    try:
        count = sum(int(jobs[queue]["concurrency"]) for queue in LEARNING_JOBS)
    except (KeyError, TypeError, ValueError):
        right = "'concurrency' of each queue in its 'job' must be a number"
        raise TenantError([f"{tenant.name}: tenant_configuration cannot be read; {right}"]) from None
    if count >= limit:
        raise TenantError(
            [
                f"{tenant.name}: tenant_configuration has {count} jobs of machine learning at once "
                f"({', '.join(LEARNING_JOBS)}); it must be fewer than tenant_machine_learning_requests ({limit})"
            ]
        )


def _check_models(tenant: Tenant, learning: t.Any) -> None:
    """Refuse a model that the gate before the machine learning would refuse for each picture."""
    known = tenant.settings["tenant_machine_learning_models"]
    for task in MODEL_TASKS if known and isinstance(learning, Mapping) else ():
        section = learning.get(task)
        name = section.get("modelName") if isinstance(section, Mapping) else None
        if name is not None and name not in known:
            raise TenantError(
                [
                    f"{tenant.name}: tenant_configuration names the model {name!r} in machineLearning.{task}; "
                    f"machine_learning_models has {', '.join(known)}"
                ]
            )


def secret_files(secrets: Mapping[str, str], cache_memory: int) -> dict[str, str]:
    """Return file name below secrets/ to content; `cache_memory` in bytes."""
    # A quarter of the cache's memory is for the copy that it needs while it writes to disk.
    valkey = {
        "requirepass": secrets["cache_password"],
        "maxmemory": f"{cache_memory * 3 // 4}",
        "maxmemory-policy": "noeviction",
        "dir": "/data",
        "save": "60 1",
    }
    return {
        "database_password": secrets["database_password"],
        "cache_password": secrets["cache_password"],
        "valkey.conf": "".join(f"{key} {value}\n" for key, value in valkey.items()),
    }


def variables(tenant: Tenant) -> dict[str, str]:
    """Return the variables that Compose fills in."""
    network, settings = tenant.network, tenant.settings
    return {
        "COMPOSE_PROJECT_NAME": project_name(tenant.name),
        "TENANT_NAME": tenant.name,
        # For silo-recovery. No container uses it, so a change recreates none.
        "TENANT_STATE": tenant.state,
        "TENANT_UID": str(tenant.uid),
        "TENANT_SLICE": slice_name(tenant.name) if settings["tenant_slice"] else "",
        "TENANT_TIME_ZONE": settings["tenant_time_zone"],
        "TENANT_STORAGE": f"{tenant.storage}/uploads",
        "TENANT_DISK": tenant.disk,
        "TENANT_BRIDGE": network.bridge,
        "TENANT_SUBNET": network.subnet,
        "TENANT_GATEWAY": network.gateway,
        "TENANT_RANGE": network.range,
        **{key: value for service in services().values() for key, value in _of_service(tenant, service)},
    }


def _of_service(tenant: Tenant, service: Service) -> Iterator[tuple[str, str]]:
    memory = tenant.memory[service.name]
    yield f"{service.prefix}_ADDRESS", tenant.network.addresses[service.name]
    yield f"{service.prefix}_IMAGE", service.image(tenant.settings)
    yield f"{service.prefix}_MEMORY", str(memory)
    if service.burst_setting:
        # No container uses it: it is lent while they run.
        yield f"{service.prefix}_BURST", str(tenant.burst[service.name])
    for name, source in service.variables.items():
        if part := PART_OF_MEMORY.fullmatch(source):
            yield name, f"{memory // int(part[1]) // MIB}MB"
        else:
            yield name, text(tenant.settings.get(source, "")) if source.startswith(PREFIX) else source


def _compose(tenant: Tenant) -> str:
    """Return the tenant's own Compose file if settings add variables to its containers; else an empty text.

    As JSON, which is valid YAML, because YAML parsers disagree on which texts are numbers.
    """
    if not any(tenant.environments.values()):
        return ""
    sections = {service.name: _section(tenant, service) for service in services().values()}
    written = json.dumps({**project(), "services": sections}, indent=2, ensure_ascii=False)
    return f"# The stack of all tenants, with the variables that this one's settings give its containers.\n{written}\n"


def _section(tenant: Tenant, service: Service) -> dict[str, t.Any]:
    return service.with_environment(tenant.environments[service.name])


def _digest(section: Mapping[str, t.Any], variables: Mapping[str, str], contents: Mapping[str, str]) -> str:
    """Return a digest of a service's sources: its section, and the variables and mounted files that it names."""
    written = json.dumps(section, sort_keys=True)
    parts = [VARIABLE.sub(lambda match: variables.get(match[1], match[0]), written)]
    mounted = (name for name in sorted(contents) if f'"{name}"' in written or f'/{name}"' in written)
    parts += [f"{name}\0{contents[name]}" for name in mounted]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def env(values: Mapping[str, str]) -> str:
    """Return the file in which Compose finds its variables."""
    lines = [f"{key}={value}" for key, value in values.items()]
    return "\n".join(["# Made by Ansible from the inventory; what is changed here is changed back.", *lines, ""])


def slice_unit(name: str, memory: int) -> str:
    """Return the unit that limits all containers of a tenant to `memory` bytes together."""
    return "\n".join(
        [
            "# Made by Ansible from the inventory; what is changed here is changed back.",
            "[Unit]",
            f"Description=Containers of the tenant {name}",
            "",
            "[Slice]",
            f"MemoryMax={memory}",
            "MemorySwapMax=0",
            "CPUAccounting=yes",
            "IOAccounting=yes",
            "",
        ]
    )


def _slice(tenant: Tenant) -> str:
    """Return the unit whose limit is the sum of the containers' limits, with what they may borrow."""
    return slice_unit(tenant.name, tenant.memory_bytes + tenant.burst_bytes) if tenant.settings["tenant_slice"] else ""


def _traefik_name(tenant: Tenant, part: str = "") -> str:
    return metrics.router(tenant.name, part)


def _router(tenant: Tenant) -> dict[str, t.Any]:
    resolver = tenant.settings.get("tenant_certificate_resolver")
    return {
        "rule": f"Host(`{tenant.host_name}`)",
        "entryPoints": ["websecure"],
        "tls": {"certResolver": resolver} if resolver else {},
    }


def _routes(http: Mapping[str, t.Any]) -> str:
    # With libyaml if possible: Python's own writer takes ten times as long, and 100 tenants have 200 routes.
    return yaml.dump({"http": http}, Dumper=SafeDumper, sort_keys=False, explicit_start=True)


def _route(tenant: Tenant) -> str:
    """Return Traefik's file of the tenant; it has no text of the customer, because Traefik reads it as a template."""
    router = _router(tenant)
    return _routes(_open_route(tenant, router) if tenant.state == "running" else _closed_route(tenant, router))


def _starting(tenant: Tenant) -> str:
    """Return the file with which Traefik requests the certificate while the tenant's database is being created.

    It leads to the pages; the tenant's own route takes precedence as soon as it exists.
    """
    name = f"starting-{tenant.name}"
    router = {**_router(tenant), "priority": STARTING_PRIORITY, "service": "pages@file"}
    return _routes(
        {
            "routers": {name: {**router, "middlewares": [*BOUNDS, name]}},
            "middlewares": {name: {"addPrefix": {"prefix": f"/starting/{tenant.language}"}}},
        }
    )


def _open_route(tenant: Tenant, router: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return one router for the host name and, behind it, one for each part.

    Traefik tries the rules of an entry point one after the other, so each tenant has only one among them.
    """
    name, learning = _traefik_name(tenant), _traefik_name(tenant, metrics.LEARNING)
    return {
        "routers": {
            name: {**router, "middlewares": BOUNDS},
            **_parts(tenant),
            learning: {
                "rule": f"ClientIP(`{tenant.network.subnet}`)",
                "entryPoints": ["machinelearning"],
                "service": "machine-learning@file",
                "middlewares": [learning, "statuses@file", f"{learning}-gate"],
            },
        },
        "services": {name: {"loadBalancer": {"servers": [{"url": tenant.photo_server}]}}},
        "middlewares": {
            # In the tenant's own file, so that it holds whatever the server has of the platform's.
            _traefik_name(tenant, "-refused"): {"ipAllowList": {"sourceRange": [NOBODY]}},
            _traefik_name(tenant, "-access"): {"addPrefix": {"prefix": f"/{tenant.name}/{tenant.language}"}},
            # The gate learns from the path whose photo server asks.
            f"{learning}-gate": {"addPrefix": {"prefix": f"/{tenant.name}"}},
            learning: {
                "inFlightReq": {
                    "amount": tenant.settings["tenant_machine_learning_requests"],
                    # By the client's address: by default, Traefik counts by the Host header, which a client can choose.
                    "sourceCriterion": {"ipStrategy": {"depth": 0}},
                }
            },
        },
    }


def _parts(tenant: Tenant) -> dict[str, t.Any]:
    name, access = _traefik_name(tenant), _traefik_name(tenant, "-access")
    starting = f"pages-starting-{tenant.language}"
    parts = {
        "-web": ("PathPrefix(`/`)", name, [f"{starting}@file"]),
        "-api": ("PathPrefix(`/api`)", name, [f"{starting}-api@file"]),
        # Traefik counts for each router separately, so an attack on one tenant does not affect another.
        "-login": (f"PathRegexp(`{GUESSED_PATHS}`)", name, ["login-rate@file", f"{starting}-api@file"]),
        "-refused": (f"PathRegexp(`{REFUSED_PATHS}`)", name, [f"{name}-refused"]),
        "-access": (f"PathPrefix(`{ACCESS_PATH}`)", "access@file", ["link-rate@file", f"{starting}@file", access]),
    }
    return {
        f"{name}{part}": {"rule": rule, "parentRefs": [name], "service": service, "middlewares": middlewares}
        for part, (rule, service, middlewares) in parts.items()
    }


def _page(tenant: Tenant) -> str:
    """Return the page of a closed tenant: that of the reason, if strangers may read it."""
    reason = tenant.settings.get("tenant_state_reason")
    return str(reason) if tenant.state == "suspended" and reason in PUBLIC_REASONS else tenant.state


def _closed_route(tenant: Tenant, router: dict[str, t.Any]) -> dict[str, t.Any]:
    name = _traefik_name(tenant)
    return {
        "routers": {
            name: {**router, "priority": CLOSED_PRIORITY, "service": "pages@file", "middlewares": [*BOUNDS, name]}
        },
        "middlewares": {name: {"addPrefix": {"prefix": f"/{_page(tenant)}/{tenant.language}"}}},
    }


def render(tenant: Tenant, secrets: Mapping[str, str]) -> Stack:
    """Return the files of `tenant`; `secrets` are those of its vault.yml."""
    values = variables(tenant)
    settings_file = configuration(tenant)
    secret = secret_files(secrets, tenant.memory["cache"])
    contents = {"immich.json": settings_file, **secret}
    digests = {service.name: _digest(_section(tenant, service), values, contents) for service in services().values()}
    text = env(values | {f"{services()[name].prefix}_DIGEST": digest for name, digest in digests.items()})
    route, starting = _route(tenant), _starting(tenant)
    return Stack(_compose(tenant), text, _slice(tenant), settings_file, route, starting, digests, secret)
