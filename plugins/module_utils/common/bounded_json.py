# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""JSON of somebody who may be hostile: bounded in size and in depth, and wrong in one way only."""

from __future__ import annotations

import json
import typing as t

LARGEST = 16 * 1024**2
DEEPEST = 64


class JsonError(ValueError):
    """A text that is no JSON, or more of it than is taken; the text has nothing of it."""


def parse(text: str | bytes, largest: int = LARGEST, deepest: int = DEEPEST, *, unique: bool = False) -> t.Any:
    """Return the value of a JSON text of at most `largest` characters or bytes; raises JsonError.

    Lists and objects may be nested `deepest` times. NaN and Infinity, which are no JSON, are refused. `unique` refuses
    an object that has a key twice; otherwise, the last one counts.
    """
    if len(text) > largest:
        raise JsonError(f"it has {len(text)} bytes; it must have at most {largest}")
    try:
        value = json.loads(text, parse_constant=_refuse, object_pairs_hook=_unique if unique else None)
    except JsonError:
        raise
    except ValueError as error:
        raise JsonError(f"it is not JSON in UTF-8 ({type(error).__name__})") from None
    except RecursionError:
        raise _too_deep(deepest) from None
    if _is_deeper(value, deepest):
        raise _too_deep(deepest)
    return value


def _too_deep(deepest: int) -> JsonError:
    return JsonError(f"it is nested too deeply; it must have at most {deepest} levels")


def _refuse(name: str) -> t.NoReturn:
    raise JsonError(f"it is not JSON: {name} is no number of it")


def _unique(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise JsonError("an object in it has a key twice")
    return found


def _is_deeper(value: t.Any, deepest: int) -> bool:
    level = [value]
    for _step in range(deepest):
        level = [child for one in level for child in _children(one)]
        if not level:
            return False
    return any(isinstance(one, (dict, list)) for one in level)


def _children(value: t.Any) -> t.Iterable[t.Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
