"""Writes the defaults of each role, from its defaults/main.yml, into its meta/argument_specs.yml.

There ansible-doc finds them. A play takes them from defaults/main.yml alone, so a default is changed there; `python
tools/reference.py` makes the copy.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

SPECS, DEFAULTS = Path("meta") / "argument_specs.yml", Path("defaults") / "main.yml"
# Of a line; what does not fit has a line for each item.
WIDTH = 100
OPTION = re.compile(r" {6}(\w+):")
# What an option says of itself; deeper lines belong to it.
FIELD = re.compile(r" {8}(\w+):")
# After the last of these, as people write it.
BEFORE = ("type", "elements", "choices", "required")


class _Dumper(yaml.SafeDumper):
    """Indents lists as this repository does."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent, also a list in a mapping."""
        del indentless
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Quote as this repository does, where quotes are needed."""
    bare = yaml.safe_dump(text, width=10_000)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if bare.startswith("'") else None)


_Dumper.add_representer(str, _text)


def defaults(role: Path) -> Mapping[str, t.Any]:
    """Return the defaults of a role that say something; a required option has none."""
    path = role / DEFAULTS
    found = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}
    specs = yaml.safe_load((role / SPECS).read_text(encoding="utf-8"))["argument_specs"]
    required = {
        name for spec in specs.values() for name, option in spec.get("options", {}).items() if option.get("required")
    }
    return {name: value for name, value in found.items() if name not in required}


def specs(role: Path) -> str:
    """Return the text of the role's argument_specs with its defaults."""
    known = defaults(role)
    lines = (role / SPECS).read_text(encoding="utf-8").splitlines()
    return "\n".join(line for block in _blocks(lines) for line in _with_default(block, known)) + "\n"


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Yield the lines of each option, and those between options."""
    block: list[str] = []
    for line in lines:
        if line and not line.startswith(" " * 8):
            yield block
            block = []
        block.append(line)
    yield block


def _with_default(block: list[str], known: Mapping[str, t.Any]) -> list[str]:
    found = OPTION.match(block[0]) if block else None
    if not found:
        return block
    fields: dict[str, list[str]] = {}
    for line in block[1:]:
        if named := FIELD.match(line):
            fields[named[1]] = [line]
        else:
            fields[next(reversed(fields))].append(line)
    fields.pop("default", None)
    if found[1] not in known:
        return [block[0], *(line for part in fields.values() for line in part)]
    last = max((place for place, name in enumerate(fields) if name in BEFORE), default=-1)
    parts = list(fields.values())
    parts.insert(last + 1, _default(known[found[1]]))
    return [block[0], *(line for part in parts for line in part)]


def _default(value: t.Any) -> list[str]:
    is_short = isinstance(value, list) and all(isinstance(one, str | int | float) for one in value)
    for flow in (True, False) if is_short else (False,):
        text = yaml.dump(value, Dumper=_Dumper, default_flow_style=flow, sort_keys=False, width=10_000)
        text = text.removesuffix("...\n").rstrip()
        if "\n" not in text and len(text) <= WIDTH and (flow or not isinstance(value, list | dict) or not value):
            return [f"        default: {text}"]
    return ["        default:", *(f"          {line}" for line in text.splitlines())]


def outdated(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield each argument_specs.yml that is not as it would be written, with what it should have."""
    for path in sorted(root.glob("roles/*/meta/argument_specs.yml")):
        text = specs(path.parents[1])
        if path.read_text(encoding="utf-8") != text:
            yield path, text
