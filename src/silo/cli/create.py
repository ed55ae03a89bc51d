"""silo create: a tenant for a new customer."""

from __future__ import annotations

import dataclasses
import typing as t

import click

from silo.cli import output
from silo.cli.access import report_access
from silo.cli.context import Context, changing, limits, show, tenant_service, verified
from silo.diagnostics import engine, preflight
from silo.inventory import HostAwayError, Sizes
from silo.tenants import TenantService

REFUSED = "Preflight checks failed; nothing was created. Use --no-check to skip them."


@click.command(cls=output.Command)
@click.argument("customer")
@click.argument("quota", metavar="[GB]")
@click.argument("email", required=False)
@click.option("--server", metavar="HOST", help="The server; by default the one with the most memory left.")
@limits
@click.option("--no-check", is_flag=True, help="Skip the preflight checks of DNS, NAS and servers.")
@verified
@changing
@click.pass_obj
def create(
    context: Context,
    /,
    customer: str,
    quota: str,
    email: str | None,
    no_check: bool,
    no_verify: bool,
    yes: bool,
    dry_run: bool,
    **settings: str | None,
) -> None:
    """Create a customer's photo cloud, and send the customer a one-time login link.

    The same command again completes a creation that was cut off. GB is the quota in GB (in powers of 1024), or a size
    such as 1T. With --plan, the plan says it.

    \b
    Examples:
      silo create hans 100 hans@email.ch
      silo create hans hans@email.ch --plan medium
      silo create marie 1T marie@email.ch --language fr --server silo2
    """
    if email is None:
        # Two words are a name and an address: the plan has the quota.
        if settings["plan"] is None:
            raise click.UsageError(f"{customer} needs a quota in GB before the address, or --plan")
        given: dict[str, t.Any] = settings
        email = quota
    else:
        given = {**settings, "quota": f"{quota}G" if quota.isdecimal() else quota}
    with tenant_service(context, verify=not no_verify, runs=1 if no_check else 2) as service:
        checked = not no_check and not dry_run
        if checked and not service.is_begun(customer, email=email, **given):
            # Wrong input is reported at once, before any machine is read.
            service.check_new(customer, email=email, **given)
        with service.inventory.ahead():
            sizes = _preflight(service) if checked else None
            try:
                change = service.create(customer, email=email, sizes=sizes, dry_run=dry_run, **given)
            except HostAwayError as error:
                raise output.Failure(f"{error}\n{REFUSED}" if sizes else str(error)) from error
        if dry_run:
            show(change)
            return
        server = (change.after or {}).get("tenant_server", "its server")
        output.line(f"{customer} runs at https://{customer}.{service.policy.domain} on {server}.")
        report_access(service, customer)


def _preflight(service: TenantService) -> Sizes:
    """Run the preflight checks and return the sizes of NAS and disks; raises output.Failure where one fails.

    A check of one machine of several keeps nobody from the others.
    """
    relay = service.outbox.settings if service.outbox else None
    found = preflight.run(service.path, relay)
    output.findings(finding for finding in found.findings if not finding.ok)
    failed = engine.failed("preflight", found.findings)
    if any(finding.subject not in found.machines for finding in failed):
        raise output.Failure(REFUSED)
    hosts = dict.fromkeys(finding.subject for finding in failed)
    return dataclasses.replace(found.sizes, away={host: f"{host} fails its checks." for host in hosts})
