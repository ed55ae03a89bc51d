"""Images: pinned references, tags at their registries, images that run on each server, and the SBOM."""

from silo.images.bom import document
from silo.images.collector import Row, survey
from silo.images.pins import Pins
from silo.images.reference import ImageError, Reference, newer
from silo.images.registry import Registry, RegistryError
from silo.images.running import Answers, Running, Template, read

__all__ = [
    "Answers",
    "ImageError",
    "Pins",
    "Reference",
    "Registry",
    "RegistryError",
    "Row",
    "Running",
    "Template",
    "document",
    "newer",
    "read",
    "survey",
]
