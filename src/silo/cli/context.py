"""The options of silo, and options that its commands share."""

from __future__ import annotations

import contextlib
import dataclasses
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from silo.ansible import runner
from silo.cli import output
from silo.cli.progress import Progress
from silo.inventory import Change, InventoryError, examination
from silo.tenant.schema import PREFIX, defaults, options
from silo.tenant.services import memory_settings
from silo.tenants import TenantService

Command = Callable[..., t.Any]


@dataclasses.dataclass(frozen=True)
class Context:
    """The inventory of a call, and the author of its commits."""

    path: Path
    author: str | None
    commit: bool

    @property
    def folder(self) -> Path:
        """The inventory's folder, whatever is in it; raises InventoryError where there is none."""
        if not self.path.is_dir():
            raise InventoryError(
                f"There is no inventory folder at {self.path}. `make demo` creates that of the demo; "
                "name your own with -i."
            )
        return self.path

    @property
    def inventory(self) -> Path:
        """The inventory's folder; raises InventoryError where there is none, or none that can be read."""
        # Ansible would say it in twenty lines, and blame another file.
        if unread := examination.examine(self.folder, follow=True).unreadable:
            raise InventoryError(unread)
        return self.path

    def service(self, *, verify: bool = False) -> TenantService:
        """Open the inventory; raises InventoryError where it is none. `verify` is that of TenantService."""
        return TenantService(self.inventory, author=self.author, commit=self.commit, notify=_note, verify=verify)


def _note(text: str) -> None:
    output.line(f"Note: {text}", err=True)


@contextlib.contextmanager
def tenant_service(
    context: Context, *, verify: bool = False, runs: int = 1, rehearses: bool = False
) -> Iterator[TenantService]:
    """Give a service whose runs show their progress; what tasks took is remembered for the next time.

    With `verify`, the findings on changed tenants that are not as the inventory says are printed, and are a failure.
    `runs` is how many runs of Ansible are to be expected; those of a command that `rehearses` change nothing.
    """
    service = context.service(verify=verify)
    progress = Progress(service.state.durations(), rehearses=rehearses)
    service.observe(progress, progress.wait)
    try:
        with runner.ahead(runs):
            yield service
    finally:
        progress.close()
        service.state.keep_durations(progress.seconds)
    if service.broken:
        output.findings(service.broken)
        raise output.Failure("Applied, but verification failed; run 'silo verify'.")


def changing(command: Command) -> Command:
    """Add the options of everything that changes something."""
    command = click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")(command)
    return click.option("-n", "--dry-run", is_flag=True, help="Show what would change, and change nothing.")(command)


def verified(command: Command) -> Command:
    """Add the option that skips the verification afterwards."""
    text = "Skip the verification of the changed tenants."
    return click.option("--no-verify", is_flag=True, help=text)(command)


def limits(command: Command) -> Command:
    """Add the options that are settings of a tenant."""
    for setting in reversed(memory_settings()):
        text = f"{options()[setting]['description'].partition(',')[0].rstrip('.')}, such as {defaults()[setting]}."
        flag = f"--{setting.removeprefix(PREFIX).replace('_', '-')}"
        command = click.option(flag, metavar="SIZE", help=text)(command)
    for name, meta, text in (
        ("--nas", "HOST", "The NAS, if the inventory has several."),
        ("--language", "LANG", "de, fr, it or en: the customer's language."),
        ("--plan", "PLAN", "The plan; its values are in group_vars/plan_<plan>.yml."),
    ):
        command = click.option(name, metavar=meta, help=text)(command)
    return command


def agree(yes: bool, question: str) -> None:
    """Ask for confirmation, and end the command without it; `yes` skips the question."""
    if not yes:
        output.confirm(question)


def show(change: Change) -> None:
    """Print what an edit changes."""
    output.lines(change.diff_text or f"{change.name}: nothing to change in the inventory.")
