"""The history of an inventory that is a git work tree: each edit is one commit, of its own files and no others.

What others have staged or changed stays as it is. There is none outside of a work tree, or of files that git ignores.
Nothing is committed into a clone of this software: its history is not that of somebody's tenants.
"""

from __future__ import annotations

import dataclasses
import datetime
import getpass
import os
import re
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

import yaml
from ansible_collections.swissphoto.silo.plugins.module_utils.common import process

from silo.inventory.errors import InventoryError, shown
from silo.inventory.transaction import DESK, Edit, Write

# The collection that a clone of this software is, by its galaxy.yml.
PRODUCT = {"namespace": "swissphoto", "name": "silo"}
LIMIT_SECONDS = 60
END_SECONDS = 5
# A line for each file of an inventory.
LARGEST = 64 * 1024**2
SAID = 300
# Between the parts of a commit; nobody types it.
FIELD = "\x1f"
AUTHOR = re.compile(r"([^<>\n\r\0]*[^<>\s\0]) <([^<>\s\0]+)>")


@dataclasses.dataclass(frozen=True)
class Author:
    """In whose name commits are made."""

    name: str
    email: str

    @classmethod
    def parse(cls, text: str) -> Author:
        """Read `Maria Muster <maria@example.ch>`; raises InventoryError."""
        found = AUTHOR.fullmatch(text)
        if not found:
            raise InventoryError(
                f"author is {shown(text)}; it must be a name and an address, such as Maria <maria@example.ch>"
            )
        return cls(found[1], found[2])


@dataclasses.dataclass(frozen=True)
class Commit:
    """A commit: its short id, when and by whom it was made, and its message, the first line and the rest."""

    id: str
    when: datetime.datetime
    author: str
    subject: str
    body: str


