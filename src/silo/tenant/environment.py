# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Environment variables of a tenant's containers: those that have a setting, and those in `tenant_environment`.

A setting that becomes a variable is declared in two places: its type in argument_specs.yml, and the variable in the
block `x-silo: environment:` of the service in compose.yaml. The variable cannot be declared beside the type:
ansible-core ignores an unknown key in argument_specs, but ansible-lint's schema refuses it. `tenant_environment` passes
all other variables unchanged to the photo server.

A variable without a value is not set at all. A tenant without such values shares the common Compose file.
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
RIGHT_NAME = "it must be a name of letters, digits and _, such as IMMICH_LOG_LEVEL"
RIGHT_VALUE = f"it must be a line of at most {LONGEST} printable characters, a number, true or false"

# Prefixes of names, in capital letters, that tenant_environment must not set, and the reason or alternative.
REFUSED_PREFIXES: Mapping[str, str] = {
    "DB_": "the photo server finds its database by the settings of this project",
    "PG": "the photo server finds its database by the settings of this project",
    "POSTGRES_": "the photo server finds its database by the settings of this project",
    "REDIS_": "the photo server finds its cache by the settings of this project",
    "COMPOSE_": "only this project calls Docker Compose",
    "DOCKER_": "only this project calls Docker Compose",
    "TENANT_": "it is a variable of this project's own; use the tenant_* settings",
    "SILO_": "it is a variable of this project's own; use the tenant_* settings",
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
    "SSL_CERT_": "the container's image decides which authorities the photo server trusts",
    "MAGICK_": "it would load other code into a program of the photo server",
    "VIPS_": "it would load other code into a program of the photo server",
}
# Whole names of the same kind.
REFUSED_NAMES: Mapping[str, str] = {
    "BASHOPTS": "it would run code in the photo server's shell",
    "ENV": "it would run code in the photo server's shell",
    "HOME": "the container's image sets it",
    "HOSTNAME": "it is the container's own name",
    "IFS": "it would run code in the photo server's shell",
    "IMMICH_BUILD_DATA": "the container's image sets it",
    "IMMICH_ENV": "a customer's photo server runs in production",
    "IMMICH_HOST": "the route leads to every address of the container",
    "IMMICH_IGNORE_MOUNT_CHECK_ERRORS": "a photo server without its folders must not start",
    "IMMICH_PORT": "the route leads to the port of the Compose file",
    "IMMICH_WORKERS_EXCLUDE": "one container runs all parts of the photo server",
    "IMMICH_WORKERS_INCLUDE": "one container runs all parts of the photo server",
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
    """Return service to its variables from the settings of the tenant `name`; raises TenantError."""
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
            problems.append(f"{field} is {_shown(value)}, and {seen[key.upper()]} is there too; keep one of them")
        elif not _is_right(value):
            problems.append(f"{field} is {_shown(value)}; {RIGHT_VALUE}")
        else:
            seen[key.upper()] = key
    if problems:
        raise TenantError(problems)
    return {key: text(value) for key, value in given.items()}


def _managed(key: str) -> str:
    """Return why tenant_environment must not set this variable, regardless of case; empty if it may."""
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
        return "it is a variable of this project's own; use the tenant_* settings"
    return next((reason for prefix, reason in REFUSED_PREFIXES.items() if name.startswith(prefix)), "")


def _is_right(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= LONGEST and value.isprintable()
    return (isinstance(value, bool | int) and abs(value) < 2**63) or (isinstance(value, float) and math.isfinite(value))


def text(value: bool | float | str) -> str:
    """Return the text of a value: true and false in lower case, as Immich reads them."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: object) -> str:
    """Return a value for a message; a long one may be a misplaced secret."""
    told = shown(value)
    return told if len(told) <= 60 else f"{told[:60]}..."
