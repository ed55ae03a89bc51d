# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The models of the machine learning: put into place whole, by their digests, and never changed there.

Below C(models) of a directory, each model is C(task/name), as Immich's service expects it. C(models.json) beside it is
the record of all files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import stat
import tarfile
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from ..common import bounded_json, files
from ..quota.base import QuotaError
from ..quota.directory_tree import remove_tree

FOLDER, RECORD = "models", "models.json"
BLOCK = 1024**2
MOST_FILES = 2000
CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
WRITABLE = stat.S_IWGRP | stat.S_IWOTH


class ModelsError(Exception):
    """Models are missing or others than expected; the text says which."""


@dataclasses.dataclass(frozen=True)
class Model:
    """A model that should be there. An empty `digest` accepts any, and is for the first time."""

    name: str
    task: str
    digest: str = ""

    @property
    def place(self) -> str:
        """Its directory below that of all models."""
        return f"{self.task}/{self.name}"


# Immich's tasks, and the types of their models.
TYPES: Mapping[str, Sequence[str]] = {
    "clip": ("textual", "visual"),
    "facial-recognition": ("detection", "recognition"),
    "ocr": ("detection", "recognition"),
}


def preload(models: Sequence[Model]) -> dict[str, str]:
    """Return the environment with which Immich's service loads the models when it starts, and fails without one."""
    names: dict[str, list[str]] = {}
    for model in models:
        names.setdefault(model.task, []).append(model.name)
    return {
        f"MACHINE_LEARNING_PRELOAD__{task.upper().replace('-', '_')}__{kind.upper()}": ",".join(found)
        for task, found in names.items()
        for kind in TYPES[task]
    }


@dataclasses.dataclass(frozen=True)
class RecordedFile:
    """A file of a model."""

    size: int
    sha256: str


Record = Mapping[str, RecordedFile]


def digest(record: Record, place: str) -> str:
    """Return the digest of a model, that of `sha256sum` of all its files in their order; empty if it has none."""
    lines = [f"{file.sha256}  {path.removeprefix(place + '/')}\n" for path, file in sorted(_of(record, place).items())]
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}" if lines else ""


def _of(record: Record, place: str) -> dict[str, RecordedFile]:
    return {path: file for path, file in record.items() if path.startswith(f"{place}/")}