@dataclasses.dataclass(frozen=True)
class History:
    """The work tree in which the inventory lies; paths are relative to the inventory.

    One that `is_product`, a clone of this software, gets no commits, and nobody's edits are looked for in it.
    """

    root: Path
    author: Author | None = None
    is_product: bool = False

    @classmethod
    def of(cls, root: Path, author: Author | None) -> History | None:
        """Return the history of the inventory at `root`, or None; raises InventoryError where git cannot read it."""
        if not any((folder / ".git").exists() for folder in (root, *root.parents)):
            return None
        if shutil.which("git") is None:
            raise InventoryError(f"{root}: it is in a git work tree, and git is not installed; install git")
        history = cls(root, author)
        if is_product(Path(history._git("rev-parse", "--show-toplevel").removesuffix("\n"))):
            return cls(root, author, is_product=True)
        if author is None and history._is_anonymous():
            # A commit in the user's name is better than none.
            return cls(root, Author(getpass.getuser(), f"{getpass.getuser()}@{socket.gethostname()}"))
        return history

    @classmethod
    def begin(cls, root: Path, author: Author | None) -> History:
        """Make a git repository of the folder `root`, without a commit yet; raises InventoryError."""
        if shutil.which("git") is None:
            raise InventoryError(f"{root}: git is not installed; install git")
        cls(root)._git("init", "--quiet", "--initial-branch=main")
        history = cls.of(root, author)
        if history is None or history.is_product:
            raise InventoryError(f"{root}: git did not make a repository of its own there")
        return history

    def _is_anonymous(self) -> bool:
        """Whether git has no name and address for an author here, and is not forbidden to guess them."""
        if not self._run("var", "GIT_AUTHOR_IDENT")[0]:
            return False
        return self._run("config", "--type=bool", "user.useConfigOnly")[1].strip() != "true"

    def edited(self, paths: Sequence[str]) -> list[str]:
        """Return the tracked files below `paths` with an edit that nobody has committed, staged or not."""
        if self.is_product:
            return []
        listed = self._lines("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=no", "--", *paths)
        return [entry[3:] for entry in listed]

    def unknown(self, paths: Sequence[str]) -> list[str]:
        """Return those files below `paths` that git neither knows nor ignores."""
        return self._lines("ls-files", "-z", "--others", "--exclude-standard", "--", *paths)

    def commit(self, edit: Edit) -> str | None:
        """Commit the files of an edit as they are now; return the commit, or None where git is to keep none of them.

        Raises InventoryError with git's words where it refuses; its index is then as it was.
        """
        if self.is_product:
            return None
        kept = self._kept(self._files(edit))
        if not (changed := self._changed(kept)):
            return None
        try:
            if any(entry.startswith("??") for entry in changed):
                self._git("add", "--", *self.unknown(kept))
            self._git("commit", "--quiet", "--only", "--file=-", "--", *kept, text=edit.message)
        except InventoryError:
            # What fails after the commit, such as a hook, does not undo it.
            if self._changed(kept):
                self._forget(kept)
                raise
        code, commit = self._run("log", "-1", "--format=%H", "--", *kept)
        return None if code else commit.strip()

    def log(self, paths: Sequence[str], limit: int) -> list[Commit]:
        """Return at most `limit` commits that touch `paths`, which need not be there any more, the newest first."""
        options = (f"--max-count={limit}", "-z", f"--format={FIELD.join(('%h', '%aI', '%an', '%s', '%b'))}")
        entries = (entry.split(FIELD) for entry in self._lines("log", *options, "--", *paths))
        return [
            Commit(short, datetime.datetime.fromisoformat(when), author, subject, FIELD.join(body))
            for short, when, author, subject, *body in entries
        ]

    def _changed(self, files: Sequence[str]) -> list[str]:
        """Return the entries of git's status on these files: `??` and the path in the work tree for a new one."""
        status = ("status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=all")
        return self._lines(*status, "--", *files) if files else []

    def _forget(self, files: Sequence[str]) -> None:
        """Take new files out of the index again."""
        if added := self._lines("diff", "-z", "--cached", "--name-only", "--relative", "--diff-filter=A", "--", *files):
            self._git("rm", "--quiet", "--cached", "--", *added)

    def _files(self, edit: Edit) -> list[str]:
        """Return the files that an edit touches; of a folder that moved, those that git knows."""
        files = set()
        for step in edit.steps:
            if isinstance(step, Write):
                files.add(step.path)
                continue
            for file in self._lines("ls-files", "-z", "--", step.source):
                target = f"{step.target}{file.removeprefix(step.source)}"
                files |= {file} if target.startswith(f"{DESK}/") else {file, target}
        gone = {file for file in files if not (self.root / file).is_file()}
        known = set(self._lines("ls-files", "-z", "--", *gone)) if gone else set()
        return sorted((files - gone) | (gone & known))

    def _kept(self, files: Sequence[str]) -> list[str]:
        """Return those of `files` that git does not ignore."""
        code, said = self._run("check-ignore", "-z", "--stdin", text="\0".join(files))
        if code not in (0, 1):
            raise InventoryError(f"{self.root}: git cannot tell what it ignores: {_short(said)}")
        return [file for file in files if file not in said.split("\0")]

    def _lines(self, *arguments: str) -> list[str]:
        return [entry for entry in self._git(*arguments).split("\0") if entry]

    def _git(self, *arguments: str, text: str = "") -> str:
        code, said = self._run(*arguments, text=text)
        if code:
            raise InventoryError(f"{self.root}: git refused, so nothing is changed: {_short(said) or code}")
        return said

    def _run(self, *arguments: str, text: str = "") -> tuple[int, str]:
        """Return the code of git and what it said; a hook that hangs is ended."""
        options = [] if arguments[0] == "check-ignore" else ["--literal-pathspecs"]
        result = process.run(
            ["git", *options, *arguments],
            seconds=LIMIT_SECONDS,
            environment=self._environment(),
            text=text,
            largest=LARGEST,
            # Told to end, git removes its lock.
            grace=END_SECONDS,
            directory=self.root,
        )
        if result.stopped:
            return 1, f"it {result.stopped}"
        return result.rc, result.out if result.rc == 0 else result.err or result.out

    def _environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if key not in _OF_ANOTHER_RUN}
        identity = {}
        if self.author:
            identity = {
                f"GIT_{role}_{key}": value
                for role in ("AUTHOR", "COMMITTER")
                for key, value in (("NAME", self.author.name), ("EMAIL", self.author.email))
            }
        # Nobody is there to answer, and what only reads is not to write into the index.
        alone = {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "false", "GIT_OPTIONAL_LOCKS": "0"}
        return {**inherited, **identity, **alone, "LC_ALL": "C"}


def is_product(top: Path) -> bool:
    """Return whether a folder is the top of a clone of this software."""
    try:
        found = yaml.safe_load((top / "galaxy.yml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(found, dict) and found.items() >= PRODUCT.items()


def work_tree(folder: Path) -> str:
    """Return the top of the work tree of `folder`; empty where there is none, or only a clone of this software."""
    top = _ask(folder, "rev-parse", "--show-toplevel")
    return "" if not top or is_product(Path(top)) else top


def version(folder: Path) -> str:
    """Return the commit that is checked out at `folder`; empty where there is none, or no git."""
    return _ask(folder, "rev-parse", "HEAD")


def _ask(folder: Path, *arguments: str) -> str:
    try:
        code, said = History(folder)._run(*arguments)
    except OSError:
        return ""
    return "" if code else said.strip()


# Set while a hook runs; they would lead to another work tree or index.
_OF_ANOTHER_RUN = frozenset(("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"))


def _short(said: str) -> str:
    text = " ".join(said.split())
    return text if len(text) <= SAID else f"{text[:SAID]}..."
