"""The file with the images: reads it, and changes references without any other byte."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ansible_collections.swissphoto.silo.plugins.module_utils.common import files
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode

from silo.images.reference import ImageError, Reference

VARIABLE = "silo_images"
NAME = Path("group_vars") / "all" / "images.yml"


@dataclasses.dataclass(frozen=True)
class Pins:
    """The images of one file, by name."""

    path: Path
    text: str
    images: Mapping[str, Reference]

    @classmethod
    def of(cls, inventory: Path, root: Path) -> Pins:
        """Return the images of the inventory's file; where it has none yet, those of the repository `root`, for it.

        An inventory in the repository itself, such as the demo's, is pinned in the repository's file.
        """
        own = inventory / NAME
        if own.is_file() or inventory.resolve().is_relative_to(root.resolve()):
            return cls.read(own if own.is_file() else root / NAME)
        return dataclasses.replace(cls.read(root / NAME), path=own)

    @classmethod
    def read(cls, path: Path) -> Pins:
        """Read a file; raises ImageError if it has no images."""
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ImageError(f"{path} cannot be read: {error.strerror}") from None
        return cls(path, text, {name: Reference.parse(node.value) for name, node in _nodes(path, text).items()})

    def pinned(self, digests: Mapping[str, Reference]) -> Pins:
        """Return a copy with other references, by name; comments, order and quotes stay."""
        text = self.text
        nodes = _nodes(self.path, text)
        # From the end, so that earlier positions stay valid.
        for name in sorted(digests, key=lambda one: nodes[one].start_mark.index, reverse=True):
            node = nodes[name]
            quote = node.style if node.style in ("'", '"') else ""
            text = f"{text[: node.start_mark.index]}{quote}{digests[name]}{quote}{text[node.end_mark.index :]}"
        found = {name: Reference.parse(node.value) for name, node in _nodes(self.path, text).items()}
        if found != {**self.images, **digests}:
            raise ImageError(f"{self.path} cannot be edited without changing its other lines; edit it by hand")
        return dataclasses.replace(self, text=text, images=found)

    def write(self) -> None:
        """Write the file atomically; its mode stays."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        files.write(self.path, self.text)


def _nodes(path: Path, text: str) -> dict[str, ScalarNode]:
    right = f"it must have lines such as 'traefik: docker.io/library/traefik:v3.7.15' below '{VARIABLE}:'"
    try:
        root: t.Any = YAML().compose(text)
    except YAMLError:
        raise ImageError(f"{path} is not YAML; {right}") from None
    pairs = root.value if isinstance(root, MappingNode) else []
    tables = [value for key, value in pairs if key.value == VARIABLE]
    if len(tables) != 1 or not isinstance(tables[0], MappingNode):
        raise ImageError(f"{path} has no images; {right}")
    nodes = {key.value: value for key, value in tables[0].value}
    if not nodes or not all(isinstance(node, ScalarNode) for node in nodes.values()):
        raise ImageError(f"{path} has no images; {right}")
    return nodes
