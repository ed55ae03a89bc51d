# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action plugin tenant_scope, which runs on the controller only."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.swissphoto.silo.plugins.module_utils.controller import SiloImports

SILO = SiloImports()
with SILO:
    from silo.inventory import plans
    from silo.inventory.errors import InventoryError
    from silo.tenant import template
    from silo.tenant.load import Fleet, read_all, read_policy
    from silo.tenant.model import Tenant
    from silo.tenant.schema import TenantError


def _by(key: str, tenants: Iterable[Tenant]) -> dict[str, list[str]]:
    hosts: dict[str, list[str]] = {}
    for tenant in tenants:
        hosts.setdefault(getattr(tenant, key), []).append(tenant.name)
    return hosts


def _storage(tenants: Iterable[Tenant]) -> dict[str, list[dict[str, t.Any]]]:
    storage: dict[str, list[dict[str, t.Any]]] = {}
    for tenant in tenants:
        if tenant.state != "absent":
            owner = {"uid": tenant.uid, "gid": tenant.settings["tenant_uid_base"]}
            item = {"name": tenant.name, "id": tenant.index, "limit": tenant.quota, **owner}
            storage.setdefault(tenant.nas, []).append(item)
    return storage


def _disks(tenants: Iterable[Tenant]) -> dict[str, list[dict[str, t.Any]]]:
    disks: dict[str, list[dict[str, t.Any]]] = {}
    for tenant in tenants:
        if tenant.state != "absent":
            limits = {"limit": tenant.disk_quota, "inodes": tenant.disk_inodes}
            owner = {"uid": tenant.uid, "gid": tenant.uid}
            disks.setdefault(tenant.server, []).append({"name": tenant.name, "id": tenant.index, **limits, **owner})
    return disks


def _runs(tag: str, variables: Mapping[str, t.Any]) -> bool:
    """Whether --tags and --skip-tags let a play run that has `tag`."""
    meant = {tag, "all", "tagged"}
    return bool(meant & set(variables["ansible_run_tags"])) and not meant & set(variables["ansible_skip_tags"])


def _before_stacks(tenants: Iterable[Tenant], variables: Mapping[str, t.Any]) -> dict[str, list[str]]:
    """Return server to what the call of its stacks does first: its disk, and the storage, if it is its own NAS.

    A NAS of tenants that are elsewhere has a call of its own, as these must not start before it.
    """
    scope = list(tenants)
    found = {}
    for server in dict.fromkeys(tenant.server for tenant in scope):
        own = [tenant for tenant in scope if server in (tenant.server, tenant.nas)]
        parts = {"storage": all(tenant.server == tenant.nas for tenant in own), "disk": True}
        there = any(tenant.state != "absent" for tenant in own if tenant.server == server)
        runs = there and _runs("stacks", variables)
        found[server] = [part for part, can in parts.items() if runs and can and _runs(part, variables)]
    return found


def _templates(tenants: Iterable[Tenant], next_ones: Mapping[str, Tenant]) -> dict[str, list[str]]:
    """Return NAS to the keys of the templates that it keeps: its tenants', and those of each server's next tenants."""
    needed: dict[str, list[Tenant]] = {}
    for tenant in tenants:
        needed.setdefault(tenant.nas, []).append(tenant)
    return {nas: template.keys([*there, *next_ones.values()]) for nas, there in needed.items()}


def _exceptions(tenant: Tenant, policy: Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    try:
        return plans.exceptions(tenant, policy)
    except InventoryError:  # a plan that cannot be read has ended the run already
        return []


def _facts(tenant: Tenant, policy: Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {
        "exceptions": _exceptions(tenant, policy),
        "index": tenant.index,
        "url": f"https://{tenant.host_name}",
        "host_name": tenant.host_name,
        "desired": tenant.state,
        "reason": tenant.settings.get("tenant_state_reason") or "",
        "since": str(tenant.settings.get("tenant_state_since") or ""),
        "server": tenant.server,
        "nas": tenant.nas,
        "plan": tenant.settings.get("tenant_plan"),
        "quota_bytes": tenant.quota,
        "disk_bytes": tenant.disk_quota,
        "disk_inodes": tenant.disk_inodes,
        "memory_bytes": tenant.memory_bytes,
    }


def _unknown_hosts(tenants: Iterable[Tenant], groups: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for tenant in tenants:
        for field, host, group in (("tenant_server", tenant.server, "servers"), ("tenant_nas", tenant.nas, "nas")):
            if host not in groups.get(group, []):
                there = ", ".join(groups.get(group, [])) or "nobody"
                text = f"{tenant.name}: {field} is {host!r}; the group {group} has {there}"
                found[tenant.name] = (*found.get(tenant.name, ()), text)
    return found


def _known(fleet: Fleet, groups: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return server to all its tenants; one that cannot be read may be on each, so it is nobody's orphan."""
    lost = sorted(set(fleet.problems) - {tenant.name for tenant in fleet.tenants})
    known = _by("server", fleet.tenants)
    return {
        server: [*known.get(server, []), *lost] for server in {*known, *(groups.get("servers", []) if lost else [])}
    }


class ActionModule(ActionBase):  # type: ignore[misc]  # Ansible is not typed
    """Has the same result for each host of a play, so use it with `run_once: true`."""

    TRANSFERS_FILES = False
    _VALID_ARGS = frozenset()

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the scope, with the problems of those that are left out of it; fail where nobody could be in it."""
        variables = task_vars or {}
        SILO.require(AnsibleActionFail)
        result = super().run(tmp, variables)
        groups = variables["groups"]
        fleet = read_all(groups["tenants"], variables["hostvars"])
        elsewhere = _unknown_hosts(fleet.tenants, groups)
        there = tuple(tenant for tenant in fleet.tenants if tenant.name not in elsewhere)
        fleet = Fleet(there, {**fleet.problems, **elsewhere})
        try:
            # Server to a tenant as its policy has new ones.
            next_ones = {one: read_policy(one, variables["hostvars"]) for one in sorted(groups.get("servers", []))}
            templates = _templates(there, next_ones)
        except TenantError as error:
            return result | {"failed": True, "msg": str(error)}
        named = set(variables["ansible_play_hosts_all"])
        scope = [tenant for tenant in fleet.sound if tenant.name in named]
        return result | {
            "changed": False,
            "servers": _by("server", scope),
            "known": _known(fleet, groups),
            "storage": _storage(scope),
            "disks": _disks(scope),
            "before_stacks": _before_stacks(scope, variables),
            "templates": templates,
            "tenants": {tenant.name: _facts(tenant, next_ones[tenant.server].settings) for tenant in fleet.tenants},
            "problems": {name: list(texts) for name, texts in fleet.problems.items() if name in named},
            "mistakes": list(variables.get("__silo_mistakes", [])),
        }
