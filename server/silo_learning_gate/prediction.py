"""What may be asked of the machine learning: Immich's tasks, the models of the platform, options in their ranges."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
from collections.abc import Collection, Mapping

from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json
from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from .answers import unprocessable

LARGEST_ENTRIES = 4096
# {task: {type: {"options": {...}}}} has four levels.
DEEPEST_ENTRIES = 5
LONGEST_SHOWN = 60
Content = t.Literal["image", "text"]


class Option(t.Protocol):
    """A rule for the value of an option."""

    @property
    def usual(self) -> t.Any:
        """Immich's default. None: the option is left out."""

    @property
    def right(self) -> str:
        """What a value must be, for a sentence."""

    def allows(self, value: t.Any) -> bool:
        """Return whether the value may pass."""


@dataclasses.dataclass(frozen=True)
class Number:
    """A number from `least` to `most`; `whole` ones only, if so."""

    usual: float
    least: float
    most: float
    whole: bool = False

    @property
    def right(self) -> str:
        """What a value must be."""
        return f"a {'whole ' if self.whole else ''}number from {self.least:g} to {self.most:g}"

    def allows(self, value: t.Any) -> bool:
        """Return whether it is such a number; True and False are none."""
        kinds = (int,) if self.whole else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool) and self.least <= value <= self.most


@dataclasses.dataclass(frozen=True)
class Language:
    """A language such as de-CH."""

    usual: None = None
    right: str = "a language such as de or de-CH"

    def allows(self, value: t.Any) -> bool:
        """Return whether it has the form of a language tag."""
        return isinstance(value, str) and re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8}){0,2}", value) is not None


SCORE = (0.1, 1.0)
"""Immich's own range of scores."""


@dataclasses.dataclass(frozen=True)
class Task:
    """A task of Immich: what it is about, and the models that it needs, each with its options."""

    content: Content
    types: Mapping[str, Mapping[str, Option]]


# All that Immich 3 asks (server/src/repositories/machine-learning.repository.ts), with the defaults of its config.ts.
# A resolution below 32 breaks its text detection, and the picture itself bounds it above.
TASKS: Mapping[str, tuple[Task, ...]] = {
    "clip": (Task("image", {"visual": {}}), Task("text", {"textual": {"language": Language()}})),
    "facial-recognition": (Task("image", {"detection": {"minScore": Number(0.7, *SCORE)}, "recognition": {}}),),
    "ocr": (
        Task(
            "image",
            {
                "detection": {
                    "minScore": Number(0.5, *SCORE),
                    "maxResolution": Number(736, 32, 8192, whole=True),
                },
                "recognition": {"minScore": Number(0.8, *SCORE)},
            },
        ),
    ),
}


@dataclasses.dataclass(frozen=True)
class Prediction:
    """A request that may pass: the text of `entries`, and the name of the field with its content."""

    entries: str
    content: Content


def parse(text: bytes, models: Mapping[str, Collection[str]]) -> Prediction:
    """Return what the field `entries` asks for, written anew; raises Refusal.

    Options that it leaves out get Immich's defaults: the models are shared, and keep what they were told last.
    """
    try:
        entries = bounded_json.parse(text, LARGEST_ENTRIES, DEEPEST_ENTRIES, unique=True)
    except bounded_json.JsonError as error:
        raise unprocessable(f"entries: {error}") from None
    if not isinstance(entries, dict) or len(entries) != 1:
        raise unprocessable("entries: it must be an object with one task")
    ((name, types),) = entries.items()
    if name not in TASKS:
        raise unprocessable(f"entries: the task {_shown(name)} is not known; known are {', '.join(TASKS)}")
    task = _task(name, types)
    checked = {
        kind: _model(f"entries.{name}.{kind}", types[kind], options, models.get(name, ()))
        for kind, options in task.types.items()
    }
    return Prediction(json.dumps({name: checked}, allow_nan=False), task.content)


def _task(name: str, types: t.Any) -> Task:
    for task in TASKS[name]:
        if isinstance(types, dict) and types.keys() == task.types.keys():
            return task
    right = " or ".join(" and ".join(task.types) for task in TASKS[name])
    raise unprocessable(f"entries.{name}: it must be an object with {right}")


def _model(place: str, entry: t.Any, options: Mapping[str, Option], known: Collection[str]) -> dict[str, t.Any]:
    if not isinstance(entry, dict) or not entry.keys() <= {"modelName", "options"} or "modelName" not in entry:
        raise unprocessable(f"{place}: it must be an object with modelName and options, and nothing else")
    name, given = entry["modelName"], entry.get("options", {})
    if not isinstance(name, str) or name not in known:
        raise unprocessable(
            f"{place}.modelName: the model {_shown(name)} is not one of the platform; these are "
            f"{', '.join(sorted(known)) or 'none'}"
        )
    if not isinstance(given, dict):
        raise unprocessable(f"{place}.options: it must be an object")
    for key, value in given.items():
        if key not in options:
            right = ", ".join(options) or "none"
            raise unprocessable(f"{place}.options: {_shown(key)} is not known; known are {right}")
        if not options[key].allows(value):
            raise unprocessable(f"{place}.options.{key}: it is {_shown(value)}; it must be {options[key].right}")
    usual = {key: option.usual for key, option in options.items() if option.usual is not None}
    return {"modelName": name, "options": usual | given}


def _shown(value: t.Any) -> str:
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    return printable(json.dumps(value, ensure_ascii=False), LONGEST_SHOWN)
