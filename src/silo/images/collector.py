"""Compares each image with its registry and with the servers."""

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
    """The queries to registries."""

    def digest(self, image: Reference) -> str:
        """Return the current digest of a tag."""

    def tags(self, image: Reference) -> list[str]:
        """Return all tags of a repository."""


@dataclasses.dataclass(frozen=True)
class Row:
    """An image. `current` is the current digest of its tag; `runs`: server to the digests that run there.

    `problem` says why the registry could not be queried; empty otherwise.
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
    # An image with only a digest has no newer tags.
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
    """Return a row for each image; without a registry, only with the images that run."""
    listed = tuple(running)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        asked = list(pool.map(lambda image: _asked(image, registry), images.values()))
    return tuple(
        Row(name, str(image), image.tag, image.digest, current, tags, _runs(image, listed), problem)
        for (name, image), (current, tags, problem) in zip(images.items(), asked, strict=True)
    )
