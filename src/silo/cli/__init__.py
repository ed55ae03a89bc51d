"""The command line of the operator."""

from __future__ import annotations

from pathlib import Path

import click

from silo import runner
from silo.cli import accounting, alerting, changing, output, paying, reading, serving, supplying, using, verifying

EPILOG = f"""{output.EXIT_CODES}

\b
Completion of commands, for bash:
  eval "$(_SILO_COMPLETE=bash_source silo)\""""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.option(
    "-i",
    "--inventory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=runner.ROOT / "inventory" / "demo",
    envvar=["SILO_INVENTORY", "ANSIBLE_INVENTORY"],
    help="The folder with hosts.yml and host_vars; else the demo's. [$SILO_INVENTORY, $ANSIBLE_INVENTORY]",
)
@click.option(
    "--author",
    envvar="SILO_AUTHOR",
    metavar="'NAME <ADDRESS>'",
    help="Signs the commits in place of git's own identity. [$SILO_AUTHOR]",
)
@click.option("--commit/--no-commit", default=True, help="Commit each edit, where the inventory is in a git work tree.")
@click.version_option(package_name="silo")
@click.pass_context
def main(context: click.Context, inventory: Path, author: str | None, commit: bool) -> None:
    """Private photo clouds, one for each customer.

    \b
    Examples:
      silo create hans 100 hans@email.ch
      silo stop hans --unpaid
      silo -i inventory/production list
    """
    context.obj = changing.Call(inventory.resolve(), author, commit)


for command in (
    changing.create,
    changing.stop,
    changing.start,
    changing.change,
    changing.delete,
    changing.undelete,
    changing.purge,
    changing.reset_access,
    changing.letters,
    changing.apply,
    changing.plan,
    reading.list_tenants,
    reading.show_tenant,
    reading.capacity,
    using.stats,
    using.top,
    accounting.report,
    alerting.alerts,
    reading.check,
    verifying.verify,
    supplying.show_images,
    paying.extend,
    paying.dunning,
    paying.reconcile,
    serving.serve,
    serving.billing,
):
    main.add_command(command)
