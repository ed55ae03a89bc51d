# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The model of a tenant, derived from its settings: addresses, user id, limits in bytes. Pure."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

import netaddr
from ansible.module_utils.common.text.formatters import human_to_bytes

from silo import email_address
from silo.tenant import sizes
from silo.tenant.environment import environments
from silo.tenant.schema import TenantError, validate
from silo.tenant.services import PHOTO_SERVER, burst_settings, memory_settings, services

PREFIX_LENGTH = 28
MIB = 1024**2
# Lower ids belong to the system and to people; kernels and tools take some higher ones for negative.
LEAST_UID, MOST_UID = 10_000, 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Network:
    """A tenant's own network: the first half of the subnet has fixed addresses, the second is for one-off containers.

    `addresses` is by service.
    """

    subnet: str
    gateway: str
    addresses: Mapping[str, str] = dataclasses.field(hash=False)
    range: str
    bridge: str


@dataclasses.dataclass(frozen=True)
class Tenant:
    """The desired state of one tenant. Sizes in bytes; `settings` are the validated `tenant_*` values.

    `disk` is its directory on the server's disk, `disk_quota` and `disk_inodes` are the hard limits of that; 0 inodes
    are as many as it likes.

    `memory` is service to limit, `burst` service to what it may borrow beyond it, `environments` service to the
    variables that settings add to it.
    """

    name: str
    index: int
    state: str
    language: str
    email: str
    server: str
    nas: str
    uid: int
    quota: int
    app_quota: int
    memory: Mapping[str, int] = dataclasses.field(hash=False)
    burst: Mapping[str, int] = dataclasses.field(hash=False)
    environments: Mapping[str, Mapping[str, str]] = dataclasses.field(repr=False, hash=False)
    host_name: str
    directory: str
    disk: str
    disk_quota: int
    disk_inodes: int
    storage: str
    network: Network
    settings: Mapping[str, t.Any] = dataclasses.field(repr=False, compare=False)

    @property
    def memory_bytes(self) -> int:
        """The sum of the limits of all services."""
        return sum(self.memory.values())

    @property
    def burst_bytes(self) -> int:
        """The sum of what its services may borrow beyond their limits."""
        return sum(self.burst.values())

    @property
    def login(self) -> str:
        """The address with which its customer logs in: that of its letters, as the photo server keeps one."""
        return email_address.parse(self.email).normal

    @property
    def photo_server(self) -> str:
        """The URL of the photo server on the tenant's own network."""
        return f"http://{self.network.addresses[PHOTO_SERVER]}:{services()[PHOTO_SERVER].port}"


def _bytes(name: str, key: str, value: str) -> int:
    try:
        size = int(human_to_bytes(value))
    except (ValueError, OverflowError):
        size = 0
    if size <= 0:
        raise TenantError([f"{name}: {key} is {value!r}; it must be a size such as 512M, 100G or 1T"])
    return size


def _inodes(name: str, count: int) -> int:
    if not 0 <= count < 2**63:
        right = "it must be 0 for no limit, or a number of files such as 100000"
        raise TenantError([f"{name}: tenant_disk_inodes is {count}; {right}"])
    return count


def _app_quota(name: str, quota: int, share: float) -> int:
    if not 0 < share <= 1:
        raise TenantError([f"{name}: tenant_app_quota_share is {share}; it must be a number above 0 and up to 1"])
    return round(quota * share)


def _uid(name: str, index: int, base: int) -> int:
    if not LEAST_UID <= base + index <= MOST_UID:
        right = f"it must be a number by which the user id is from {LEAST_UID} to {MOST_UID}"
        raise TenantError([f"{name}: tenant_uid_base is {base}; {right}"])
    return base + index


def _pool(name: str, text: str) -> netaddr.IPNetwork:
    try:
        pool = netaddr.IPNetwork(text)
        right = pool.version == 4 and pool.prefixlen < PREFIX_LENGTH
    except (netaddr.AddrFormatError, ValueError):
        right = False
    if not right:
        raise TenantError([f"{name}: tenant_address_pool is {text!r}; it must be a network such as 10.83.0.0/16"])
    return pool


def _subnet(name: str, index: int, settings: Mapping[str, t.Any]) -> netaddr.IPNetwork:
    pool = _pool(name, settings["tenant_address_pool"])
    count = 2 ** (PREFIX_LENGTH - pool.prefixlen)
    if not 1 <= index < count:
        raise TenantError([f"{name}: tenant_index is {index}; it must be 1 to {count - 1} in the pool {pool}"])
    if "tenant_subnet" not in settings:
        return netaddr.IPNetwork((pool.first + index * 2 ** (32 - PREFIX_LENGTH), PREFIX_LENGTH), version=4)
    try:
        subnet = netaddr.IPNetwork(settings["tenant_subnet"])
        right = subnet.version == 4 and subnet.prefixlen == PREFIX_LENGTH and subnet.ip == subnet.network
    except (netaddr.AddrFormatError, ValueError):
        right = False
    if not right:
        value = settings["tenant_subnet"]
        raise TenantError([f"{name}: tenant_subnet is {value!r}; it must be a network such as 10.83.200.16/28"])
    return subnet


