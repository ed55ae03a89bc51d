# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables of a tenant's containers that settings give: those that are declared, and the rest of `tenant_environment`.

A setting that becomes a variable is declared in two places: its type in argument_specs.yml, and the variable in the
block `x-silo: environment:` of the service in compose.yaml. The variable cannot stand beside the type: ansible-core
ignores a key that it does not know in argument_specs, but ansible-lint's schema of that file refuses it. Of a variable
that is declared nowhere, `tenant_environment` takes name and value as they are, for the photo server.

A variable of which a tenant says nothing is not set at all: the Compose file of such a tenant is the one of all.
"""

from __future__ import annotations

import math
import re
import typing as t
from collections.abc import Mapping

from silo.tenant.schema import TenantError, shown
from silo.tenant.services import PHOTO_SERVER, VARIABLE, compose_file, services

SETTING = "tenant_environment"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
LONGEST = 4096
RIGHT_NAME = "a name of letters, digits and _ is right, such as IMMICH_LOG_LEVEL"
RIGHT_VALUE = f"a line of at most {LONGEST} printable characters, a number, true or false is right"

# Beginnings of names, in capital letters, that are nobody's to set, and what is right in their place.
REFUSED_PREFIXES: Mapping[str, str] = {
    "DB_": "the photo server finds its database by the settings of this project",
    "PG": "the photo server finds its database by the settings of this project",
    "POSTGRES_": "the photo server finds its database by the settings of this project",
    "REDIS_": "the photo server finds its cache by the settings of this project",
    "COMPOSE_": "Docker Compose is called by this project alone",
    "DOCKER_": "Docker Compose is called by this project alone",
    "TENANT_": "it is a variable of this project's own; the tenant_* settings are right",
    "SILO_": "it is a variable of this project's own; the tenant_* settings are right",
    "LD_": "it would load other code into the photo server's process",
    "NODE_": "it would change how Node.js runs the photo server's code",
    "NPM_": "it would change how Node.js runs the photo server's code",
    "V8_": "it would change how Node.js runs the photo server's code",
    "BASH_": "it would run code in the photo server's shell",
    "PYTHON": "it would load other code into a program of the photo server",
    "PERL": "it would load other code into a program of the photo server",
    "GIT_": "it would load other code into a program of the photo server",
    "GLIBC_": "it would change the photo server's C library",
    "GCONV_": "it would load other code into the photo server's process",
    "MALLOC_": "the allocator is set so that the photo server stays within its memory",
    "MIMALLOC_": "the allocator is set so that the photo server stays within its memory",
    "OPENSSL_": "it would load other code into the photo server's process",
    "SSL_CERT_": "whom the photo server trusts is its image's to say",
    "MAGICK_": "it would load other code into a program of the photo server",
    "VIPS_": "it would load other code into a program of the photo server",
}
# Whole names of the same kind.
REFUSED_NAMES: Mapping[str, str] = {
    "BASHOPTS": "it would run code in the photo server's shell",
    "ENV": "it would run code in the photo server's shell",
    "HOME": "the container's image sets it",
    "HOSTNAME": "the container's own name is right",
    "IFS": "it would run code in the photo server's shell",
    "IMMICH_BUILD_DATA": "the container's image sets it",
    "IMMICH_ENV": "a customer's photo server runs in production",
    "IMMICH_HOST": "the route leads to every address of the container",
    "IMMICH_IGNORE_MOUNT_CHECK_ERRORS": "a photo server whose folders are away must not start",
    "IMMICH_PORT": "the route leads to the port of the Compose file",
    "IMMICH_WORKERS_EXCLUDE": "one container is the whole photo server",
    "IMMICH_WORKERS_INCLUDE": "one container is the whole photo server",
    "FREI0R_PATH": "it would load other code into a program of the photo server",
    "LADSPA_PATH": "it would load other code into a program of the photo server",
    "LIBVA_DRIVERS_PATH": "it would load other code into a program of the photo server",
    "NODE": "it would change how Node.js runs the photo server's code",
    "PATH": "the container's image sets it",
    "PROMPT_COMMAND": "it would run code in the photo server's shell",
    "PS4": "it would run code in the photo server's shell",
    "SHELL": "the container's image sets it",
    "SHELLOPTS": "it would run code in the photo server's shell",
    "VIPSHOME": "it would load other code into a program of the photo server",
}


def environments(name: str, settings: Mapping[str, t.Any]) -> dict[str, dict[str, str]]:
    """Return service to its variables, those that the settings of the tenant `name` give; raises TenantError."""
    found = {}
    for service in services().values():
        given = {key: settings.get(setting) for key, setting in service.environment.items()}
        found[service.name] = {key: text(value) for key, value in given.items() if value is not None}
    found[PHOTO_SERVER] |= _free(name, settings.get(SETTING) or {})
    return found


def _free(name: str, given: Mapping[t.Any, t.Any]) -> dict[str, str]:
    problems = []
    seen: dict[str, str] = {}
    for key, value in given.items():
        field = f"{name}: {SETTING}.{key}"
        if not isinstance(key, str) or not NAME.fullmatch(key):
            problems.append(f"{name}: {SETTING} names {shown(key)}; {RIGHT_NAME}")
        elif reason := _managed(key):
            problems.append(f"{field} is {_shown(value)}, and cannot be set: {reason}")
        elif key.upper() in seen:
            problems.append(f"{field} is {_shown(value)}, and {seen[key.upper()]} is there too; one of them is right")
        elif not _is_right(value):
            problems.append(f"{field} is {_shown(value)}; {RIGHT_VALUE}")
        else:
            seen[key.upper()] = key
    if problems:
        raise TenantError(problems)
    return {key: text(value) for key, value in given.items()}


def _managed(key: str) -> str:
    """Return why nobody sets this variable by hand, in whatever case its letters are; empty where somebody may."""
    name = key.upper()
    server = services()[PHOTO_SERVER]
    declared = {variable.upper(): setting for variable, setting in server.environment.items()}
    if name in declared:
        return f"{declared[name]} is the setting for it"
    if name == "TZ":
        return "tenant_time_zone is the setting for it"
    if name in {variable.upper() for variable in server.section.get("environment", {})}:
        return "this project sets it in the Compose file"
    if name in REFUSED_NAMES:
        return REFUSED_NAMES[name]
    prefixes = {f"{service.prefix}_" for service in services().values()}
    if name in set(VARIABLE.findall(compose_file())) or any(map(name.startswith, prefixes)):
        return "it is a variable of this project's own; the tenant_* settings are right"
    return next((reason for prefix, reason in REFUSED_PREFIXES.items() if name.startswith(prefix)), "")


def _is_right(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST and value.isprintable()
    return (isinstance(value, bool | int) and abs(value) < 2**63) or (isinstance(value, float) and math.isfinite(value))


def text(value: bool | float | str) -> str:
    """Return a value as a variable has it: true and false in small letters, as Immich reads them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: object) -> str:
    """Return a value for a sentence; a long one may be a secret that was put in the wrong place."""
    told = shown(value)
    return told if len(told) <= 60 else f"{told[:60]}..."
