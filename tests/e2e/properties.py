"""What a test needs of the images that a lab runs: `@pytest.mark.needs_property("models")`."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable
from pathlib import Path

import pytest

from tests.lab.image_set import PROPERTIES

DESCRIPTIONS = {name: text for properties in PROPERTIES.values() for name, text in properties.items()}


def of_lab() -> Collection[str]:
    """Return the properties of the lab that SILO_LAB_FILE names; all of them where it does not say."""
    path = Path(os.environ.get("SILO_LAB_FILE", ""))
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return known.get("properties", DESCRIPTIONS)


def missing(needed: Iterable[str], properties: Collection[str]) -> str:
    """Return why a test cannot run with images of these properties; an empty text if it can."""
    absent = [f"{name}: {DESCRIPTIONS[name]}" for name in needed if name not in properties]
    return f"the images of this lab have no {', and no '.join(absent)}" if absent else ""


def skip(items: Iterable[pytest.Item]) -> None:
    """Skip each test that needs a property which the images of the lab lack."""
    properties = of_lab()
    for item in items:
        needed = [name for marker in item.iter_markers("needs_property") for name in marker.args]
        if unknown := set(needed) - set(DESCRIPTIONS):
            raise pytest.UsageError(
                f"{item.nodeid}: needs_property: {', '.join(sorted(unknown))} is unknown; "
                f"tests/lab/image_set.py has {', '.join(sorted(DESCRIPTIONS))}"
            )
        if reason := missing(needed, properties):
            item.add_marker(pytest.mark.skip(reason=reason))
