"""silo controller backup: everything of a controller that cannot be made again, in one encrypted file.

Nothing of it needs an inventory that Ansible can read, or a machine that answers: a broken inventory is kept as it is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import grp
import importlib.metadata
import os
import pwd
import re
import socket
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files, locks, sqlite

from silo import backup_record, repository
from silo.controller import archive, keys
from silo.controller.archive import Backup, Entry, Manifest, Place
from silo.controller.errors import ControllerError
from silo.inventory import history
from silo.state import FOLDER

# The variables of the environment by which silo is called, which are names of files and no secrets.
VARIABLES = (
    *("SILO_INVENTORY", "ANSIBLE_INVENTORY", "SILO_HOME", "SILO_AUTHOR", "SILO_BILLING_INBOX"),
    *("SILO_VAULT_PASSWORD_FILE", "SILO_STRIPE_KEY_FILE", "SILO_STRIPE_WEBHOOK_SECRETS_FILE"),
    *("SILO_STRIPE_CHECKOUT_KEY_FILE", "SILO_CHECKOUT_SECRETS_FILE"),
)
# Of these, those that name a file to keep.
FILE_VARIABLES = tuple(name for name in VARIABLES if name.endswith("_FILE"))
DATABASE = ".db"
DATABASE_COMPANIONS = ("-wal", "-shm", "-journal")
# In .silo/, what only a run of now needs.
PASSING = ("run.lock", "billing")
# How it gets into a controller, and not from it to others.
NOT_OF_SSH = ("authorized_keys",)
LOCK_SECONDS = 60.0
PREFIX, SUFFIX = "silo-controller-", ".age"
NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}", re.ASCII)
TIME = r"\d{8}T\d{6}Z"


@dataclasses.dataclass(frozen=True)
class Controller:
    """What is to be kept: an inventory, the home of its owner, and further files, of which some may be databases.

    `name` tells its backups from those of others in one folder: the domain, or that of the machine. `problems` are
    sentences on what is missing among the files.
    """

    inventory: Path
    home: Path
    files: tuple[Path, ...] = ()
    name: str = ""
    problems: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        """How the names of its backups begin; what cannot stand in a name of a file stands in none."""
        names = (self.name, socket.gethostname().lower(), "unnamed")
        return f"{PREFIX}{next(name for name in names if NAME.fullmatch(name))}-"


@dataclasses.dataclass(frozen=True)
class Done:
    """A backup that was written, and opened again: its file, its size, what is in it, and what is missing in it."""

    path: Path
    size_bytes: int
    backup: Backup
    removed: tuple[Path, ...] = ()


def of(
    inventory: Path, files_named: Sequence[Path], inbox: Path, domain: str = "", problems: Sequence[str] = ()
) -> Controller:
    """Return what is to be kept of the controller of an inventory, whoever asks for it."""
    named = [Path(os.environ[name]).expanduser() for name in FILE_VARIABLES if os.environ.get(name)]
    # Billing may be off, and then nobody misses its inbox.
    events = [inbox] if inbox.parent.is_dir() and _is_there(inbox) else []
    chosen = dict.fromkeys(path.expanduser().absolute() for path in (*named, *files_named, *events))
    return Controller(inventory, home_of(inventory), tuple(chosen), domain, tuple(problems))


def home_of(inventory: Path) -> Path:
    """Return the home of the owner of an inventory."""
    return Path(pwd.getpwuid(inventory.stat().st_uid).pw_dir)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return True  # that it cannot be read is said later


def collect(controller: Controller) -> Backup:
    """Read all of it; what cannot be read becomes a problem of the manifest. Raises ControllerError."""
    problems = list(controller.problems)

    def busy() -> ControllerError:
        return ControllerError("an edit of the inventory is under way, and did not end within a minute; try again")

    with locks.held(controller.inventory, LOCK_SECONDS, busy=busy):
        entries = list(_tree("inventory", controller.inventory, controller.inventory, problems))
    # Root of a worktree or a submodule, or above the inventory: its objects lie elsewhere.
    if not (controller.inventory / ".git").is_dir() and (top := history.work_tree(controller.inventory)):
        problems.append(f"the git history of the inventory lies in {top}, and is not in it; push it elsewhere")
    ssh = controller.home / ".ssh"
    if ssh.is_dir():
        found = [one for one in _tree("home", ssh, controller.home, problems) if _kept_of_ssh(one)]
        entries += found
        for one in found:
            if one.kind == "link":
                entries += _led_to(controller, controller.home / one.path, problems)
    for path in controller.files:
        entries += _file(controller, path, problems)
    unique = {entry.name: entry for entry in entries}
    return Backup(_manifest(controller, problems), [unique[name] for name in sorted(unique)])


def _manifest(controller: Controller, problems: Sequence[str]) -> Manifest:
    return Manifest(
        at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        host=socket.gethostname(),
        inventory=str(controller.inventory),
        home=str(controller.home),
        version=importlib.metadata.version("silo"),
        commit=history.version(repository.root()),
        environment={name: os.environ[name] for name in VARIABLES if os.environ.get(name)},
        problems=tuple(problems),
    )


def _kept_of_ssh(entry: Entry) -> bool:
    return Path(entry.path).name not in NOT_OF_SSH


def _file(controller: Controller, path: Path, problems: list[str]) -> Iterator[Entry]:
    """Yield a further file, unless it is in a folder that is kept anyway; of a link also the file that it leads to."""
    if path.is_symlink():
        yield from _placed(controller, path, problems)
        path = Path(os.path.realpath(path))
    yield from _placed(controller, path, problems)


def _led_to(controller: Controller, link: Path, problems: list[str]) -> Iterator[Entry]:
    """Yield the file to which a link in a kept folder leads; a folder is named as a problem."""
    real = Path(os.path.realpath(link))
    if real.is_dir():
        problems.append(f"{link} leads to the folder {real}, whose files are not in it; name them with --also")
    elif real.is_file() and not real.is_relative_to(controller.home / ".ssh"):
        yield from _placed(controller, real, problems)


def _placed(controller: Controller, path: Path, problems: list[str]) -> Iterator[Entry]:
    if path.is_relative_to(controller.inventory):
        return
    at_home = path.is_relative_to(controller.home)
    place: Place = "home" if at_home else "root"
    if found := _entry(place, path, controller.home if at_home else Path("/"), problems):
        yield found


def _tree(place: Place, top: Path, base: Path, problems: list[str]) -> Iterator[Entry]:
    """Yield a folder and all in it; no symbolic link is followed."""
    waiting = [top]
    while waiting:
        path = waiting.pop()
        found = _entry(place, path, base, problems)
        if found is None or not _is_of_now(path, top):
            continue
        yield found
        if found.kind == "directory":
            try:
                waiting += sorted(path.iterdir(), reverse=True)
            except OSError as error:
                problems.append(f"{path} cannot be read: {error.strerror}")


def _is_of_now(path: Path, top: Path) -> bool:
    """Whether it counts after a restart: locks do not, and databases are kept without their companions."""
    if path.name.endswith(tuple(f"{DATABASE}{end}" for end in DATABASE_COMPANIONS)):
        return False
    return not (path.parent == top / FOLDER and path.name in PASSING)


def _entry(place: Place, path: Path, base: Path, problems: list[str]) -> Entry | None:
    try:
        status = path.lstat()
        kind, content = _content(path, status)
    except (OSError, sqlite3.Error) as error:
        problems.append(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")
        return None
    if kind is None:
        # A socket, such as those of connections that SSH keeps open.
        return None
    mode = stat.S_IMODE(status.st_mode)
    return Entry(place, str(path.relative_to(base)), kind, mode, *_owner(status), content)


def _content(path: Path, status: os.stat_result) -> tuple[archive.Kind | None, bytes]:
    if stat.S_ISDIR(status.st_mode):
        return "directory", b""
    if stat.S_ISLNK(status.st_mode):
        return "link", os.fsencode(path.readlink())
    if not stat.S_ISREG(status.st_mode):
        return None, b""
    if status.st_size > archive.LARGEST:
        raise OSError(0, f"it has more than {archive.LARGEST} bytes")
    return "file", _snapshot(path) if path.suffix == DATABASE else path.read_bytes()


def _snapshot(path: Path) -> bytes:
    """Return a database as it is after its last transaction, while others write to it."""
    source, copy = sqlite.connect(path), sqlite3.connect(":memory:")
    try:
        source.backup(copy)
        return copy.serialize()
    finally:
        copy.close()
        source.close()


def _owner(status: os.stat_result) -> tuple[str, str, int, int]:
    names = ["", ""]
    with contextlib.suppress(KeyError):
        names[0] = pwd.getpwuid(status.st_uid).pw_name
    with contextlib.suppress(KeyError):
        names[1] = grp.getgrgid(status.st_gid).gr_name
    return names[0], names[1], status.st_uid, status.st_gid


def write(controller: Controller, target: Path, keep: int | None = None) -> Done:
    """Write a backup to `target`, or into it if it is a folder, and open it again; then leave the newest `keep` there.

    It appears under its name when it has been opened again, with mode 0600. Raises ControllerError; nothing was
    written then, and no older backup was removed.
    """
    if keep is not None and not target.is_dir():
        raise ControllerError(f"{target} is no folder, so no older backups can be removed there; is it mounted?")
    wanted = keys.recipients(controller.inventory)
    recipient, identity = keys.for_this_run()
    is_folder = target.is_dir()
    path = target / _name(controller.prefix) if is_folder else target
    if path.resolve().is_relative_to(controller.inventory.resolve()):
        raise ControllerError(f"{path} is in the inventory, and would be in each later backup; name another place")
    if path.exists():
        raise ControllerError(f"{path} exists, and no backup is replaced; name another file, or a folder")
    backup = collect(controller)
    packed = archive.pack(backup)
    aside = path.with_name(f".{path.name}.new")
    try:
        files.write(aside, archive.seal(packed, [*wanted, recipient]), 0o600, scratch=aside.with_suffix(".tmp"))
        if archive.unseal(aside.read_bytes(), [identity]) != packed:
            raise ControllerError(f"{path.parent} returned other bytes than were written; examine that disk")
        files.move(aside, path)
    except OSError as error:
        raise ControllerError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        aside.unlink(missing_ok=True)
    made = datetime.datetime.fromisoformat(backup.manifest.at)
    backup_record.write(controller.inventory, backup_record.Record(made, str(path), backup.manifest.problems))
    return Done(path, path.stat().st_size, backup, _forget(target, controller.prefix, keep) if is_folder else ())


def _name(prefix: str) -> str:
    return f"{prefix}{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S}Z{SUFFIX}"


def _forget(folder: Path, prefix: str, keep: int | None) -> tuple[Path, ...]:
    """Remove the oldest backups of this controller in a folder, which their names tell; those of others stay."""
    own = re.compile(re.escape(prefix) + TIME + re.escape(SUFFIX), re.ASCII)
    old = sorted(path for path in folder.iterdir() if own.fullmatch(path.name))[:-keep] if keep else []
    for path in old:
        path.unlink()
    return tuple(old)
