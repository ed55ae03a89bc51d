# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings of many tenants with their templates filled in, each once for all tenants for which it says the same.

Ansible fills in a template anew for each host, and most settings of a tenant are templates of the policy, the same for
all: of a hundred tenants they take three seconds. What a template says is known by what it is made of: its own text,
and all that it names, and what that names.
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

# By these a template may look at anything, or say something else each time.
ANYTHING = frozenset({"hostvars", "vars", "lookup", "query", "q", "now"})
BY_CHANCE = frozenset({"random", "shuffle", "password_hash"})
PARSER = jinja2.Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"], autoescape=False)  # noqa: S701


@functools.cache
def _named(template: str) -> frozenset[str] | None:
    """Return the names that stand in a template; None where they do not tell all that it is made of."""
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
    """Return the templates in a value as a file has it; what nobody trusts as a template is text."""
    return [text for text in _texts(value) if "{" in text and is_trusted_as_template(text)]


def parts(value: t.Any, raw: Values) -> Parts | None:
    """Return all that a value is made of, by name; None where nobody can know."""
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


class Merged:
    """The settings of one tenant after the other, of hosts whose variables Ansible has merged."""

    def __init__(self, hostvars: Mapping[str, Values]) -> None:
        """Take Ansible's `hostvars`, or plain values by host."""
        self._hostvars = hostvars
        self._raw: Callable[[str], Values] | None = getattr(hostvars, "raw_get", None)
        self._known: dict[str, list[tuple[t.Any, Parts, t.Any]]] = {}

    def settings(self, name: str, prefix: str) -> dict[str, t.Any]:
        """Return the variables of the host `name` that begin with `prefix`."""
        if self._raw is None:
            return {key: value for key, value in self._hostvars[name].items() if key.startswith(prefix)}
        raw = self._raw(name)
        host = functools.cache(lambda: self._hostvars[name])
        return {key: self._value(key, raw, host) for key in raw if key.startswith(prefix)}

    def _value(self, key: str, raw: Values, host: Callable[[], Values]) -> t.Any:
        value = raw[key]
        if not templates(value):
            return value
        made_of = parts(value, raw)
        if made_of is None:
            return host()[key]
        for same, same_parts, result in self._known.setdefault(key, []):
            if same == value and same_parts == made_of:
                return result
        result = host()[key]
        self._known[key].append((value, made_of, result))
        return result
