# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The templates that a run needs: found on the NAS, or made there by the first who needs one."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from ..common.names import TEMPLATES
from . import template_stack
from .lending import Lending
from .stack import StackError
from .template import STACK, Kept, Store, Template, templates

_TEXT = {"type": "str", "required": True}
_TEMPLATE: dict[str, t.Any] = {
    "key": {**_TEXT, "no_log": False},
    "made_of": {"type": "dict", "required": True},
    "uid": {"type": "int", "required": True},
    "photo_server": _TEXT,
    "compose": _TEXT,
    "env": _TEXT,
    "configuration": _TEXT,
    "folders": {"type": "list", "elements": "str", "required": True},
    "secrets": {"type": "dict", "required": True, "no_log": True},
}
OPTION: dict[str, t.Any] = {"templates": {"type": "list", "elements": "dict", "default": [], "options": _TEMPLATE}}
"""The option of a module that makes templates, as the documentation's fragment `templates` has it."""
MAKE, ANEW = "make", "make anew, its file is damaged"


@dataclasses.dataclass(frozen=True)
class Found:
    """What came of it, by key: the templates that are there, what ended a difference, and what stood in the way."""

    kept: Mapping[str, Kept] = dataclasses.field(default_factory=dict)
    actions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    problems: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Stock:
    """The templates of the NAS. `templates` are those that may be asked for, `make` makes one and keeps it.

    `needed` are the keys that tenants of this NAS need, on whatever server. `wait_seconds` is how long another server
    that makes one is waited for.
    """

    store: Store
    templates: Mapping[str, Template]
    make: Callable[[Template, Store], Kept]
    needed: Collection[str] = ()
    wait_seconds: float = 0

    def survey(self, keys: Collection[str]) -> Found:
        """Return what `provide` would find and do."""
        actions = {key: action for key in keys if (action := self._action(key))}
        return Found(actions=actions)

    def provide(self, keys: Collection[str]) -> Found:
        """Have the templates there, each made where it is missing or damaged; one that fails is its own problem."""
        if not keys:
            return Found()
        if not self.store.is_there():
            problem = f"{self.store.folder} is missing on the NAS; the storage part of an apply makes it"
            return Found(problems=dict.fromkeys(keys, problem))
        kept: dict[str, Kept] = {}
        actions: dict[str, str] = {}
        problems: dict[str, str] = {}
        for key in keys:
            try:
                kept[key], action = self._provide(key)
                actions |= {key: action} if action else {}
            except (StackError, OSError) as error:
                problems[key] = str(error)
        return Found(kept, actions, problems)

    def sweep(self) -> list[str]:
        """Remove what no tenant needs, and return the keys."""
        if not self.store.is_there() or not self.store.old(self.needed):
            return []
        with self.store.one_maker(self.wait_seconds):
            old = self.store.old(self.needed)
            self.store.remove(old)
        return old

    def _action(self, key: str) -> str:
        kept = self.store.find(key)
        if kept is None:
            return MAKE
        return "" if self.store.sound(kept) else ANEW

    def _provide(self, key: str) -> tuple[Kept, str]:
        kept = self.store.find(key)
        if kept and self.store.sound(kept):
            return kept, ""
        with self.store.one_maker(self.wait_seconds):
            # Another server may have made it meanwhile.
            action = self._action(key)
            kept = self.store.find(key)
            return (kept, "") if kept and not action else (self.make(self.templates[key], self.store), action)


def stock(parameters: Mapping[str, t.Any], needed: Collection[str] = ()) -> Stock:
    """Return the templates of the NAS, beside whose sentinel they lie; their stack lies beside the tenants'.

    `parameters` are those of a module.
    """
    seconds = parameters["wait_seconds"]
    tools = template_stack.Tools(lambda directory: template_stack.compose(directory, seconds))
    known = templates(parameters["templates"], Path(parameters["directory"]).parent / STACK)
    lending = Lending(Path(parameters["directory"]))

    def make(template: Template, store: Store) -> Kept:
        lent = lending.make_room({}, template=True)
        if lent.in_the_way:
            raise StackError(f"the template of these images cannot be made: {lent.in_the_way}")
        return template_stack.make(template, store, tools)

    return Stock(
        Store(Path(parameters["sentinel"]).parent / TEMPLATES),
        {one.key: one for one in known},
        make,
        needed,
        seconds,
    )
