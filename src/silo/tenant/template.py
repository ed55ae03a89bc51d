# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The throw-away stack in which the template of a set of images is made: a tenant's own, but for what is said here.

It has memory of its own, the first subnet of the pool, which no tenant has, nothing of the NAS, and set-up open.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import typing as t
from collections.abc import Iterable

import netaddr
from ansible.module_utils.common.text.formatters import human_to_bytes
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant import template

from silo.tenant import secrets
from silo.tenant.model import PREFIX_LENGTH, Tenant, network_of
from silo.tenant.render import configuration, env, secret_files, variables
from silo.tenant.schema import TenantError
from silo.tenant.services import PHOTO_SERVER, folders, project, services

DATABASE = "database"
# Of no tenant, no shared service and no program on a server.
UID = 65527
LABEL = "ch.swissphoto.silo.template"
# Old segments are removed, not kept for use again: two of three bytes of an untrimmed database are these.
TRIM = ("-cwal_recycle=off", "-cmin_wal_size=32MB")
# What a tenant's database never needs, as it never makes a cluster.
CLUSTER = {
    "POSTGRES_USER": "immich",
    "POSTGRES_DB": "immich",
    "POSTGRES_PASSWORD_FILE": "/run/secrets/database_password",
    "POSTGRES_INITDB_ARGS": "--data-checksums",
}
# Parts of the memory; the photo server has the rest.
DATABASE_PART, OTHER_PART = 4, 16
LEAST_MEMORY = 2 * 1024**3


def made_of(tenant: Tenant) -> dict[str, str]:
    """Return what makes a template one of its own: the images of photo server and database, the vector extension."""
    images = {name: services()[name].image(tenant.settings) for name in (PHOTO_SERVER, DATABASE)}
    return {**images, "vector_extension": str(tenant.settings["tenant_vector_extension"])}


def key(tenant: Tenant) -> str:
    """Return the key of the template of which a tenant is born."""
    return hashlib.sha256(json.dumps(made_of(tenant), sort_keys=True).encode()).hexdigest()[:16]


def keys(tenants: Iterable[Tenant]) -> list[str]:
    """Return the keys of the templates that tenants need, each once."""
    return sorted({key(tenant) for tenant in tenants})


def stacks(tenants: Iterable[Tenant]) -> list[dict[str, t.Any]]:
    """Return the throw-away stacks of the sets of images of tenants, as tenant_stacks takes them."""
    by_key = {key(tenant): tenant for tenant in tenants}
    return [_stack(name, tenant) for name, tenant in by_key.items()]


def _stack(name: str, tenant: Tenant) -> dict[str, t.Any]:
    stack = _throw_away(tenant)
    return {
        "key": name,
        "made_of": made_of(tenant),
        "uid": stack.uid,
        "photo_server": stack.photo_server,
        "compose": json.dumps(_project(), indent=2) + "\n",
        "env": env(variables(stack)),
        "configuration": configuration(stack),
        "folders": list(folders()),
        # Each run has others, and they end with the stack.
        "secrets": secret_files(secrets.make(), stack.memory["cache"]),
    }


def _throw_away(tenant: Tenant) -> Tenant:
    """Return the stack as if it were a tenant; of `tenant` are its images and what the platform says, and no more."""
    pool = netaddr.IPNetwork(tenant.settings["tenant_address_pool"])
    subnet = netaddr.IPNetwork((pool.first, PREFIX_LENGTH), version=4)
    place = f"{tenant.settings['tenant_directory'].rpartition('/')[0]}/{template.STACK}"
    return dataclasses.replace(
        tenant,
        name=template.PROJECT,
        index=0,
        uid=UID,
        memory=_memory(tenant),
        burst=dict.fromkeys(services(), 0),
        environments={},
        host_name=f"{template.PROJECT}.invalid",
        # All of it lies in one directory of the server, and is gone soon.
        storage=place,
        disk=place,
        network=network_of(subnet, 0),
        # The customer's own settings may hold the password of their mail relay.
        settings={**tenant.settings, "tenant_configuration": {}, "tenant_slice": False},
    )


def _memory(tenant: Tenant) -> dict[str, int]:
    text = tenant.settings["tenant_template_memory"]
    try:
        whole = int(human_to_bytes(text))
    except ValueError:
        whole = 0
    if whole < LEAST_MEMORY:
        raise TenantError([f"{tenant.name}: tenant_template_memory is {text!r}; a size from 2G up is right"])
    parts = {service: whole // (DATABASE_PART if service == DATABASE else OTHER_PART) for service in services()}
    return {**parts, PHOTO_SERVER: whole - sum(part for name, part in parts.items() if name != PHOTO_SERVER)}


def _project() -> dict[str, t.Any]:
    """Return the Compose file of all tenants, changed to what makes a database and is thrown away."""
    found = copy.deepcopy(dict(project()))
    for name, section in found["services"].items():
        # Where the server is short of memory, no tenant is ended for it. What ends stays so, and is noticed.
        section |= {"restart": "no", "oom_score_adj": 900}
        section["labels"] = {LABEL: template.PROJECT, "ch.swissphoto.silo.service": name}
    found["services"][PHOTO_SERVER]["environment"]["IMMICH_ALLOW_SETUP"] = "true"
    database = found["services"][DATABASE]
    database["environment"] = {**database.get("environment", {}), **CLUSTER}
    database["secrets"] = [*database.get("secrets", []), "database_password"]
    database["command"] = [*database["command"], *TRIM]
    found["networks"]["default"]["labels"] = {LABEL: template.PROJECT}
    return found
