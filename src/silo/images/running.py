"""The images that run on each server, and those that should, read by one playbook."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from silo.ansible import results
from silo.ansible.contract import ReadTag, TaskId
from silo.images.reference import ImageError, Reference


@dataclasses.dataclass(frozen=True)
class Running:
    """A container of silo: its server, its image as Compose names it, and the registry digests of the image."""

    server: str
    container: str
    image: str
    digests: tuple[str, ...]
    state: str

    @property
    def familiar(self) -> str:
        """The name of its image, without tag and digest; unchanged if it is not a full name."""
        try:
            return Reference.parse(self.image).familiar
        except ImageError:
            return self.image


def read(inventory: Path) -> tuple[Mapping[str, str], tuple[Running, ...], tuple[str, ...]]:
    """Return the desired images, by name; the containers; and a sentence for each server that does not answer.

    Raises silo.ansible.runner.RunError if Ansible cannot read the inventory.
    """
    book = results.read(inventory, ReadTag.IMAGES)
    images: dict[str, str] = {}
    for _host, result in sorted(book.get(TaskId.IMAGE_POLICY, {}).items()):
        images |= {} if result.problem else result.values["msg"]
    found: list[Running] = []
    problems = []
    for host, result in sorted(book.get(TaskId.IMAGES, {}).items()):
        if result.problem:
            problems.append(f"the images of {host} cannot be read: {result.problem}")
            continue
        for one in result.values["containers"]:
            digests = tuple(digest.rpartition("@")[2] for digest in one["digests"])
            found.append(Running(host, one["name"], one["image"], digests, one["state"]))
    return images, tuple(found), tuple(problems)
