"""What the modules take and return by their documentation, of which `ansible-test sanity` proves that it is true."""

from __future__ import annotations

import functools
import importlib
import typing as t
from collections.abc import Iterable, Iterator, Mapping

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

PLUGINS = "ansible_collections.swissphoto.silo.plugins"
# What any module may return.
COMMON = frozenset({"changed", "diff", "failed", "invocation", "msg"})

Values = Mapping[str, t.Any]


def problems(name: str, parameters: Values, answer: Values) -> Iterator[str]:
    """Yield what of a call the module `name` would not take, and what of the answer it would not give."""
    yield from ArgumentSpecValidator(options(name)).validate(dict(parameters)).error_messages
    if not answer.get("failed") or len(answer) > 2:
        yield from _unlike(answer, _returned(name), "the answer")


@functools.cache
def options(name: str) -> dict[str, t.Any]:
    """Return what a module takes, as a specification of arguments."""
    documentation = yaml.safe_load(module(name).DOCUMENTATION)
    documented: dict[str, t.Any] = {}
    fragments = documentation.get("extends_documentation_fragment", [])
    for fragment in [fragments] if isinstance(fragments, str) else fragments:
        path = f"{PLUGINS}.doc_fragments.{fragment.removeprefix('swissphoto.silo.')}"
        documented |= yaml.safe_load(importlib.import_module(path).ModuleDocFragment.DOCUMENTATION)["options"]
    return _specification(documented | documentation.get("options", {}))


@functools.cache
def _returned(name: str) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", yaml.safe_load(module(name).RETURN))


def module(name: str) -> t.Any:
    """Return a module, as Python has it."""
    return importlib.import_module(f"{PLUGINS}.modules.{name}")


def _specification(documented: Values) -> dict[str, t.Any]:
    known = ("type", "elements", "required", "choices", "default")
    return {
        name: {key: option[key] for key in known if key in option}
        | ({"options": _specification(option["suboptions"])} if "suboptions" in option else {})
        for name, option in documented.items()
    }


def _unlike(answer: Values, documented: Values, where: str) -> Iterator[str]:
    always = {key for key, value in documented.items() if value.get("returned", "always") != "when the tenant failed"}
    if unknown := answer.keys() - documented.keys() - COMMON:
        yield f"{where} has {', '.join(sorted(unknown))}, which is not documented"
    if missing := always - answer.keys():
        yield f"{where} has no {', '.join(sorted(missing))}"
    for key, value in documented.items():
        if contained := value.get("contains"):
            for item in _items(answer.get(key), contained):
                yield from _unlike(item, contained, f"{where}: {key}")


def _items(value: t.Any, contained: Values) -> Iterable[Values]:
    """Return what is described as `contained`: the value itself, or each in a list, or each by its name."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return []
    return [value] if value.keys() & contained.keys() else list(value.values())
