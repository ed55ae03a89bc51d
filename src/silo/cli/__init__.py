"""The command line of the operator."""

from __future__ import annotations

import importlib
import typing as t
from collections.abc import Mapping
from pathlib import Path

import click

from silo.cli.context import Call
from silo.cli.output import EXIT_CODES
from silo.repository import root

# In the order in which they are shown: the command, its module and its name there.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "create": ("create", "create"),
    "stop": ("lifecycle", "stop"),
    "start": ("lifecycle", "start"),
    "set": ("lifecycle", "change"),
    "delete": ("delete", "delete"),
    "undelete": ("delete", "undelete"),
    "purge": ("delete", "purge"),
    "reset-access": ("create", "reset_access"),
    "letters": ("create", "letters"),
    "apply": ("lifecycle", "apply"),
    "plan": ("lifecycle", "plan"),
    "list": ("list", "list_tenants"),
    "show": ("list", "show_tenant"),
    "capacity": ("list", "capacity"),
    "stats": ("stats", "stats"),
    "top": ("stats", "top"),
    "report": ("report", "report"),
    "alerts": ("alerts", "alerts"),
    "check": ("list", "check"),
    "verify": ("verify", "verify"),
    "images": ("images", "show_images"),
    "extend": ("dunning", "extend"),
    "dunning": ("dunning", "dunning"),
    "reconcile": ("dunning", "reconcile"),
    "serve": ("billing", "serve"),
    "billing": ("billing", "billing"),
}

EPILOG = f"""{EXIT_CODES}

\b
Completion of commands, for bash:
  eval "$(_SILO_COMPLETE=bash_source silo)\""""


class Commands(click.Group):
    """The commands, each read when it is called: together they take as long to read as a short one to run."""

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return their names."""
        return [*COMMANDS]  # silo.cli.list hides the built-in of this name

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Return a command, or None where there is none of this name."""
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name]
        return t.cast("click.Command", getattr(importlib.import_module(f"silo.cli.{module}"), attribute))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@click.option(
    "-i",
    "--inventory",
    type=click.Path(path_type=Path),
    default=lambda: root() / ".lab" / "inventory",
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
    context.obj = Call(inventory.resolve(), author, commit)