def network_of(subnet: netaddr.IPNetwork, index: int) -> Network:
    """Return the addresses of the services in a subnet of 16."""
    addresses = {service.name: str(subnet[service.address]) for service in services().values()}
    upper_half = str(list(subnet.subnet(PREFIX_LENGTH + 1))[1])
    return Network(str(subnet), str(subnet[1]), addresses, upper_half, f"im-{index}")


def _memory(name: str, settings: Mapping[str, t.Any]) -> dict[str, int]:
    for key in memory_settings():
        _bytes(name, key, settings[key])
    return {service.name: service.memory(settings) for service in services().values()}


def _burst(name: str, settings: Mapping[str, t.Any]) -> dict[str, int]:
    for key in burst_settings():
        value = settings[key]
        try:
            size = int(human_to_bytes(value))
        except (ValueError, OverflowError):
            size = -1
        if size < 0:
            raise TenantError([f"{name}: {key} is {value!r}; it must be 0, or a size such as 512M"])
    return {service.name: service.burst(settings) for service in services().values()}


def derive(name: str, values: Mapping[str, t.Any]) -> Tenant:
    """Create a tenant from its settings: `values` are all `tenant_*` variables of the inventory host `name`.

    Raises TenantError with sentences for the operator.
    """
    settings = validate(name, values)
    index = settings["tenant_index"]

    quota = _bytes(name, "tenant_quota", settings["tenant_quota"])
    tenant = Tenant(
        name=name,
        index=index,
        state=settings["tenant_state"],
        language=settings["tenant_language"],
        email=settings["tenant_email"],
        server=settings["tenant_server"],
        nas=settings["tenant_nas"],
        uid=_uid(name, index, settings["tenant_uid_base"]),
        quota=quota,
        app_quota=_app_quota(name, quota, settings["tenant_app_quota_share"]),
        memory=_memory(name, settings),
        burst=_burst(name, settings),
        environments=environments(name, settings),
        host_name=f"{name}.{settings['tenant_domain']}",
        directory=f"{settings['tenant_directory']}/{name}",
        disk=f"{settings['tenant_disk_root']}/{name}",
        disk_quota=_bytes(name, "tenant_disk", settings["tenant_disk"]),
        disk_inodes=_inodes(name, settings["tenant_disk_inodes"]),
        storage=f"{settings['tenant_storage_root']}/{name}",
        network=network_of(_subnet(name, index, settings), index),
        settings=settings,
    )
    if problems := sizes.problems(name, settings):
        raise TenantError(problems)
    return tenant


def copied_secrets(name: str, owner: str) -> str:
    """Return the sentence on a tenant that has the secrets of another."""
    return (
        f"{name}: its vault.yml has the secrets of {owner}; if {name} is new, remove that file, and an apply makes its "
        "own; otherwise docs/operate/runbooks/rotate-secrets.md shows how"
    )


def conflicts(tenants: Iterable[Tenant]) -> dict[str, list[str]]:
    """Return the sentences on tenants that are valid, but conflict with each other; by the names of all concerned.

    Indexes are unique in the whole inventory, so that a tenant may move to another server; subnets as well. Nobody can
    know who of two has an index by mistake; of the same secrets, the later index is the copy.
    """
    found: dict[str, list[str]] = {}
    fleet = sorted(tenants, key=lambda tenant: (tenant.index, tenant.name))
    for before, after in zip(fleet, fleet[1:], strict=False):
        if before.index == after.index:
            text = f"{after.name}: tenant_index is {after.index}, which is {before.name}'s; choose a free one"
            for name in (before.name, after.name):
                found.setdefault(name, []).append(text)
    by_subnet = sorted(fleet, key=lambda tenant: (netaddr.IPNetwork(tenant.network.subnet), tenant.index))
    for before, after in zip(by_subnet, by_subnet[1:], strict=False):
        if before.network.subnet == after.network.subnet and before.index != after.index:
            subnet = after.network.subnet
            text = f"{after.name}: its subnet {subnet} is also {before.name}'s; remove or change tenant_subnet"
            for name in (before.name, after.name):
                found.setdefault(name, []).append(text)
    owners: dict[str, str] = {}
    for tenant in fleet:
        values = sorted((tenant.settings.get("tenant_secrets") or {}).values())
        copied = {owners[value] for value in values if owners.setdefault(value, tenant.name) != tenant.name}
        for owner in sorted(copied):
            found.setdefault(tenant.name, []).append(copied_secrets(tenant.name, owner))
    return found


def check_fleet(tenants: Iterable[Tenant]) -> None:
    """Raise TenantError for tenants that are valid, but conflict with each other."""
    if problems := dict.fromkeys(text for texts in conflicts(tenants).values() for text in texts):
        raise TenantError(tuple(problems))
