"""silo list and silo show: all tenants, or one of them."""

from __future__ import annotations

import dataclasses

import click
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import rough
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import FROZEN

from silo import fleet
from silo.cli import output
from silo.cli.context import Context
from silo.inventory import plans
from silo.inventory.errors import unknown_tenant


@click.command("list", cls=output.Command)
@output.json_option("An object with 'tenants'; sizes in bytes.")
@click.pass_obj
def list_tenants(context: Context, as_json: bool) -> None:
    """Show the desired and actual state of every tenant."""
    found = fleet.read(context.inventory)
    if as_json:
        output.as_json({"tenants": [dataclasses.asdict(tenant) for tenant in found.tenants]})
        output.incomplete(found.problems)
        return
    columns = ("tenant", "URL", "state", "server", "plan", "storage", "disk", "memory", "version", "certificate")
    table = output.table(*columns)
    for tenant in found.tenants:
        table.add_row(
            tenant.name,
            tenant.url,
            _state(tenant),
            tenant.server,
            f"{tenant.plan or ''}{', with exceptions' if tenant.exceptions else ''}",
            _share(tenant.used_bytes, tenant.quota_bytes),
            _share(tenant.disk_bytes, tenant.disk_limit_bytes),
            _share(tenant.memory_bytes, tenant.memory_limit_bytes),
            tenant.version,
            _certificate(tenant),
        )
    output.show(table)
    for tenant in found.tenants:
        if tenant.observed == FROZEN:
            output.line(_thaw(tenant))
    output.incomplete(found.problems)


@click.command("show", cls=output.Command)
@click.argument("customer")
@output.json_option("An object with the tenant as in 'list', and its 'settings'.")
@click.pass_obj
def show_tenant(context: Context, customer: str, as_json: bool) -> None:
    """Show everything about one tenant."""
    files = context.service().files
    every = fleet.read(context.inventory)
    # Orphans come last, so this is the tenant itself, not its remains on another server.
    found = next((tenant for tenant in every.tenants if tenant.name == customer), None)
    if found is None:
        raise unknown_tenant(customer, (tenant.name for tenant in every.tenants))
    problems = [*every.missing_of(found), *([found.problem] if found.problem else [])]
    tenant = dataclasses.asdict(found)
    document = files.document(customer) if not found.problem else None
    written = dict(document.settings) if document else {}
    if as_json:
        output.as_json({**tenant, "settings": written})
        output.incomplete(problems)
        return
    table = output.table("", customer)
    for key, value in tenant.items():
        plain = "" if value is None else rough(value) if key.endswith("_bytes") else str(value)
        plain = {"True": "yes", "False": "no"}.get(plain, plain)
        if key == "exceptions":
            plain = "; ".join(map(plans.shown, value))
        table.add_row(key.removesuffix("_bytes").replace("_", " "), plain)
    for key, value in written.items():
        table.add_row(key, str(value))
    output.show(table)
    if found.observed == FROZEN:
        output.line(_thaw(found))
    output.incomplete(problems)


def _share(used: int | None, limit: int | None) -> str:
    """Return how much of a limit is used, as far as that is known."""
    known = [rough(size) for size in (used, limit) if size is not None]
    return " of ".join(known if used is not None else ["?", *known])


def _thaw(tenant: fleet.TenantStatus) -> str:
    """Return what to do with a tenant that an operator has frozen."""
    return (
        f"{tenant.name} is frozen: its containers on {tenant.server} are paused, and an apply leaves it alone. 'docker "
        f"compose unpause' in its directory there lets it run on, 'silo stop {tenant.name}' ends it."
    )


def _certificate(tenant: fleet.TenantStatus) -> str:
    if not tenant.certificate_issuer:
        return "none"
    return f"to {tenant.certificate_until}" if tenant.certificate_trusted else "not trusted"


def _state(tenant: fleet.TenantStatus) -> str:
    """Return what a tenant is, why, and what it should be where that is something else."""
    why = f" ({tenant.reason.replace('_', ' ')})" if tenant.reason else ""
    # A suspended tenant's containers are stopped, as they should be.
    if tenant.desired == "suspended" and tenant.observed in ("stopped", "absent"):
        return f"suspended{why}"
    if tenant.observed == tenant.desired:
        return f"{tenant.observed}{why}"
    return f"{tenant.observed}, {_wish(tenant)}{why}"


def _wish(tenant: fleet.TenantStatus) -> str:
    if tenant.problem and not tenant.desired:
        return "its settings are wrong"
    return f"should be {tenant.desired}" if tenant.desired else "orphan: not in the inventory there"
