"""Images: pinned references, tags at their registries, images that run on each server, and the SBOM."""

from silo.images.bom import document
from silo.images.collector import Row, survey
from silo.images.pins import Pins
from silo.images.reference import ImageError, Reference, newer
from silo.images.registry import Registry, RegistryError
from silo.images.running import Running, read

__all__ = [
    "ImageError",
    "Pins",
    "Reference",
    "Registry",
    "RegistryError",
    "Row",
    "Running",
    "document",
    "newer",
    "read",
    "survey",
]
