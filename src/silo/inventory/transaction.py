"""The files of an inventory: read with care, changed in steps that are each whole or not done.

An edit is a list of steps. They are written down first, in `.silo-edit/` of the inventory (which Ansible overlooks),
and made one by one by renaming what lies ready there. An edit that was cut off is found by the next one: where all its
steps were made it counts, otherwise they are taken back.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import stat
import typing as t
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files, locks

from silo.inventory.errors import InventoryBusyError, InventoryError

DESK = ".silo-edit"
JOURNAL = "journal.json"
LARGEST = 1024**2


@dataclasses.dataclass(frozen=True)
class Write:
    """A file becomes `after` where it was `before`; None is no file. The path is relative to the inventory."""

    path: str
    before: str | None
    after: str | None


@dataclasses.dataclass(frozen=True)
class Move:
    """A folder goes from one place to another. The paths are relative to the inventory."""

    source: str
    target: str


Step = Write | Move


@dataclasses.dataclass(frozen=True)
class Edit:
    """Steps that belong together, and what is said of them in the history."""

    message: str
    steps: tuple[Step, ...]


@dataclasses.dataclass(frozen=True)
class Folder:
    """An inventory's folder. `root` is its real path."""

    root: Path

    def path(self, relative: str) -> Path:
        """Return the path of a file that is real all the way; raises InventoryError at a symbolic link."""
        path = self.root
        for part in Path(relative).parts:
            path = path / part
            if path.is_symlink():
                raise InventoryError(
                    f"{path.relative_to(self.root)}: it is a symbolic link to {path.readlink()}; a real file or "
                    "folder must be there, as nothing outside of the inventory is ever written"
                )
        return path

    def read(self, relative: str) -> str | None:
        """Return the text of a file, or None where there is none; raises InventoryError where it is no text."""
        path = self.path(relative)
        try:
            # A pipe without a writer would be waited for.
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
                    raise InventoryError(f"{relative}: it is no file of settings; it must be a text of at most 1 MiB")
                return file.read().decode()
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            raise InventoryError(
                f"{relative}: line {line} has a byte that is no UTF-8, as in Latin-1; save the file as UTF-8"
            ) from error
        except OSError as error:
            raise InventoryError(f"{relative}: it cannot be read, {_why(error)}") from error

    def names(self, relative: str) -> list[str]:
        """Return what is in a folder, sorted; nothing where there is none."""
        path = self.path(relative)
        try:
            return sorted(entry.name for entry in path.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise InventoryError(f"{relative}: it cannot be read, {_why(error)}; it must be a folder") from error

    @contextlib.contextmanager
    def locked(self, wait_seconds: float) -> Iterator[None]:
        """Hold the inventory's one lock, which is on the folder itself: no file is left, and a kill frees it."""

        def busy() -> InventoryError:
            return InventoryBusyError(f"{self.root}: another edit of this inventory is under way; try again")

        with locks.held(self.root, wait_seconds, busy=busy):
            yield

    def make(self, edit: Edit) -> None:
        """Make all steps of an edit or none; `finish` or `take_back` must follow. Raises InventoryError."""
        for step in edit.steps:
            for path in [step.path] if isinstance(step, Write) else [step.source, step.target]:
                self.path(path)
        try:
            self._desk().mkdir(mode=0o700)
            files.write(self._desk() / JOURNAL, _dump(edit), scratch=self._desk() / "file")
            for step in edit.steps:
                self._do(step)
        except OSError as error:
            self.take_back(edit)
            where = error.filename2 or error.filename or self.root
            raise InventoryError(f"{where}: it cannot be written, {_why(error)}; nothing is changed") from error
        except BaseException:
            self.take_back(edit)
            raise

    def finish(self) -> None:
        """Clear the desk, with what was moved there to be gone."""
        # The record goes first: without it nothing is taken back.
        (self._desk() / JOURNAL).unlink(missing_ok=True)
        shutil.rmtree(self._desk(), ignore_errors=True)
        files.sync_directory(self.root)

    def take_back(self, edit: Edit) -> None:
        """Undo those steps of an edit that were made."""
        self._desk().mkdir(mode=0o700, exist_ok=True)
        for step in reversed(edit.steps):
            if self._is_done(step):
                self._undo(step)
        self.finish()

    def cut_off(self) -> Edit | None:
        """Return the edit that was cut off after its last step; one that was not so far is taken back."""
        desk = self._desk()
        if desk.is_symlink():
            raise InventoryError(f"{DESK}: it is a symbolic link; remove it")
        try:
            edit = _load((desk / JOURNAL).read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError, KeyError):
            # It was cut off before anything was changed.
            if desk.exists():
                self.finish()
            return None
        if all(self._is_done(step) for step in edit.steps):
            return edit
        self.take_back(edit)
        return None

    def _desk(self) -> Path:
        return self.root / DESK

    def _is_done(self, step: Step) -> bool:
        if isinstance(step, Write):
            return self.read(step.path) == step.after != step.before
        return not (self.root / step.source).exists() and (self.root / step.target).exists()

    def _do(self, step: Step) -> None:
        if isinstance(step, Write):
            self._write(step.path, step.after)
        else:
            self._rename(self.path(step.source), self.path(step.target))

    def _undo(self, step: Step) -> None:
        if isinstance(step, Write):
            self._write(step.path, step.before)
            self._leave(self.path(step.path).parent, step)
        else:
            self._rename(self.path(step.target), self.path(step.source))

    def _leave(self, folder: Path, step: Write) -> None:
        """Remove the folder that came with a new file."""
        if step.before is None:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _write(self, relative: str, text: str | None) -> None:
        path = self.path(relative)
        if text is None:
            path.unlink()
            files.sync_directory(path.parent)
            return
        if path.parent.exists():
            files.write(path, text, scratch=self._desk() / "file")
            return
        # A new folder appears with its file in it: Ansible sees a tenant, or none.
        ready = self._desk() / "folder"
        ready.mkdir()
        files.write(ready / path.name, text, scratch=self._desk() / "file")
        self._rename(ready, path.parent)

    def _rename(self, source: Path, target: Path) -> None:
        if not target.parent.exists():
            target.parent.mkdir()
            files.sync_directory(target.parent.parent)
        files.move(source, target)


def _why(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _dump(edit: Edit) -> str:
    steps = [{"kind": type(step).__name__, **dataclasses.asdict(step)} for step in edit.steps]
    return json.dumps({"message": edit.message, "steps": steps})


def _load(text: str) -> Edit:
    found = json.loads(text)
    kinds: dict[str, t.Callable[..., Step]] = {"Write": Write, "Move": Move}
    return Edit(found["message"], tuple(_step(kinds, item) for item in found["steps"]))


def _step(kinds: dict[str, t.Callable[..., Step]], item: dict[str, t.Any]) -> Step:
    return kinds[item.pop("kind")](**item)
