# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an apply found and did, gathered from its calls and laid out for people."""

from __future__ import annotations

import itertools
import typing as t
from collections.abc import Iterable, Iterator, Mapping

Outcomes = dict[str, dict[str, t.Any]]

HEADINGS = ("tenant", "found", "wanted", "what differs", "what ends it")
NOTHING = "nothing"


def _results(hostvars: Mapping[str, t.Any], hosts: Iterable[str], name: str) -> Iterator[Mapping[str, t.Any]]:
    for host in hosts:
        result = hostvars[host].get(name)
        if result and "tenants" in result:
            yield result


def tenant_outcomes(hostvars: Mapping[str, t.Any], groups: Mapping[str, list[str]]) -> Outcomes:
    """Return tenant to observed, desired, changes (list of what and action) and error, from all calls of an apply."""
    outcomes: Outcomes = {}
    for result in _results(hostvars, groups.get("speak_for_server", []), "__tenant_stacks"):
        for name, stack in result["tenants"].items():
            outcomes[name] = {**stack, "changes": list(stack["changes"])}
    for result in _results(hostvars, groups.get("speak_for_nas", []), "__tenant_storage"):
        for name, storage in result["tenants"].items():
            outcome = outcomes.setdefault(name, {"observed": "", "desired": "", "changes": [], "error": ""})
            changes = [{"what": "storage", "action": change} for change in storage["changes"]]
            outcome["changes"] = changes + outcome["changes"]
            if storage["failed"]:
                outcome["error"] = storage["msg"]
    return outcomes


def tenant_orphans(hostvars: Mapping[str, t.Any], groups: Mapping[str, list[str]]) -> list[str]:
    """Return the tenants that run on a server and are in no inventory."""
    results = _results(hostvars, groups.get("speak_for_server", []), "__tenant_stacks")
    return sorted({name for result in results for name in result["orphans"]})


def _by_action(changes: Iterable[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield what differs and what ends it; neighbours that end alike stand in one line."""
    for action, group in itertools.groupby(changes, key=lambda change: change["action"]):
        yield ", ".join(change["what"] for change in group), action


def _rows(outcomes: Outcomes) -> Iterator[tuple[str, ...]]:
    for name, outcome in sorted(outcomes.items()):
        changes = list(_by_action(outcome["changes"])) or [(NOTHING, "")]
        for number, change in enumerate(changes):
            head = (name, outcome["observed"], outcome["desired"]) if number == 0 else ("", "", "")
            yield (*head, *change)


def tenant_table(outcomes: Outcomes) -> str:
    """Return a table with a line for each difference."""
    rows = [HEADINGS, *_rows(outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


class FilterModule:
    """The filters, by the names that playbooks use."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return name to function."""
        return {
            "tenant_orphans": tenant_orphans,
            "tenant_outcomes": tenant_outcomes,
            "tenant_table": tenant_table,
        }
