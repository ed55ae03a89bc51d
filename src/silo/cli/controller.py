"""silo controller: keys, backup and restore of the controller, and vaults made again."""

from __future__ import annotations

import collections
import dataclasses
import sys
import typing as t
from collections.abc import Sequence
from pathlib import Path

import click
from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import rough

from silo.cli import output
from silo.cli.billing import inbox_option
from silo.cli.context import Context, agree

if t.TYPE_CHECKING:
    from silo.controller import archive, keys

FILE = click.Path(dir_okay=False, path_type=Path)


@click.group(cls=output.Group)
def controller() -> None:
    """Back up this machine, restore it on another one, and make lost vaults again."""


def key_option(command: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """Add the option that names the file of the key with which backups are opened."""
    text = "The file of the key that opens it; without it, silo asks for the key. [$SILO_BACKUP_KEY_FILE]"
    return click.option("--key", type=FILE, envvar="SILO_BACKUP_KEY_FILE", help=text)(command)


@controller.command(cls=output.Command)
@click.argument("file", type=FILE)
@click.pass_obj
def key(context: Context, file: Path) -> None:
    """Make the key that opens backups, and let this controller encrypt for it.

    Store FILE away from this machine: without it, nobody can open a backup, and a backup is no use to a thief. The
    controller keeps only the recipient, which can encrypt and not decrypt.

    \b
    Example:
      silo controller key ~/silo-backup-key
    """
    from silo.controller import keys

    recipient = keys.make(file.expanduser(), context.folder)
    output.line(f"Backups of this controller are encrypted for {recipient} from now on.")
    output.line(f"Store {file} away from this machine, then remove it here: without it, nobody opens a backup.")


@controller.command(cls=output.Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--keep",
    type=click.IntRange(1, 10_000),
    help="In a folder, keep this many of the newest backups, and remove the others.",
)
@click.option("--also", type=FILE, multiple=True, help="A further file to back up; repeatable.")
@click.option("--list", "-l", "only_list", is_flag=True, help="Show what is in the backup FILE, and make none.")
@key_option
@inbox_option
@click.pass_obj
def backup(
    context: Context,
    /,
    file: Path,
    keep: int | None,
    also: tuple[Path, ...],
    only_list: bool,
    key: Path | None,
    inbox: Path,
) -> None:
    """Back up everything that makes this machine the controller into one encrypted file, and test that it opens.

    That is the inventory with its git history, vaults, outbox and billing's state; the vault password, Stripe's keys
    and the relay's password; the known hosts and keys of SSH, also one that the inventory names elsewhere; and the
    events of Stripe. FILE may be a folder, in which the file gets a name with the domain and the time; --keep counts
    those of this domain. A timer may run it.

    \b
    Examples:
      silo controller backup /mnt/backup --keep 30
      silo controller backup --list /mnt/backup/silo-controller-swissphoto.ch-20261201T034500Z.age
    """
    from silo.controller import backup as backups

    if only_list:
        from silo.controller import restore as restores

        _show(restores.open_backup(file, _identities(key)))
        return
    named = _named(context)
    made_of = backups.of(context.folder, [*named.files, *also], inbox, named.domain, named.problems)
    done = backups.write(made_of, file, keep)
    entries = done.backup.entries
    output.line(f"{done.path}: {_count(entries)}, {rough(done.size_bytes)}; it was opened again, and is whole.")
    for old in done.removed:
        output.line(f"Removed the older {old.name}.")
    if problems := done.backup.manifest.problems:
        raise output.Failure("\n".join(("The backup is not complete:", *problems)))


@dataclasses.dataclass(frozen=True)
class _Named:
    """What the inventory says of a backup: its domain, the files it names, and why some are unknown."""

    domain: str = ""
    files: Sequence[Path] = ()
    problems: Sequence[str] = ()


def _named(context: Context) -> _Named:
    """Ask the inventory for the file of the relay's password and the keys of SSH; a broken one is a problem."""
    from silo.controller import backup as backups
    from silo.controller import connections
    from silo.inventory import InventoryError
    from silo.notifications import LetterError, MailSettings
    from silo.notifications.settings import VARIABLES

    home, domain = backups.home_of(context.folder), ""
    files: list[Path] = []
    problems: list[str] = []
    try:
        service = context.service()
        domain, letters = service.policy.domain, service.policy.letters
        settings = MailSettings.of(letters, service.state.outbox)
        if settings and settings.password_file:
            files.append(connections.expanded(str(letters[VARIABLES["password_file"]]), home))
    except (InventoryError, LetterError) as error:
        problems.append(_unknown("a file with the relay's password", error))
    try:
        found, wrong = connections.keys(context.inventory, home)
        files, problems = [*files, *found], [*problems, *wrong]
    except InventoryError as error:
        problems.append(_unknown("a key of SSH outside of ~/.ssh", error))
    return _Named(domain, files, problems)


def _unknown(what: str, error: Exception) -> str:
    return f"whether there is {what} is unknown, name it with --also: {' '.join(str(error).split())}"


@controller.command(cls=output.Command)
@click.argument("file", type=FILE)
@key_option
@click.option("--to", "into", type=click.Path(file_okay=False, path_type=Path), help="Restore below this folder.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be restored, and change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
def restore(file: Path, key: Path | None, into: Path | None, dry_run: bool, yes: bool) -> None:
    """Restore the controller from a backup on a fresh machine, to the paths that it had.

    Replaces nothing: if a file exists and differs, it restores nothing. The next restore completes an interrupted one.
    Root also restores the files of other users.

    \b
    Example:
      silo controller restore silo-controller-swissphoto.ch-20261201T034500Z.age --key silo-backup-key
    """
    from silo.controller import restore as restores

    found = restores.open_backup(file, _identities(key))
    planned = restores.plan(found, into)
    manifest = found.manifest
    output.line(f"The controller {manifest.host} at {manifest.at}, silo {manifest.version} ({manifest.commit[:12]}).")
    for step in planned.steps if dry_run else ():
        output.line(f"  {step.path}{' (lines are added)' if step.is_merged else ''}")
    there = planned.total - len(planned.steps)
    output.line(f"{len(planned.steps)} of {planned.total} would be restored; {there} are there already.")
    for problem in manifest.problems:
        output.line(f"Not in it: {problem}", err=True)
    if dry_run:
        return
    if planned.steps:
        outside = f", and {', '.join(map(str, planned.outside))}" if planned.outside else ""
        places = planned.places
        agree(yes, f"They go to {places['inventory']}, {places['home']}{outside}. Continue?")
        restores.carry_out(planned)
    output.line("The controller is restored. Next:")
    for command in restores.next_steps(found, planned):
        output.line(f"  {command}")


@controller.command("rebuild-vault", cls=output.Command)
@click.argument("customers", nargs=-1, required=True, metavar="CUSTOMER...")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
def rebuild_vault(context: Context, customers: tuple[str, ...], yes: bool) -> None:
    """Make a lost vault.yml again, from the passwords that the tenant's server has.

    First moves a vault.yml that the vault password does not open into .silo/lost-vaults of the inventory.
    Afterwards 'silo plan' shows no difference.

    \b
    Example:
      silo controller rebuild-vault hans maria
    """
    from silo.controller import vaults

    service = context.service()
    for name in customers:
        service.files.existing(name)
    agree(yes, f"The passwords of {', '.join(customers)} are read on their servers. Continue?")
    with service.state.turn():
        moved = vaults.rebuild(context.inventory, service.state, customers)
    for path in moved:
        output.line(f"Put away, as nobody can open it: {path}")
    output.line(f"Made again: the vault of {', '.join(customers)}. 'silo plan' shows whether anything differs.")


def _identities(key: Path | None) -> Sequence[keys.Identity]:
    from silo.controller import keys

    if key is not None:
        return keys.read_identities(key.expanduser())
    if not sys.stdin.isatty():
        raise output.WrongInput("name the file of the key with --key, or in SILO_BACKUP_KEY_FILE")
    return keys.identities(output.prompt("The key of the backup (AGE-SECRET-KEY-1...)", hidden=True))


def _show(found: archive.Backup) -> None:
    manifest = found.manifest
    output.line(f"The controller {manifest.host} at {manifest.at}, silo {manifest.version} ({manifest.commit[:12]}).")
    table = output.table("file", "from", "mode", "size")
    places = {"inventory": manifest.inventory, "home": manifest.home, "root": "/"}
    for entry in found.entries:
        if entry.kind != "directory":
            size = rough(len(entry.content)) if entry.kind == "file" else "link"
            table.add_row(entry.path, places[entry.place], f"{entry.mode:04o}", size)
    output.show(table)
    for name, value in manifest.environment.items():
        output.line(f"{name}={value}")
    for problem in manifest.problems:
        output.line(f"Not in it: {problem}", err=True)


def _count(entries: Sequence[archive.Entry]) -> str:
    kinds = collections.Counter(entry.kind for entry in entries)
    return "1 file" if kinds["file"] == 1 else f"{kinds['file']} files"
