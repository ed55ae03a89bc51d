"""The images that a lab runs: its own stand-ins, cheap or `costly`, the official ones, or those of a file that `IMAGES`
names.

Such a file is YAML. For a key of `silo_images` it has a reference, which the server pulls, or the path of an archive of
`docker save`, which the lab's registry gets. The stand-ins serve what it does not name. `properties` lists what tests
may expect of these images beside the interface of Immich, from PROPERTIES. With `costs: real`, stand-ins start as
slowly and take as much memory as what they stand for.
"""

import functools
import hashlib
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from .command import LabError
from .images import NO_COSTS, STAND_INS

OFFICIAL = Path(__file__).parents[2] / "group_vars" / "all" / "images.yml"
# Properties of the stand-ins in addition to the interface of the official image; tests name those that they need.
PROPERTIES: Mapping[str, Mapping[str, str]] = {
    "immich_server": {
        "python": "Python in the image of the photo server, for programs that tests run inside of a tenant",
        "light": "a start of the photo server that takes less than ten seconds of processor time",
        "costs": "time and memory of the official image, for a tenant with STAND_IN_COSTS=real in its environment",
        "failed-jobs": "a count of the predictions that failed, in the photo server's answer about its jobs",
    },
    "immich_machine_learning": {
        "models": "a vector for each picture, without a download of models",
        "options-break": "models that all share, and that the options of a request break, as in the official image",
        "duration": "a time that each prediction takes, set by STAND_IN_SECONDS",
    },
}


REAL_COSTS = "real"
# Properties that a stand-in has only where it costs nothing.
CHEAP = frozenset({"light"})


@dataclass(frozen=True)
class Archive:
    """A file of `docker save` with one image."""

    path: Path

    @functools.cached_property
    def hash(self) -> str:
        """Twelve hex digits of its hash, which is its tag in the registry."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:12]


@dataclass(frozen=True)
class ImageSet:
    """The source of each image: `references` are pulled unchanged, `archives` go into the registry."""

    references: Mapping[str, str] = field(default_factory=dict)
    archives: Mapping[str, Archive] = field(default_factory=dict)
    claimed: frozenset[str] = frozenset()
    costs: str = NO_COSTS

    @property
    def stand_ins(self) -> dict[str, str]:
        """Key to name of the lab's own images, for those without another source."""
        return {key: name for key, name in STAND_INS.items() if key not in {*self.references, *self.archives}}

    @property
    def vector_extension(self) -> str:
        """The vector extension of the database, by Immich's name."""
        return "pgvector" if "postgres" in self.stand_ins else "vectorchord"

    @property
    def properties(self) -> list[str]:
        """The properties that tests may expect in addition to the interface."""
        own = {name for key in self.stand_ins for name in PROPERTIES.get(key, ())}
        return sorted((own if self.costs == NO_COSTS else own - CHEAP) | self.claimed)

    @property
    def key(self) -> str:
        """A text that identifies the set."""
        archives = {key: archive.hash for key, archive in self.archives.items()}
        return json.dumps([dict(self.references), archives, self.properties, self.costs], sort_keys=True)


def chosen(images: str) -> ImageSet:
    """The set that `IMAGES` means: nothing, `costly`, `official`, or a file. LabError names what is wrong with it."""
    if not images:
        return ImageSet()
    if images == "costly":
        return ImageSet(costs=REAL_COSTS)
    if images == "official":
        return ImageSet(_official())
    path = Path(images)
    if not path.is_file():
        raise LabError(
            f"IMAGES={images!r} is not known: official, costly, a file that exists, or nothing for the lab's own"
        )
    return _of_file(path)


def _official() -> dict[str, str]:
    """Return the references of production."""
    images = yaml.safe_load(OFFICIAL.read_text())["silo_images"]
    return {name: str(images[name]) for name in STAND_INS}


def _of_file(path: Path) -> ImageSet:
    try:
        values = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LabError(f"{path} is not YAML: {_line(error)}") from error
    if not isinstance(values, dict) or not values:
        raise LabError(f"{path} names no image; a line '<key>: <reference or archive>' for any of {_words(STAND_INS)}")
    claimed = values.pop("properties", [])
    known = {name for names in PROPERTIES.values() for name in names}
    if not isinstance(claimed, list) or (wrong := sorted({str(name) for name in claimed} - known)):
        shown = _words(wrong) if isinstance(claimed, list) else repr(claimed)
        raise LabError(f"{path}: properties: {shown} is not known; it must be a list of {_words(sorted(known))}")
    costs = values.pop("costs", NO_COSTS)
    if costs not in (NO_COSTS, REAL_COSTS):
        raise LabError(f"{path}: costs: {costs!r} is not known; {NO_COSTS} or {REAL_COSTS} is right")
    references, archives = dict[str, str](), dict[str, Archive]()
    for key, value in values.items():
        if key not in STAND_INS or not isinstance(value, str):
            raise LabError(f"{path}: {key}: {value!r} is not known; a reference or an archive for {_words(STAND_INS)}")
        # The beginning distinguishes a path from a reference, because both have slashes.
        if value.startswith(("/", "./", "../")):
            archives[key] = _archive(path.parent / value, f"{path}: {key}")
        else:
            references[key] = value
    return ImageSet(references, archives, frozenset(claimed), costs)


def _archive(path: Path, where: str) -> Archive:
    """Return an archive with one image, checked before anything is created."""
    try:
        with tarfile.open(path) as archive:
            manifest = archive.extractfile("manifest.json")
            count = len(json.load(manifest)) if manifest else 0
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise LabError(f"{where}: {path} is no archive of `docker save`: {_line(error)}") from error
    if count != 1:
        raise LabError(f"{where}: {path} holds {count} images; it must hold one")
    return Archive(path)


def _words(names: Iterable[str]) -> str:
    return ", ".join(names)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
