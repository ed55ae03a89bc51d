"""The file of a backup: a manifest and the files of a controller in a tar, compressed, and encrypted as age does it.

Without silo: `age --decrypt -i KEY FILE | tar -xz`, with the packages of Debian.
"""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import tarfile
import typing as t
import zlib
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import pyrage

from silo.controller.errors import ControllerError
from silo.controller.keys import Identity, Recipient

VERSION = 1
MANIFEST = "silo.json"
FILES = "files"
# Of all that a backup holds, which is in memory while it is made. An inventory and its history have a few MiB.
LARGEST = 1024**3
Place = t.Literal["inventory", "home", "root"]
PLACES: tuple[Place, ...] = t.get_args(Place)
Kind = t.Literal["file", "link", "directory"]
KINDS: tuple[Kind, ...] = t.get_args(Kind)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A file, symbolic link or directory: `path` is relative to its `place`, `content` what is in it, or its target.

    `owner` and `group` are names, `uid` and `gid` their numbers, for a machine that has none of that name.
    """

    place: Place
    path: str
    kind: Kind
    mode: int
    owner: str = ""
    group: str = ""
    uid: int = 0
    gid: int = 0
    content: bytes = dataclasses.field(default=b"", repr=False)

    @property
    def name(self) -> str:
        """Its name in the tar."""
        return f"{FILES}/{self.place}/{self.path}".removesuffix("/.")


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a backup says of itself: when, from where, and the variables of the environment by which silo was called.

    `inventory` and `home` are the folders of the places of these names; `problems` are sentences on what is missing.
    """

    at: str
    host: str
    inventory: str
    home: str
    version: str
    commit: str
    environment: Mapping[str, str]
    problems: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Backup:
    """A backup that is open."""

    manifest: Manifest
    entries: Sequence[Entry]


def pack(backup: Backup) -> bytes:
    """Return the tar, compressed; raises ControllerError where it is too large."""
    if (total := sum(len(entry.content) for entry in backup.entries)) > LARGEST:
        raise ControllerError(
            f"there are {total} bytes to keep, and a backup takes at most {LARGEST}; what is not silo's own must not "
            "lie in the inventory"
        )
    out = io.BytesIO()
    # The manifest comes first, so that it is found without reading the rest.
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        said = json.dumps({"format": VERSION, **dataclasses.asdict(backup.manifest)}, indent=1).encode()
        _add(tar, Entry("root", MANIFEST, "file", 0o600, content=said), MANIFEST)
        for entry in backup.entries:
            _add(tar, entry, entry.name)
    return out.getvalue()


def _add(tar: tarfile.TarFile, entry: Entry, name: str) -> None:
    found = tarfile.TarInfo(name)
    found.mode, found.uid, found.gid = entry.mode, entry.uid, entry.gid
    found.uname, found.gname = entry.owner, entry.group
    if entry.kind == "file":
        found.size = len(entry.content)
        tar.addfile(found, io.BytesIO(entry.content))
        return
    found.type = tarfile.SYMTYPE if entry.kind == "link" else tarfile.DIRTYPE
    found.linkname = entry.content.decode(errors="surrogateescape") if entry.kind == "link" else ""
    tar.addfile(found)


def seal(packed: bytes, recipients: Sequence[Recipient]) -> bytes:
    """Encrypt for each of `recipients`."""
    return t.cast("bytes", pyrage.encrypt(packed, list(recipients)))


def unseal(sealed: bytes, identities: Sequence[Identity]) -> bytes:
    """Decrypt with one of `identities`; raises ControllerError where none opens it, or it was changed."""
    try:
        return t.cast("bytes", pyrage.decrypt(sealed, list(identities)))
    except pyrage.DecryptError as error:
        raise ControllerError(
            f"it cannot be opened: {error}; it is no backup, is damaged, or was made for another key"
        ) from None


def unpack(packed: bytes) -> Backup:
    """Return what is in a tar of `pack`; raises ControllerError for any other.

    Whoever has the recipient could have made it, so no name in it leads out of its place.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as stream:
            plain = stream.read(LARGEST + LARGEST // 8)
            if stream.read(1):
                raise ControllerError(f"it has more than {LARGEST} bytes, which no backup of silo has")
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
            first, *rest = tar.getmembers()
            if first.name != MANIFEST:
                raise ControllerError(f"it has no {MANIFEST} at its beginning; it is no backup of silo")
            return Backup(_manifest(_content(tar, first)), [_entry(tar, member) for member in rest])
    except (tarfile.TarError, zlib.error, OSError, EOFError, ValueError, RecursionError) as error:
        raise ControllerError(f"it cannot be read: {error}; it is no backup of silo, or is damaged") from None


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    return stream.read() if stream else b""


def _manifest(content: bytes) -> Manifest:
    said = json.loads(content)
    if not isinstance(said, dict) or said.pop("format", None) != VERSION:
        raise ControllerError(f"its format is none that this version of silo knows, which is {VERSION}; update silo")
    environment, problems = said.get("environment"), said.get("problems")
    texts = [said.get(field.name) for field in dataclasses.fields(Manifest) if field.name not in _NO_TEXT]
    if not isinstance(environment, dict) or not isinstance(problems, list):
        raise ValueError("its manifest has no environment, or no problems")
    if not all(isinstance(text, str) for text in (*texts, *environment.values(), *problems)):
        raise ValueError("its manifest has a value that is no text")
    folders = [PurePosixPath(said[place]) for place in ("inventory", "home")]
    if not all(folder.is_absolute() and ".." not in folder.parts for folder in folders):
        raise ValueError("its manifest names a folder that is no absolute path")
    return Manifest(**{field.name: said[field.name] for field in dataclasses.fields(Manifest)})


_NO_TEXT = ("environment", "problems")


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    # A file with holes says of itself how large it gets when it is read.
    is_file = member.isreg() and not member.issparse()
    kinds: dict[Kind, bool] = {"file": is_file, "link": member.issym(), "directory": member.isdir()}
    kind = next((kind for kind, is_it in kinds.items() if is_it), None)
    top, place, *parts = (*PurePosixPath(member.name).parts, "", "")
    path = PurePosixPath(*filter(None, parts))
    if kind is None or top != FILES or place not in PLACES or ".." in path.parts or path.is_absolute():
        raise ValueError(f"{member.name!r} is no file of a backup")
    content = member.linkname.encode(errors="surrogateescape") if kind == "link" else _content(tar, member)
    owner = (member.uname, member.gname, member.uid, member.gid)
    return Entry(place, str(path), kind, member.mode & 0o7777, *owner, content)
