"""silo capacity: the use of memory and storage, and how many more tenants fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

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
@output.json_option("An object with 'servers' and 'nas'; sizes in bytes. A server's 'disk' is null if it was not read.")
@click.pass_obj
def capacity(context: Context, count: int | None, as_json: bool) -> None:
    """Show the use of each server's memory and disk and each NAS's storage, and how many more tenants fit.

    With --tenants, it calculates the memory of a server with 128 GiB. It reads only the sizes of NAS and disks.
    """
    pools: Mapping[str, Pool] = {}
    reached: Mapping[str, Sequence[Pool]] = {}
    disks: Mapping[str, Pool] = {}
    offers: Mapping[str, Offer] = {"mission": Offer(default_memory(), 100 * GIB, 20 * GIB)}
    problems: Sequence[str] = ()
    if count is None:
        with tenant_service(context) as service:
            sizes = service.sizes()
            known, offers = service.inventory.outlook()
        budgets, problems = known.budgets, (*sizes.away.values(), *known.problems, *known.unread)
        pools = {nas: known.pool(nas, size_) for nas, size_ in sizes.nas.items()}
        disks = {server: known.disk(server, size_) for server, size_ in sizes.disks.items()}
        reached = {name: [pools[nas] for nas in known.storages(name) if nas in pools] for name in budgets}
    else:
        budgets = {"128 GiB": MemoryBudget(Server(), (default_memory(),) * count, bursts=(default_burst(),) * count)}
    if as_json:
        servers = [
            _server(name, budget, offers, reached.get(name, ()), disks.get(name)) for name, budget in budgets.items()
        ]
        output.as_json({"servers": servers, "nas": [{"name": name, **_pool(pool)} for name, pool in pools.items()]})
        output.incomplete(problems)
        return
    table = output.table("memory", *budgets)
    for label, values in _rows(list(budgets.values())):
        table.add_row(label, *values)
    for plan, offer in offers.items():
        label = f"room for {plan}: {size(offer.memory)}" + (f", {size(offer.quota)}" if pools else "")
        label += f", {size(offer.disk)}" if disks else ""
        room = (offer.room(budget, reached.get(name, ()), disks.get(name)) for name, budget in budgets.items())
        table.add_row(label, *(f"{fits} more" for fits in room))
    output.show(table)
    for heading, there in (("disk", disks), ("storage", pools)):
        if there:
            table = output.table(heading, *there)
            table.add_row("promised", *(f"{size(sum(pool.promised))} of {size(pool.size)}" for pool in there.values()))
            table.add_row("free", *(size(max(0, pool.free)) for pool in there.values()))
            output.show(table)
    # What is promised to them is in no sum.
    output.incomplete(problems)


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
    name: str, budget: MemoryBudget, offers: Mapping[str, Offer], pools: Sequence[Pool], disk: Pool | None
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
        "disk": _pool(disk) if disk else None,
        "room": {plan: offer.room(budget, pools, disk) for plan, offer in offers.items()},
    }


def _pool(pool: Pool) -> dict[str, object]:
    return {
        "size_bytes": pool.size,
        "promised_bytes": sum(pool.promised),
        "free_bytes": pool.free,
    }
