"""silo controller restore: the files of a backup on a fresh machine; nothing that is there is replaced.

A restore that was cut off is completed by the next one: what it finds as it should be is left alone.
"""

from __future__ import annotations

import dataclasses
import grp
import os
import pwd
import shlex
import stat
import typing as t
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo.controller import archive, backup, keys
from silo.controller.archive import Backup, Entry, Place
from silo.controller.errors import ControllerError

# A fresh machine has one as soon as something was cloned over SSH; lines of the backup are added to it.
KNOWN_HOSTS = ".ssh/known_hosts"
MOST_NAMED = 20


@dataclasses.dataclass(frozen=True)
class Step:
    """An entry and where it belongs; `is_merged` if lines are added to what is there.

    `is_own` if it belongs to who restores, since its owner's home is not on this machine. `is_there` if it only lacks
    its owner or its mode, as what a restore leaves that was cut off.
    """

    entry: Entry
    path: Path
    is_merged: bool = False
    is_own: bool = False
    is_there: bool = False

    @property
    def owner(self) -> tuple[int, int] | None:
        """Return the numbers of user and group that it gets; None where those of who restores stay."""
        if os.geteuid() or self.is_own:
            return None
        entry = self.entry
        return _number(entry.owner, pwd.getpwnam, entry.uid), _number(entry.group, grp.getgrnam, entry.gid)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a restore does: the folders of the places, and the steps that are left to do, of `total`."""

    places: Mapping[Place, Path]
    steps: Sequence[Step]
    total: int

    @property
    def outside(self) -> list[Path]:
        """Return the files that are neither in the inventory nor in the home, for people to look at."""
        return [step.path for step in self.steps if step.entry.place == "root"]


def open_backup(path: Path, identities: Sequence[keys.Identity]) -> Backup:
    """Return what is in a backup; raises ControllerError."""
    try:
        sealed = path.read_bytes()
    except OSError as error:
        raise ControllerError(f"{path} cannot be read: {error.strerror}") from None
    try:
        return archive.unpack(archive.unseal(sealed, identities))
    except ControllerError as error:
        raise ControllerError(f"{path}: {error}") from None


def plan(backup: Backup, into: Path | None = None) -> Plan:
    """Compare a backup with this machine; raises ControllerError where something else is there, or the owner is not.

    All of it goes where it was; what was in a home that is not there, into the home of who runs this. With `into`, all
    of it goes below that folder.
    """
    home = Path(backup.manifest.home)
    places: dict[Place, Path] = {
        "inventory": Path(backup.manifest.inventory),
        "home": home if home.is_dir() else Path.home(),
        "root": Path("/"),
    }
    is_moved = into is None and places["home"] != home
    if into:
        places = {place: into.absolute() / place for place in places}
    else:
        _check_owner(backup)
    steps, wrong = [], _entangled(backup, places)
    for entry in backup.entries:
        path = places[entry.place] / entry.path
        is_own = is_moved and entry.place == "home"
        is_known_hosts = (entry.place, entry.path, entry.kind) == ("home", KNOWN_HOSTS, "file")
        if linked := _link_above(path, places[entry.place]):
            wrong.append(f"{linked} is a symbolic link")
        elif not os.path.lexists(path):
            steps.append(Step(entry, path, is_own=is_own))
        elif not _is_same(entry, path):
            if is_known_hosts and path.is_file():
                steps.append(Step(entry, path, is_merged=True))
            else:
                wrong.append(str(path))
        # That one may have been there before, of whom and with which mode whatsoever.
        elif not is_known_hosts and not _has_rights(step := Step(entry, path, is_own=is_own, is_there=True)):
            steps.append(step)
    if wrong:
        more = f", and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
        raise ControllerError(
            f"these are there already, and are not what the backup has: {', '.join(wrong[:MOST_NAMED])}{more}. Nothing "
            "was restored; move them away, or restore into an empty folder with --to"
        )
    return Plan(places, steps, len(backup.entries))


def _check_owner(backup: Backup) -> None:
    """Refuse a machine that does not have the owner of the inventory, of whom git and the timers would know nothing."""
    top = next((one for one in backup.entries if (one.place, one.path) == ("inventory", ".")), None)
    if os.geteuid() or top is None or not top.owner:
        return
    try:
        pwd.getpwnam(top.owner)
    except KeyError:
        name, home = printable(top.owner, 40), printable(backup.manifest.home)
        raise ControllerError(
            f"the inventory belongs to {name}, and this machine has no user of that name. Nothing was restored; create "
            f"the user first: useradd --create-home --home-dir {shlex.quote(home)} --shell /bin/bash -- "
            f"{shlex.quote(name)}"
        ) from None


def _entangled(backup: Backup, places: Mapping[Place, Path]) -> list[str]:
    """Return what would lie elsewhere than its path says: it is below a link of the same backup, or is two things."""
    real = {place: Path(os.path.realpath(path)) for place, path in places.items()}
    kinds: dict[Path, archive.Kind] = {}
    wrong = []
    for entry in backup.entries:
        path = real[entry.place] / entry.path
        if kinds.setdefault(path, entry.kind) != entry.kind:
            wrong.append(f"{path} is two things in the backup")
    for path in kinds:
        if above := next((one for one in path.parents if kinds.get(one, "directory") != "directory"), None):
            wrong.append(f"{path} is below {above}, which is no folder in the backup")
    return wrong


def _link_above(path: Path, place: Path) -> Path | None:
    """Return a symbolic link between a place and a file in it, through which the file would lie elsewhere."""
    above = [one for one in path.parents if one != place and one.is_relative_to(place)]
    return next((one for one in above if one.is_symlink()), None)


def _is_same(entry: Entry, path: Path) -> bool:
    status = path.lstat()
    try:
        if entry.kind == "directory":
            return stat.S_ISDIR(status.st_mode)
        if entry.kind == "link":
            return stat.S_ISLNK(status.st_mode) and os.fsencode(path.readlink()) == entry.content
        return stat.S_ISREG(status.st_mode) and path.read_bytes() == _content(entry, path)
    except OSError as error:
        raise ControllerError(f"{path} cannot be read: {error.strerror}") from None


def _has_rights(step: Step) -> bool:
    status = step.path.lstat()
    if step.owner not in (None, (status.st_uid, status.st_gid)):
        return False
    return step.entry.kind == "link" or stat.S_IMODE(status.st_mode) == step.entry.mode


def _content(entry: Entry, path: Path) -> bytes:
    """Return what a file is to have; of one to which lines are added, all that it has then."""
    if (entry.place, entry.path) != ("home", KNOWN_HOSTS) or not path.is_file():
        return entry.content
    there = path.read_bytes().splitlines()
    missing = [line for line in entry.content.splitlines() if line not in there]
    return b"".join(line + b"\n" for line in (*there, *missing)) if missing else path.read_bytes()


def carry_out(planned: Plan) -> None:
    """Make what is missing, folders first; raises ControllerError, and what was restored by then stays."""
    ordered = sorted(planned.steps, key=lambda one: one.path.parts)
    for done, step in enumerate(ordered):
        try:
            _make(step)
        except OSError as error:
            raise ControllerError(
                f"{step.path} cannot be written: {error.strerror}. {done} of {len(ordered)} are restored; when that is "
                "mended, restore again, which does the rest. Only root may write outside of a home"
            ) from None
    # Last, since what is in them could not be written into a folder that is closed to its owner.
    for step in reversed([one for one in ordered if one.entry.kind == "directory"]):
        step.path.chmod(step.entry.mode)


def _make(step: Step) -> None:
    entry, path = step.entry, step.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if step.is_merged:
        files.write(path, _content(entry, path))
        return
    if entry.kind == "file" and not step.is_there:
        # With a name of its own, so that the next restore replaces what one leaves that was cut off.
        scratch = path.with_name(f".{path.name}.restored")
        files.create(path, entry.content, entry.mode, owner=step.owner, scratch=scratch)
        return
    if entry.kind == "directory":
        path.mkdir(mode=0o700, exist_ok=True)
    elif entry.kind == "link" and not step.is_there:
        path.symlink_to(os.fsdecode(entry.content))
    if step.owner:
        os.chown(path, *step.owner, follow_symlinks=False)
    # After the owner, whose change takes some bits away.
    if entry.kind == "file":
        path.chmod(entry.mode)


def _number(name: str, look_up: Callable[[str], t.Any], number: int) -> int:
    """Return the number of a user or group here, or that of the other machine, where nobody has that name here."""
    try:
        return int(look_up(name)[2])
    except KeyError:
        return number


def next_steps(found: Backup, planned: Plan) -> list[str]:
    """Return the lines that a person types next: the environment as it was, and the first commands."""
    inventory = planned.places["inventory"]
    said = found.manifest.environment
    given = {name: _now_at(found, planned, said[name]) for name in backup.FILE_VARIABLES if name in said}
    exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(given.items())]
    quoted = shlex.quote(str(inventory))
    return [*exports, f"export SILO_INVENTORY={quoted} ANSIBLE_INVENTORY={quoted}", "silo check", "silo plan"]


def _now_at(found: Backup, planned: Plan, value: str) -> str:
    """Return the path that a file has after the restore, of the one that it had."""
    tops: dict[Place, str] = {"inventory": found.manifest.inventory, "home": found.manifest.home, "root": "/"}
    for place, top in tops.items():
        if Path(value).is_relative_to(top):
            return str(planned.places[place] / Path(value).relative_to(top))
    return value
