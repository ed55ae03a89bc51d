"""The SBOM as CycloneDX: the controller's Python packages and collections, and the images on the servers."""

from __future__ import annotations

import importlib.metadata
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from silo.images.reference import ImageError, Reference
from silo.images.running import Running


def _packages() -> Iterator[Component]:
    seen = set()
    for package in importlib.metadata.distributions():
        name, version = package.metadata["Name"], package.version
        if name and (name, version) not in seen:
            seen.add((name, version))
            purl = PackageURL("pypi", None, name.lower().replace("_", "-"), version)
            yield Component(name=name, version=version, type=ComponentType.LIBRARY, purl=purl, bom_ref=str(purl))


def _collections() -> Iterator[Component]:
    spec = find_spec("ansible_collections")
    for place in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(place).glob("*/*/MANIFEST.json")):
            about = json.loads(path.read_text(encoding="utf-8"))["collection_info"]
            group, name, version = about["namespace"], about["name"], about["version"]
            reference = f"ansible-collection:{group}.{name}@{version}"
            yield Component(group=group, name=name, version=version, type=ComponentType.LIBRARY, bom_ref=reference)


def _images(running: Iterable[Running]) -> Iterator[Component]:
    """Yield each image once, with the servers that run it; two digests of one name are two images."""
    users: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for one in running:
        for digest in one.digests or ("",):
            users[one.image, digest].append(f"{one.server}/{one.container}")
    for (text, digest), names in sorted(users.items()):
        try:
            image = Reference.parse(text)
        except ImageError:
            image = Reference("", text)
        place = f"{image.registry}/{image.repository}".strip("/")
        qualifiers = {"repository_url": place, **({"tag": image.tag} if image.tag else {})}
        purl = PackageURL("oci", None, image.repository.rpartition("/")[2].lower(), digest or None, qualifiers)
        yield Component(
            name=place,
            version=digest or image.tag or None,
            type=ComponentType.CONTAINER,
            purl=purl,
            bom_ref=str(purl),
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest.removeprefix("sha256:"))] if digest else [],
            properties=[Property(name="silo:container", value=name) for name in sorted(names)],
        )


def document(running: Iterable[Running]) -> dict[str, Any]:
    """Return the SBOM as CycloneDX 1.6, as an object of JSON."""
    bom = Bom(components=[*_packages(), *_collections(), *_images(running)])
    return dict(json.loads(JsonV1Dot6(bom).output_as_string()))
