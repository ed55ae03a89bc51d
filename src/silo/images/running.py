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


@dataclasses.dataclass(frozen=True)
class Template:
    """A template of new tenants on a NAS: the images of which it was made, when (UTC, ISO 8601), its size in bytes."""

    nas: str
    key: str
    server: str
    database: str
    vector_extension: str
    made_at: str
    size_bytes: int


@dataclasses.dataclass(frozen=True)
class Answers:
    """What the machines say. `policy` are the images that should run, by name; `problems` are sentences."""

    policy: Mapping[str, str]
    running: tuple[Running, ...] = ()
    templates: tuple[Template, ...] = ()
    problems: tuple[str, ...] = ()


def read(inventory: Path) -> Answers:
    """Ask all servers and NAS; raises silo.ansible.runner.RunError where Ansible cannot read the inventory."""
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
    templates, away = _templates(book.get(TaskId.TEMPLATES, {}))
    return Answers(images, tuple(found), tuple(templates), (*problems, *away))


def _templates(answers: Mapping[str, results.TaskResult]) -> tuple[list[Template], list[str]]:
    found: list[Template] = []
    problems = []
    for nas, result in sorted(answers.items()):
        if result.problem:
            problems.append(f"{nas} does not say which templates it has: {result.problem}")
            continue
        for one in result.values["templates"]:
            made_of = one["made_of"]
            parts = (made_of["server"], made_of["database"], made_of["vector_extension"])
            found.append(Template(nas, one["key"], *parts, one["made_at"], one["size"]))
    return found, problems