def read(directory: Path) -> Record:
    """Return the record; an empty one if it is missing or cannot be read."""
    try:
        found = bounded_json.parse((directory / RECORD).read_text(encoding="utf-8"))
        return {str(path): RecordedFile(int(file["size"]), str(file["sha256"])) for path, file in found.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def problems(directory: Path, owner: int = 0) -> list[str]:
    """Return what of the files is not as recorded; content is not read again, as nobody but root can change it."""
    record, top = read(directory), directory / FOLDER
    if not record:
        return [f"there is no record {directory / RECORD}"]
    found, wrong = {}, []
    for path, status in _walk(top):
        name = str(path.relative_to(top))
        if status.st_uid != owner or status.st_mode & WRITABLE:
            wrong.append(f"{name or FOLDER} can be changed by others than root")
        if not stat.S_ISDIR(status.st_mode):
            found[name] = status
    wrong += [f"{name} is not of the record" for name in sorted(found.keys() - record.keys())]
    for name, file in sorted(record.items()):
        there = found.get(name)
        if there is None or not stat.S_ISREG(there.st_mode):
            wrong.append(f"{name} is missing")
        elif there.st_size != file.size:
            wrong.append(f"{name} has {there.st_size} bytes in place of {file.size}")
    return wrong


def _walk(top: Path) -> Iterator[tuple[Path, os.stat_result]]:
    with contextlib.suppress(OSError):
        yield top, top.lstat()
    for folder, folders, names in os.walk(top):
        for name in (*folders, *names):
            path = Path(folder) / name
            with contextlib.suppress(OSError):
                yield path, path.lstat()


def missing(directory: Path, models: Sequence[Model], owner: int = 0) -> list[str]:
    """Return which models are not there as they should be; all of them if any file is not as recorded."""
    if problems(directory, owner):
        return [model.name for model in models]
    record = read(directory)
    digests = {model.name: digest(record, model.place) for model in models}
    return [model.name for model in models if digests[model.name] != (model.digest or digests[model.name] or "none")]


def put(directory: Path, models: Sequence[Model], source: Path, archive_digest: str = "") -> Record:
    """Replace all models by those of `source`, a directory or a tar archive of one, and return the record.

    Nothing else of the source is taken. Raises ModelsError and OSError; then the models are those that were there. A
    run that was interrupted is repeated whole by the next one.
    """
    if archive_digest and (seen := _digest_of(source)) != archive_digest:
        raise ModelsError(f"{source} has the digest {seen}; machine_learning_models_archive_digest is {archive_digest}")
    fresh, old = directory / f"{FOLDER}.new", directory / f"{FOLDER}.old"
    for place in (fresh, old):
        _remove(place)
    record: dict[str, RecordedFile] = {}
    for path, stream in _archived(source, models) if source.is_file() else _listed(source, models):
        if len(record) >= MOST_FILES:
            raise ModelsError(f"{source} has more than {MOST_FILES} files")
        record[path] = _copy(stream, fresh / path)
    _expect(record, models, source)
    if (directory / FOLDER).exists():
        files.move(directory / FOLDER, old)
    files.move(fresh, directory / FOLDER)
    text = json.dumps({path: dataclasses.asdict(file) for path, file in sorted(record.items())}, indent=1)
    files.write(directory / RECORD, f"{text}\n", 0o644)
    _remove(old)
    return record


def _expect(record: Record, models: Sequence[Model], source: Path) -> None:
    for model in models:
        seen = digest(record, model.place)
        if not seen:
            raise ModelsError(f"{source} has no file of {model.place}")
        if model.digest and seen != model.digest:
            raise ModelsError(
                f"{model.name} of {source} has the digest {seen}; machine_learning_models has {model.digest}"
            )


def _remove(place: Path) -> None:
    if place.is_dir():
        try:
            remove_tree(place)
        except QuotaError as error:
            raise ModelsError(str(error)) from error


def _wanted(path: PurePosixPath, models: Sequence[Model]) -> bool:
    """Return whether a file is one of a model; what a library keeps for itself is hidden."""
    parts = path.parts
    is_plain = not path.is_absolute() and not any(part.startswith(".") for part in parts)
    return is_plain and any("/".join(parts[:2]) == model.place and len(parts) > 2 for model in models)


def _archived(archive: Path, models: Sequence[Model]) -> Iterator[tuple[str, t.IO[bytes]]]:
    try:
        with tarfile.open(archive) as opened:
            for member in opened:
                path = PurePosixPath(member.name.removeprefix("./"))
                if member.isreg() and _wanted(path, models) and (stream := opened.extractfile(member)):
                    yield str(path), stream
    except tarfile.TarError as error:
        raise ModelsError(f"{archive} is not a tar archive: {error}") from error


def _listed(top: Path, models: Sequence[Model]) -> Iterator[tuple[str, t.IO[bytes]]]:
    for path, status in _walk(top):
        relative = PurePosixPath(path.relative_to(top))
        if stat.S_ISREG(status.st_mode) and _wanted(relative, models):
            # A container has written it, and may have put a link there since.
            with os.fdopen(os.open(path, READ), "rb") as stream:
                yield str(relative), stream


def _copy(stream: t.IO[bytes], target: Path) -> RecordedFile:
    """Write a file that root owns and all can read, flushed to disk."""
    _make(target.parent)
    summed, size = hashlib.sha256(), 0
    handle = os.open(target, CREATE, 0o644)
    with os.fdopen(handle, "wb") as written:
        while block := stream.read(BLOCK):
            summed.update(block)
            size += len(block)
            written.write(block)
        os.fchmod(handle, 0o644)
    files.sync(target)
    return RecordedFile(size, summed.hexdigest())


def _make(folder: Path) -> None:
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir()
        folder.chmod(0o755)  # whatever the umask is


def _digest_of(path: Path) -> str:
    summed = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            summed.update(block)
    return f"sha256:{summed.hexdigest()}"
