"""silo capacity: the use of memory and storage, and how many more tenants fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import click
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import size

from silo.admission import Pool
from silo.capacity import GIB, MemoryBudget, Server
from silo.cli import output
from silo.cli.context import Context, tenant_service
from silo.inventory import Offer
from silo.tenant.services import default_burst, default_memory


@click.command(cls=output.Command)
@click.option(
    "--tenants", "count", type=click.IntRange(0), help="Calculate for this many tenants with the default limits."
)
@output.json_option("An object with 'servers' and 'nas'; sizes in bytes.")
@click.pass_obj
def capacity(context: Context, count: int | None, as_json: bool) -> None:
    """Show the use of each server's memory and each NAS's storage, and how many more tenants fit.

    With --tenants, it calculates the memory of a server with 128 GiB. It reads only the sizes of the NAS.
    """
    pools: Mapping[str, Pool] = {}
    offers: Mapping[str, Offer] = {"mission": Offer(default_memory(), 100 * GIB)}
    if count is None:
        with tenant_service(context) as service:
            sizes = service.nas_sizes()
            known, offers = service.inventory.outlook()
        budgets = known.ledgers
        pools = {nas: known.pool(nas, size_) for nas, size_ in sizes.items()}
    else:
        budgets = {"128 GiB": MemoryBudget(Server(), (default_memory(),) * count, bursts=(default_burst(),) * count)}
    if as_json:
        servers = [_server(name, budget, offers, pools) for name, budget in budgets.items()]
        output.as_json({"servers": servers, "nas": [_nas(name, pool) for name, pool in pools.items()]})
        return
    table = output.table("memory", *budgets)
    for label, values in _rows(list(budgets.values())):
        table.add_row(label, *values)
    for plan, offer in offers.items():
        label = f"room for {plan}: {size(offer.memory)}" + (f", {size(offer.quota)}" if pools else "")
        table.add_row(label, *(f"{offer.room(budget, pools.values())} more" for budget in budgets.values()))
    output.show(table)
    if pools:
        table = output.table("storage", *pools)
        table.add_row("promised", *(f"{size(sum(pool.promised))} of {size(pool.size)}" for pool in pools.values()))
        table.add_row("free", *(size(max(0, pool.free)) for pool in pools.values()))
        output.show(table)


def _rows(budgets: list[MemoryBudget]) -> list[tuple[str, list[str]]]:
    return [
        ("machine learning", [size(budget.server.machine_learning) for budget in budgets]),
        ("Traefik", [size(budget.server.traefik) for budget in budgets]),
        ("tenants", [f"{len(budget.tenants)} with {size(sum(budget.tenants))}" for budget in budgets]),
        ("reserve for the system", [size(budget.server.reserve) for budget in budgets]),
        ("promised", [f"{size(budget.promised)} of {size(budget.server.total)}" for budget in budgets]),
        ("free", [size(max(0, budget.free)) for budget in budgets]),
        ("for cache and burst", [size(budget.burst) for budget in budgets]),
        ("burst of all tenants", [_burst(budget) for budget in budgets]),
        ("for a template, once", [_template(budget) for budget in budgets]),
    ]


def _burst(budget: MemoryBudget) -> str:
    wanted = sum(budget.bursts)
    return size(wanted) if wanted <= budget.burst else f"{size(wanted)}, not all at once"


def _template(budget: MemoryBudget) -> str:
    wanted = size(budget.server.template)
    return wanted if budget.server.template <= budget.burst else f"{wanted}, which is not left"


def _server(
    name: str, budget: MemoryBudget, offers: Mapping[str, Offer], pools: Mapping[str, Pool]
) -> dict[str, object]:
    return {
        "name": name,
        **{f"{key}_bytes": value for key, value in dataclasses.asdict(budget.server).items()},
        "tenants": len(budget.tenants),
        "tenants_bytes": sum(budget.tenants),
        "promised_bytes": budget.promised,
        "free_bytes": budget.free,
        "burst_bytes": budget.burst,
        "tenants_burst_bytes": sum(budget.bursts),
        "room": {plan: offer.room(budget, pools.values()) for plan, offer in offers.items()},
    }


def _nas(name: str, pool: Pool) -> dict[str, object]:
    return {
        "name": name,
        "size_bytes": pool.size,
        "promised_bytes": sum(pool.promised),
        "free_bytes": pool.free,
    }
