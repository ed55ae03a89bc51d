# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Evaluates the templates in the settings of many tenants, each once for all tenants with the same result.

Ansible evaluates a template again for each host, and most settings of a tenant are the same templates of the policy:
for a hundred tenants this takes three seconds. The result of a template depends on its text, the variables that it
names, and the variables that these name.
"""

from __future__ import annotations

import functools
import typing as t
from collections.abc import Callable, Iterator, Mapping

import jinja2
from ansible.template import is_trusted_as_template
from jinja2 import nodes

Values = Mapping[str, t.Any]
Parts = dict[str, t.Any]
# Variable to its raw value, the variables that it depends on, and its result.
Known = dict[str, list[tuple[t.Any, Parts, t.Any]]]

# A template with one of these may read any variable, or have a different result each time.
ANYTHING = frozenset({"hostvars", "vars", "lookup", "query", "q", "now"})
BY_CHANCE = frozenset({"random", "shuffle", "password_hash"})
PARSER = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"], autoescape=False)  # noqa: S701


@functools.cache
def _named(template: str) -> frozenset[str] | None:
    """Return the names in a template; None if its result depends on more than these."""
    try:
        tree = PARSER.parse(template)
    except jinja2.TemplateError:
        return None
    names = frozenset(node.name for node in tree.find_all(nodes.Name))
    filters = {node.name.rpartition(".")[2] for node in tree.find_all(nodes.Filter)}
    return None if names & ANYTHING or filters & BY_CHANCE else names


def _texts(value: t.Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def templates(value: t.Any) -> list[str]:
    """Return the templates in a raw value; a value that Ansible does not trust as a template is text."""
    return [text for text in _texts(value) if "{" in text and is_trusted_as_template(text)]


def parts(value: t.Any, raw: Values) -> Parts | None:
    """Return all variables that a value depends on, by name; None if these are unknown."""
    found: Parts = {}
    waiting = [value]
    while waiting:
        for template in templates(waiting.pop()):
            names = _named(template)
            if names is None:
                return None
            for name in names & raw.keys() - found.keys():
                found[name] = raw[name]
                waiting.append(raw[name])
    return found


class Host(Mapping[str, t.Any]):
    """The variables of one host, each evaluated when it is read."""

    def __init__(self, name: str, hostvars: Mapping[str, Values], known: Known) -> None:
        """Share the known results of other hosts, and add to them."""
        raw: Callable[[str], Values] | None = getattr(hostvars, "raw_get", None)
        self._name, self._hostvars, self._known = name, hostvars, known
        self._raw = raw(name) if raw else None

    def __getitem__(self, key: str) -> t.Any:
        """Return the value of a variable; raises Ansible's exceptions."""
        if self._raw is None:
            return self._filled[key]
        value = self._raw[key]
        if not templates(value):
            return value
        made_of = parts(value, self._raw)
        if made_of is None:
            return self._filled[key]
        for same, same_parts, result in self._known.setdefault(key, []):
            if same == value and same_parts == made_of:
                return result
        result = self._filled[key]
        self._known[key].append((value, made_of, result))
        return result

    def __iter__(self) -> Iterator[str]:
        """Yield the names of all variables."""
        return iter(self._filled if self._raw is None else self._raw)

    def __len__(self) -> int:
        """Return their number."""
        return len(list(iter(self)))

    @functools.cached_property
    def _filled(self) -> Values:
        return self._hostvars[self._name]


class Merged:
    """The variables of all hosts, which Ansible has merged."""

    def __init__(self, hostvars: Mapping[str, Values]) -> None:
        """Keep Ansible's `hostvars`, or plain values by host."""
        self._hostvars = hostvars
        self._known: Known = {}

    def __getitem__(self, name: str) -> Host:
        """Return the variables of a host."""
        return Host(name, self._hostvars, self._known)
