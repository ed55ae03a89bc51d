"""The command line of the operator."""

from __future__ import annotations

import importlib
import typing as t
from collections.abc import Collection, Mapping
from pathlib import Path

import click

from silo.cli import output
from silo.cli.context import Context
from silo.repository import root

# The groups of commands, in the order of --help: command to its module and its name there.
GROUPS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Set-up": {
        "init": ("init", "init"),
    },
    "Tenant lifecycle": {
        "create": ("create", "create"),
        "set": ("lifecycle", "change"),
        "stop": ("lifecycle", "stop"),
        "start": ("lifecycle", "start"),
        "delete": ("delete", "delete"),
        "undelete": ("delete", "undelete"),
        "trash": ("delete", "trash"),
        "purge": ("delete", "purge"),
        "names": ("names", "names"),
        "places": ("places", "places"),
    },
    "Customer access": {
        "reset-access": ("access", "reset_access"),
        "letters": ("access", "letters"),
    },
    "Apply": {
        "plan": ("lifecycle", "plan"),
        "apply": ("lifecycle", "apply"),
        "maintenance": ("maintenance", "maintenance"),
    },
    "Observe": {
        "list": ("list", "list_tenants"),
        "show": ("list", "show_tenant"),
        "log": ("log", "log"),
        "capacity": ("capacity", "capacity"),
        "stats": ("stats", "stats"),
        "top": ("stats", "top"),
        "report": ("report", "report"),
    },
    "Diagnose": {
        "check": ("check", "check"),
        "verify": ("verify", "verify"),
        "alerts": ("alerts", "alerts"),
    },
    "Controller": {
        "controller": ("controller", "controller"),
    },
    "Images": {
        "images": ("images", "show_images"),
    },
    "Billing": {
        "checkout": ("checkout", "checkout"),
        "dunning": ("dunning", "dunning"),
        "extend": ("dunning", "extend"),
        "reconcile": ("reconcile", "reconcile"),
        "billing": ("billing", "billing"),
        "serve": ("billing", "serve"),
    },
}
COMMANDS: Mapping[str, tuple[str, str]] = {name: place for group in GROUPS.values() for name, place in group.items()}

EPILOG = f"""{output.EXIT_CODES}

\b
Completion of commands, for bash:
  eval "$(_SILO_COMPLETE=bash_source silo)\""""


class Commands(output.Group):
    """The commands, each imported when it runs, because importing all of them takes as long as a short command."""

    def sections(self) -> Mapping[str, Collection[str]]:
        """Return the groups with the names of their commands."""
        return GROUPS

    def list_commands(self, _context: click.Context) -> list[str]:
        """Return their names."""
        return [*COMMANDS]  # not list(...): once imported, silo.cli.list is `list` here

    def get_command(self, _context: click.Context, name: str) -> click.Command | None:
        """Return a command, or None for an unknown name."""
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
    help="The folder with hosts.yml and host_vars; by default the demo's. [$SILO_INVENTORY, $ANSIBLE_INVENTORY]",
)
@click.option(
    "--author",
    envvar="SILO_AUTHOR",
    metavar="'NAME <ADDRESS>'",
    help="The author of commits, in place of git's own identity. [$SILO_AUTHOR]",
)
@click.option("--commit/--no-commit", default=True, help="Commit each edit, if the inventory is in a git work tree.")
@click.version_option(package_name="silo")
@click.pass_context
def main(click_context: click.Context, inventory: Path, author: str | None, commit: bool) -> None:
    """Private photo clouds, one for each customer.

    \b
    Examples:
      silo create hans 100 hans@email.ch
      silo stop hans --unpaid
      silo -i ~/silo-inventory list
    """
    click_context.obj = Context(inventory.resolve(), author, commit)
