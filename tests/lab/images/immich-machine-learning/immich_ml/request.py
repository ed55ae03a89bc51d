"""What a /predict request asks for."""

import json
from dataclasses import dataclass, field
from typing import Any

_TYPES = {
    "clip": {"visual", "textual"},
    "facial-recognition": {"detection", "recognition"},
    "ocr": {"detection", "recognition"},
}


class BadEntries(ValueError):
    """The field `entries` is not what the service understands; answered with 422."""


@dataclass(frozen=True)
class Task:
    """One task, for instance `clip`, with the types asked for, the model of each and its options, whatever they are."""

    name: str
    models: dict[str, str]
    options: dict[str, dict[str, Any]] = field(default_factory=dict)


def parse_entries(text: str) -> list[Task]:
    """The tasks in the JSON `{task: {type: {"modelName": name, "options": {...}}}}`. Raises BadEntries."""
    try:
        entries: Any = json.loads(text)
    except ValueError as error:
        raise BadEntries("Invalid request format.") from error
    if not isinstance(entries, dict) or not entries:
        raise BadEntries("Invalid request format.")
    return [_task(name, types) for name, types in entries.items()]


def _task(name: str, types: Any) -> Task:
    if name not in _TYPES or not isinstance(types, dict) or not types or not types.keys() <= _TYPES[name]:
        raise BadEntries(f"Invalid request format: {name}")
    models, options = {}, {}
    for kind, entry in types.items():
        model = entry.get("modelName") if isinstance(entry, dict) else None
        if not isinstance(model, str) or not isinstance(entry.get("options", {}), dict):
            raise BadEntries(f"Invalid request format: {name}.{kind}")
        models[kind] = model
        options[kind] = entry.get("options", {})
    return Task(name, models, options)
