"""JSON of a run of Ansible: what a tenant nested in it too deeply is cut out, and the rest is read."""

from __future__ import annotations

import json
import re
import typing as t

# Far deeper than anything that silo's own programs or an honest photo server write.
DEEPEST = 50
CUT = '"(nested too deeply)"'
_PARTS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)


def pruned(text: str) -> t.Any:
    """Return the value of a JSON text, in which a sentence replaces what is nested too deeply; raises ValueError."""
    end, kept = 0, []
    for begin, after in _deep_parts(text):
        kept += [text[end:begin], CUT]
        end = after
    return json.loads("".join([*kept, text[end:]]))


def _deep_parts(text: str) -> list[tuple[int, int]]:
    """Return from where to where lists and objects stand that are nested too deeply."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return []
    found, depth, begin = [], 0, 0
    for part in _PARTS.finditer(text):
        if part[0] in "[{":
            depth += 1
            if depth == DEEPEST + 1:
                begin = part.start()
        elif part[0] in "]}":
            if depth == DEEPEST + 1:
                found.append((begin, part.end()))
            depth -= 1
    return [*found, (begin, len(text))] if depth > DEEPEST else found
