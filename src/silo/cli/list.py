"""The commands that only read: tenants, servers, and whether both can be relied on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import click
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import rough, size

from silo import fleet
from silo.admission import Pool
from silo.capacity import GIB, MemoryBudget, Server
from silo.cli import output
from silo.cli.context import Call, operator
from silo.diagnostics import preflight
from silo.inventory import InventoryError, Offer
from silo.tenant.services import default_memory


@click.command("list", cls=output.Command)
@output.json_option("An object with 'tenants'; sizes in bytes.")
@click.pass_obj
def list_tenants(call: Call, as_json: bool) -> None:
    """Show every tenant: what it should be, and how it is."""
    tenants = fleet.read(call.inventory)
    if as_json:
        output.as_json({"tenants": [dataclasses.asdict(tenant) for tenant in tenants]})
        return
    table = output.table("tenant", "URL", "state", "server", "plan", "storage", "memory", "version", "certificate")
    for tenant in tenants:
        table.add_row(
            tenant.name,
            tenant.url,
            tenant.observed if tenant.observed == tenant.desired else f"{tenant.observed}, {_wish(tenant)}",
            tenant.server,
            tenant.plan or "",
            f"{rough(tenant.used_bytes)} of {rough(tenant.quota_bytes)}",
            f"{rough(tenant.memory_bytes)} of {rough(tenant.memory_limit_bytes)}",
            tenant.version,
            _certificate(tenant),
        )
    output.show(table)


@click.command("show", cls=output.Command)
@click.argument("customer")
@output.json_option("An object with all that 'list' knows of the tenant, and its 'settings'.")
@click.pass_obj
def show_tenant(call: Call, customer: str, as_json: bool) -> None:
    """Show all that is known of one tenant."""
    settings = call.edits().inventory.tenants()
    tenants = fleet.read(call.inventory)
    # Orphans come last: the tenant itself is shown, and not what is left of it on another server.
    found = next((tenant for tenant in tenants if tenant.name == customer), None)
    if found is None:
        there = ", ".join(tenant.name for tenant in tenants) or "none yet"
        raise InventoryError(f"tenant {customer!r}: there is none of this name; there are {there}")
    tenant = dataclasses.asdict(found)
    written = dict(settings[customer].settings) if customer in settings else {}
    if as_json:
        output.as_json({**tenant, "settings": written})
        return
    table = output.table("", customer)
    for key, value in tenant.items():
        plain = rough(value) if key.endswith("_bytes") else "" if value is None else str(value)
        table.add_row(key.removesuffix("_bytes").replace("_", " "), plain)
    for key, value in written.items():
        table.add_row(key, str(value))
    output.show(table)


def _certificate(tenant: fleet.TenantStatus) -> str:
    if not tenant.certificate_issuer:
        return "none"
    return f"to {tenant.certificate_until}" if tenant.certificate_trusted else "not trusted"


def _wish(tenant: fleet.TenantStatus) -> str:
    return f"should be {tenant.desired}" if tenant.desired else "orphan: not in the inventory there"


@click.command(cls=output.Command)
@click.option(
    "--tenants", "count", type=click.IntRange(0), help="What if there were this many tenants with the default limits?"
)
@output.json_option("An object with 'servers' and 'nas'; sizes in bytes.")
@click.pass_obj
def capacity(call: Call, count: int | None, as_json: bool) -> None:
    """Show where the memory of each server and the disk of each NAS goes, and how many more tenants fit.

    With --tenants, it is the memory of the mission's server, of 128 GiB. Nothing but a NAS is asked for its size.
    """
    pools: Mapping[str, Pool] = {}
    offers: Mapping[str, Offer] = {"mission": Offer(default_memory(), 100 * GIB)}
    if count is None:
        with operator(call) as one:
            sizes = one.pools()
            known, offers = one.edits.inventory.outlook()
        ledgers = known.ledgers
        pools = {nas: known.pool(nas, size_) for nas, size_ in sizes.items()}
    else:
        ledgers = {"128 GiB": MemoryBudget(Server(), (default_memory(),) * count)}
    if as_json:
        servers = [_server(name, ledger, offers, pools) for name, ledger in ledgers.items()]
        output.as_json({"servers": servers, "nas": [_nas(name, pool) for name, pool in pools.items()]})
        return
    table = output.table("memory", *ledgers)
    for label, values in _rows(list(ledgers.values())):
        table.add_row(label, *values)
    for plan, offer in offers.items():
        label = f"room for {plan}: {size(offer.memory)}" + (f", {size(offer.quota)}" if pools else "")
        table.add_row(label, *(f"{offer.room(ledger, pools.values())} more" for ledger in ledgers.values()))
    output.show(table)
    if pools:
        table = output.table("storage", *pools)
        table.add_row("promised", *(f"{size(sum(pool.promised))} of {size(pool.size)}" for pool in pools.values()))
        table.add_row("free", *(size(max(0, pool.free)) for pool in pools.values()))
        output.show(table)


def _rows(ledgers: list[MemoryBudget]) -> list[tuple[str, list[str]]]:
    return [
        ("machine learning", [size(ledger.server.machine_learning) for ledger in ledgers]),
        ("Traefik", [size(ledger.server.traefik) for ledger in ledgers]),
        ("tenants", [f"{len(ledger.tenants)} with {size(sum(ledger.tenants))}" for ledger in ledgers]),
        ("reserve for the system", [size(ledger.server.reserve) for ledger in ledgers]),
        ("promised", [f"{size(ledger.promised)} of {size(ledger.server.total)}" for ledger in ledgers]),
        ("free", [size(max(0, ledger.free)) for ledger in ledgers]),
    ]


def _server(
    name: str, ledger: MemoryBudget, offers: Mapping[str, Offer], pools: Mapping[str, Pool]
) -> dict[str, object]:
    return {
        "name": name,
        **{f"{key}_bytes": value for key, value in dataclasses.asdict(ledger.server).items()},
        "tenants": len(ledger.tenants),
        "tenants_bytes": sum(ledger.tenants),
        "promised_bytes": ledger.promised,
        "free_bytes": ledger.free,
        "room": {plan: offer.room(ledger, pools.values()) for plan, offer in offers.items()},
    }


def _nas(name: str, pool: Pool) -> dict[str, object]:
    return {
        "name": name,
        "size_bytes": pool.size,
        "promised_bytes": sum(pool.promised),
        "free_bytes": pool.free,
    }


@click.command(cls=output.Command)
@output.json_option("An object with 'findings': id, subject, state, message, fix, expected and seen of each.")
@click.pass_obj
def check(call: Call, as_json: bool) -> None:
    """Check DNS, HTTP ports, servers, storage, clocks, mail and secrets, and say what to do.

    Nothing is changed. Ends with 1 where something is wrong.
    """
    outbox = call.edits().outbox
    findings = preflight.run(call.inventory, outbox.settings if outbox else None).findings
    output.report("preflight", findings, as_json)
