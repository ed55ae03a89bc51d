"""The command line of the operator."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Table

from silo import fleet, runner
from silo.capacity import GIB, Ledger, Server

MIB = 1024**2
LINE = 140
# A tenant of the mission: 1 GiB photo server, 1 GiB Postgres, 0.5 GiB Valkey.
TENANT = 5 * GIB // 2


def size(number: int) -> str:
    """Return a size in bytes for people: 100 GiB, 1 TiB, 512 MiB."""
    for unit, name in ((1024 * GIB, "TiB"), (GIB, "GiB"), (MIB, "MiB"), (1024, "KiB")):
        if number >= unit:
            return f"{number / unit:.4g} {name}"
    return f"{number} B"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-i",
    "--inventory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=runner.ROOT / "inventory" / "demo",
    envvar="SILO_INVENTORY",
    help="The folder with hosts.yml and host_vars; the demo's where none is given.",
)
@click.version_option(package_name="silo")
@click.pass_context
def main(context: click.Context, inventory: Path) -> None:
    """Private photo clouds, one for each customer."""
    context.obj = inventory.resolve()


@main.command("list")
@click.option("--json", "as_json", is_flag=True, help="An object with 'tenants'; sizes in bytes.")
@click.pass_obj
def list_tenants(inventory: Path, as_json: bool) -> None:
    """Show every tenant: what it should be, and how it is."""
    tenants = _read(inventory).tenants
    if as_json:
        click.echo(json.dumps({"tenants": [dataclasses.asdict(tenant) for tenant in tenants]}, indent=2))
        return
    table = _table("tenant", "URL", "state", "certificate from", "storage", "memory")
    for tenant in tenants:
        issuer = tenant.certificate_issuer or "nobody"
        table.add_row(
            tenant.name,
            tenant.url,
            tenant.observed if tenant.observed == tenant.desired else f"{tenant.observed}, {_wish(tenant)}",
            issuer if tenant.certificate_trusted else f"{issuer}, not trusted",
            f"{size(tenant.used_bytes)} of {size(tenant.quota_bytes)}",
            f"{size(tenant.memory_bytes)} of {size(tenant.memory_limit_bytes)}",
        )
    _print(table)


def _wish(tenant: fleet.Tenant) -> str:
    return f"should be {tenant.desired}" if tenant.desired else "in no inventory"


@main.command()
@click.option("--tenants", "count", type=click.IntRange(0), help="What if there were this many tenants of 2.5 GiB?")
@click.option("--json", "as_json", is_flag=True, help="An object with 'servers'; sizes in bytes.")
@click.pass_obj
def capacity(inventory: Path, count: int | None, as_json: bool) -> None:
    """Show where the memory of each server goes; with --tenants, that of the mission's server of 128 GiB."""
    ledgers = {"128 GiB": Ledger(Server(), (TENANT,) * count)} if count is not None else dict(_read(inventory).ledgers)
    if as_json:
        servers = [_as_json(name, ledger) for name, ledger in ledgers.items()]
        click.echo(json.dumps({"servers": servers}, indent=2))
        return
    table = _table("memory", *ledgers)
    for label, values in _rows(list(ledgers.values())):
        table.add_row(label, *values)
    _print(table)


def _rows(ledgers: list[Ledger]) -> list[tuple[str, list[str]]]:
    return [
        ("machine learning", [size(ledger.server.machine_learning) for ledger in ledgers]),
        ("Traefik", [size(ledger.server.traefik) for ledger in ledgers]),
        ("tenants", [f"{len(ledger.tenants)} with {size(sum(ledger.tenants))}" for ledger in ledgers]),
        ("reserve for the system", [size(ledger.server.reserve) for ledger in ledgers]),
        ("promised", [f"{size(ledger.promised)} of {size(ledger.server.total)}" for ledger in ledgers]),
        ("free", [size(max(0, ledger.free)) for ledger in ledgers]),
        (f"room for, of {size(TENANT)}", [f"{ledger.room_for(TENANT)} more" for ledger in ledgers]),
    ]


def _as_json(name: str, ledger: Ledger) -> dict[str, object]:
    return {
        "name": name,
        **{f"{key}_bytes": value for key, value in dataclasses.asdict(ledger.server).items()},
        "tenants": len(ledger.tenants),
        "tenants_bytes": sum(ledger.tenants),
        "promised_bytes": ledger.promised,
        "free_bytes": ledger.free,
    }


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _print(table: Table) -> None:
    # A line stays a line, also where it is longer than the terminal: it can be read on and searched.
    Console(width=max(Console().width, LINE)).print(table)


def _read(inventory: Path) -> fleet.Fleet:
    try:
        return fleet.read(inventory)
    except runner.RunError as error:
        raise click.ClickException(str(error)) from error
