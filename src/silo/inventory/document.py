"""A tenant.yml as a text: what it says, and edits that leave every other byte of it alone."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import typing as t
from collections.abc import Mapping

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node

from silo.inventory.errors import InventoryError, shown

VAULT = "$ANSIBLE_VAULT;"
RIGHT = "it must hold lines such as 'tenant_plan: small'"
QUOTED = ("'", '"')
# What git leaves in a file that two people have changed.
CONFLICT = re.compile(r"^(?:<{7}|>{7})(?: |$)", re.MULTILINE)
TAB = re.compile(r"^ *\t", re.MULTILINE)
TWICE = re.compile(r"found duplicate key \"(.{1,80}?)\" with value", re.DOTALL)

Scalar = str | float


@dataclasses.dataclass(frozen=True)
class Document:
    """A file of settings. `settings` is what Ansible reads in it, `where` is how a sentence calls the file."""

    where: str
    text: str
    settings: Mapping[str, t.Any]


class _Loader(yaml.SafeLoader):
    """Reads as Ansible does, YAML 1.1; what is tagged, such as !vault, is a text."""


_Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def read(where: str, text: str) -> Document:
    """Return the settings of a text; raises InventoryError where it holds none."""
    if text.startswith(VAULT):
        raise InventoryError(f"{where}: it is encrypted by ansible-vault; its settings must be plain text")
    if mark := CONFLICT.search(text):
        right = "keep what is right of both versions, and remove the lines of <<<<<<<, ======= and >>>>>>>"
        raise InventoryError(f"{where}: line {_line(text, mark)} is the mark of a conflict of git; {right}")
    try:
        YAML().load(text)  # refuses a key that stands twice, of which Ansible would take the last
        settings = yaml.load(text, _Loader)  # noqa: S506  # a SafeLoader
    except (YAMLError, yaml.YAMLError, ValueError) as error:
        raise InventoryError(f"{where}: {_problem(error, text)}") from error
    except RecursionError:
        raise InventoryError(f"{where}: what it holds is nested too deeply; {RIGHT}") from None
    if settings is None:
        settings = {}
    if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
        raise InventoryError(f"{where}: it holds {shown(settings)}; {RIGHT}")
    return Document(where, text, settings)


def edit(document: Document, changes: Mapping[str, Scalar | None]) -> Document:
    """Return the document with `changes`: a value in its place, a new setting at the end, None for one that goes.

    Comments, order, quotes and line ends stay. Raises InventoryError where the file is written in a form that
    cannot be edited by line.
    """
    text = document.text
    for key, value in changes.items():
        text = _edit(document.where, text, key, value)
    gone = {key for key, value in changes.items() if value is None}
    wanted = {key: value for key, value in {**document.settings, **changes}.items() if key not in gone}
    with contextlib.suppress(InventoryError):
        after = read(document.where, text)
        if after.settings == wanted:
            return after
    raise InventoryError(f"{document.where}: it cannot be edited without a change to its other lines; edit by hand")


def _edit(where: str, text: str, key: str, value: Scalar | None) -> str:
    root = YAML().compose(text)
    line_end = "\r\n" if "\r\n" in text else "\n"
    if root is None or not isinstance(root, MappingNode):
        return text if value is None else _with_end(text, line_end) + f"{key}: {_scalar(value)}{line_end}"
    if root.flow_style:
        raise InventoryError(f"{where}: it holds all settings in one pair of braces; put each on its own line")
    pairs = {key_node.value: (key_node, value_node) for key_node, value_node in root.value}
    if key in pairs:
        key_node, value_node = pairs[key]
        if value is None:
            start, end = _line_start(text, key_node.start_mark.index), _after(text, value_node)
            return text[:start] + text[end:]
        return _replaced(text, key_node, value_node, value)
    if value is None:
        return text
    end = _after(text, root.value[-1][1])
    return _with_end(text[:end], line_end) + f"{key}: {_scalar(value)}{line_end}" + text[end:]


def _replaced(text: str, key_node: Node, value_node: Node, value: Scalar) -> str:
    start, end = value_node.start_mark.index, value_node.end_mark.index
    style = getattr(value_node, "style", None)
    if start == end:  # 'key:' and nothing after it
        colon = text.index(":", key_node.end_mark.index) + 1
        return f"{text[:colon]} {_scalar(value)}{text[colon:]}"
    line_end = "\n" if text[start:end].endswith("\n") else ""
    return text[:start] + _scalar(value, style if style in QUOTED else None) + line_end + text[end:]


def _scalar(value: Scalar, style: str | None = None) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if style == "'":
        return "'" + value.replace("'", "''") + "'"
    if style is None and _reads_as(value):
        return value
    return json.dumps(value)


def _reads_as(value: str) -> bool:
    """Tell whether a text without quotes is read as itself, and not as a number, a boolean or a comment."""
    try:
        return bool(yaml.safe_load(f"key: {value}\nother: 1\n") == {"key": value, "other": 1})
    except yaml.YAMLError:
        return False


def _after(text: str, node: Node) -> int:
    """Return where the line after the one ends on which `node` ends."""
    end = int(node.end_mark.index)
    if end and text[end - 1] == "\n" and node.start_mark.index < end:
        return end
    newline = text.find("\n", end)
    return len(text) if newline < 0 else newline + 1


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _with_end(text: str, line_end: str) -> str:
    return text if not text or text.endswith("\n") else text + line_end


def _problem(error: Exception, text: str) -> str:
    if isinstance(error, MarkedYAMLError | yaml.MarkedYAMLError):
        mark = error.problem_mark
        problem = " ".join(str(error.problem).split())
        if isinstance(error, DuplicateKeyError) and mark and (key := TWICE.search(str(error.problem))):
            return f"line {mark.line + 1} has {shown(key[1])} once more; keep one of the two lines"
        if tab := TAB.search(text):
            return f"line {_line(text, tab)} begins with a tab; write spaces"
        where = f"line {mark.line + 1}" if mark else "it"
        return f"{where} cannot be read, {problem}; {RIGHT}"
    return f"it cannot be read, {' '.join(str(error).split())}; {RIGHT}"


def _line(text: str, found: re.Match[str]) -> int:
    return text.count("\n", 0, found.start()) + 1
