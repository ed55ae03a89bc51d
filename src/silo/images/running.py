"""What runs on each server, and what it should be: one playbook that reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from silo.ansible import results
from silo.images.reference import ImageError, Reference

PLAYBOOK = "images.yml"
POLICY, SERVER = "Read the policy", "Read the images"


@dataclasses.dataclass(frozen=True)
class Running:
    """A container of ours: its server, its image as Compose names it, and the digests by which registries know that."""

    server: str
    container: str
    image: str
    digests: tuple[str, ...]
    state: str

    @property
    def familiar(self) -> str:
        """The name of its image, without tag and digest; as it stands where it is not a full one."""
        try:
            return Reference.parse(self.image).familiar
        except ImageError:
            return self.image


def read(inventory: Path) -> tuple[Mapping[str, str], tuple[Running, ...], tuple[str, ...]]:
    """Return the images that should run, by name; the containers; and a sentence for each server that is away.

    Raises silo.ansible.runner.RunError where Ansible cannot read the inventory.
    """
    book = results.read(PLAYBOOK, inventory)
    images: dict[str, str] = {}
    for _host, told in sorted(book.get(POLICY, {}).items()):
        images |= {} if told.problem else told.values["msg"]
    found: list[Running] = []
    problems = []
    for host, told in sorted(book.get(SERVER, {}).items()):
        if told.problem:
            problems.append(f"{host} does not say what it runs: {told.problem}")
            continue
        for one in told.values["containers"]:
            digests = tuple(digest.rpartition("@")[2] for digest in one["digests"])
            found.append(Running(host, one["name"], one["image"], digests, one["state"]))
    return images, tuple(found), tuple(problems)
