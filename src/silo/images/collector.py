"""Each image beside what its registry has now and what runs of it."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

from silo.images.reference import Reference, newer
from silo.images.registry import RegistryError
from silo.images.running import Running

WORKERS = 8


class Asked(t.Protocol):
    """What is asked of registries."""

    def digest(self, image: Reference) -> str:
        """Return the digest that a tag has now."""

    def tags(self, image: Reference) -> list[str]:
        """Return all tags of a repository."""


@dataclasses.dataclass(frozen=True)
class Row:
    """An image. `current` is the digest of its tag now; `runs`: server to the digests of what runs there of it.

    `problem` says why a registry could not be asked; empty where it was, or was not to be.
    """

    name: str
    image: str
    tag: str
    digest: str
    current: str
    newer: tuple[str, ...]
    runs: Mapping[str, tuple[str, ...]]
    problem: str


def _asked(image: Reference, registry: Asked | None) -> tuple[str, tuple[str, ...], str]:
    # Of an image that is named by its digest alone, no registry can say what is newer.
    if registry is None or not image.tag:
        return "", (), ""
    try:
        return registry.digest(image), tuple(newer(image.tag, registry.tags(image))), ""
    except RegistryError as error:
        return "", (), str(error)


def _runs(image: Reference, running: Iterable[Running]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for one in running:
        if one.familiar == image.familiar:
            found.setdefault(one.server, set()).update(one.digests or ("without a digest",))
    return {server: tuple(sorted(digests)) for server, digests in sorted(found.items())}


def survey(images: Mapping[str, Reference], running: Iterable[Running], registry: Asked | None) -> tuple[Row, ...]:
    """Return a row for each image; without a registry nobody is asked, and what runs is all that is told."""
    listed = tuple(running)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        asked = list(pool.map(lambda image: _asked(image, registry), images.values()))
    return tuple(
        Row(name, str(image), image.tag, image.digest, current, tags, _runs(image, listed), problem)
        for (name, image), (current, tags, problem) in zip(images.items(), asked, strict=True)
    )
