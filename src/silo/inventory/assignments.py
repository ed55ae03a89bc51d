"""The words KEY=VALUE of 'silo set': any setting of the schema that one tenant may have for itself."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from silo.inventory.errors import InventoryError, shown
from silo.inventory.validation import NOT_BY_HAND, SETTINGS
from silo.tenant.schema import PREFIX, options


def by_hand() -> list[str]:
    """Return the settings that `silo set` takes, without their prefix."""
    return [key.removeprefix(PREFIX) for key in SETTINGS if key not in NOT_BY_HAND]


def parse(name: str, words: Iterable[str]) -> dict[str, str | None]:
    """Return keyword to value of words such as quota=500G; None for one that goes, as in log_level=.

    A key may have its prefix, and a - in place of a _. Raises InventoryError with all that is wrong.
    """
    problems, values = [], {}
    for word in words:
        key, equals, value = word.partition("=")
        setting = key.strip().replace("-", "_").removeprefix(PREFIX)
        if (
            problem := _problem(name, key, setting)
            if equals
            else f"{shown(word)}: it must be KEY=VALUE, such as quota=500G"
        ):
            problems.append(problem)
        elif setting in values:
            problems.append(f"setting {shown(key)} is there twice; give it once")
        else:
            values[setting] = value or None
    if problems:
        raise InventoryError(problems)
    return values


def _problem(name: str, key: str, setting: str) -> str:
    option = options().get(f"{PREFIX}{setting}")
    if option is None:
        return unknown(key, setting)
    if reason := NOT_BY_HAND.get(f"{PREFIX}{setting}"):
        return f"setting {shown(key)} cannot be set by hand: {reason.format(name=name)}"
    if option["type"] in ("dict", "list"):
        where = f"host_vars/{name}/overrides.yml"
        return (
            f"setting {shown(key)} is more than one value; write {PREFIX}{setting} in {where}, then 'silo apply {name}'"
        )
    return ""


def unknown(key: str, setting: str) -> str:
    """Return the sentence on a setting that there is not."""
    near = difflib.get_close_matches(setting, [option.removeprefix(PREFIX) for option in options()], n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(by_hand())}."
    return f"unknown setting {shown(key)}. {hint}"
