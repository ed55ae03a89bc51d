# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Collects the results of an apply's calls, and formats them for people."""

from __future__ import annotations

import itertools
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

Values = Mapping[str, t.Any]
Outcomes = dict[str, dict[str, t.Any]]

HEADINGS = ("tenant", "found", "wanted", "what differs", "what ends it")
NOTHING = "nothing"
FAILED = "failed"
LEFT = "left alone"
# Of a cell or a sentence, which may quote what a tenant's containers said.
LONGEST = 1000


class _Call(t.NamedTuple):
    """The one call to a machine, for its tenants in scope. `known`: server to all its tenants in the inventory."""

    host: str
    scope: list[str]
    known: Mapping[str, list[str]]
    result: Values

    @property
    def problem(self) -> str:
        """Why the whole call failed; empty if it has a result for each tenant."""
        if "tenants" in self.result:
            return ""
        said = " ".join(str(self.result.get("msg", "no message")).split())
        return f"{self.host}: {said.removeprefix('Task failed: ')}"


def _calls(
    hostvars: Values, speakers: Iterable[str], place: str, scoped: str, result_of: t.Callable[[Values], Values | None]
) -> Iterator[_Call]:
    """Yield the calls to the machines of `speakers`; --tags may skip a kind, and a host may have no tenant."""
    for values in (hostvars[speaker] for speaker in speakers):
        result = result_of(values)
        if result and not result.get("skipped"):
            host, scope = values[f"tenant_{place}"], values["__tenant_scope"]
            names = [one if isinstance(one, str) else one["name"] for one in scope[scoped][host]]
            yield _Call(host, names, scope["known"], result)


def _registered(name: str) -> t.Callable[[Values], Values | None]:
    return lambda values: values.get(name)


def _before_stacks(part: str) -> t.Callable[[Values], Values | None]:
    """Find the result of what the call of the stacks did first, where it did."""
    return lambda values: (values.get("__tenant_stacks") or {}).get("parts", {}).get(part)


def _on_servers(hostvars: Values, groups: Mapping[str, list[str]]) -> Iterator[_Call]:
    return _calls(
        hostvars, groups.get("one_tenant_per_server", []), "server", "servers", _registered("__tenant_stacks")
    )


def _on_storages(hostvars: Values, groups: Mapping[str, list[str]]) -> Iterator[_Call]:
    speakers = groups.get("one_tenant_per_nas", []), groups.get("one_tenant_per_server", [])
    yield from _calls(hostvars, speakers[0], "nas", "storage", _registered("__tenant_storage"))
    yield from _calls(hostvars, speakers[1], "server", "storage", _before_stacks("storage"))


def _on_disks(hostvars: Values, groups: Mapping[str, list[str]]) -> Iterator[_Call]:
    for result_of in (_registered("__tenant_disk"), _before_stacks("disk")):
        yield from _calls(hostvars, groups.get("one_tenant_per_server", []), "server", "disks", result_of)


def _left_out(hostvars: Values, groups: Mapping[str, list[str]]) -> Mapping[str, list[str]]:
    """Return tenant to what is wrong with its settings; each host of the run has the same scope."""
    hosts = (name for name in groups.get("tenants", []) if name in hostvars)
    scopes = (scope for name in hosts if (scope := hostvars[name].get("__tenant_scope")))
    return next((scope.get("problems", {}) for scope in scopes), {})


def _outcome(error: str = "") -> dict[str, t.Any]:
    return {"observed": "", "desired": "", "changes": [], "error": error, "note": ""}


def tenant_outcomes(hostvars: Values, groups: Mapping[str, list[str]]) -> Outcomes:
    """Return tenant to observed, desired, changes (list of what and action), error and note, for all calls of an apply.

    If a whole call failed, each tenant in its scope has its error. Who was left out of the scope has the reason.
    """
    outcomes = {name: _outcome("; ".join(texts)) for name, texts in _left_out(hostvars, groups).items()}
    for call in _on_servers(hostvars, groups):
        outcomes |= {name: _outcome(call.problem) for name in call.scope}
        for name, stack in call.result.get("tenants", {}).items():
            outcomes[name] = {**stack, "changes": list(stack["changes"])}
    for what, calls in (("disk", _on_disks(hostvars, groups)), ("storage", _on_storages(hostvars, groups))):
        for call in calls:
            _add_quotas(outcomes, what, call)
    return outcomes


def _add_quotas(outcomes: Outcomes, what: str, call: _Call) -> None:
    """Add what a call has done to quotas, before what was done after it."""
    for name in call.scope:
        outcome = outcomes.setdefault(name, _outcome())
        outcome["error"] = call.problem or outcome["error"]
    for name, quota in call.result.get("tenants", {}).items():
        changes = [{"what": what, "action": change} for change in quota["changes"]]
        outcomes[name]["changes"] = changes + outcomes[name]["changes"]
        if quota["failed"]:
            outcomes[name]["error"] = quota["msg"]


def tenant_orphans(hostvars: Values, groups: Mapping[str, list[str]]) -> list[str]:
    """Return a sentence for each server with containers of tenants that should not be there."""
    sentences = []
    for call in sorted(_on_servers(hostvars, groups)):
        somewhere = {name for names in call.known.values() for name in names}
        orphans = call.result.get("orphans", [])
        nowhere = [name for name in orphans if name not in somewhere]
        elsewhere = [name for name in orphans if name in somewhere]
        sentences += [f"Running on {call.host}, but in no inventory: {', '.join(nowhere)}"] if nowhere else []
        sentences += [f"Running on {call.host}, but another server's: {', '.join(elsewhere)}"] if elsewhere else []
    return [printable(sentence, LONGEST) for sentence in sentences]


def tenant_left_alone(hostvars: Values, groups: Mapping[str, list[str]]) -> list[str]:
    """Return a sentence for each tenant that was left alone on purpose."""
    notes = {name: outcome["note"] for name, outcome in tenant_outcomes(hostvars, groups).items() if outcome["note"]}
    return [printable(f"{name}: {note}.", LONGEST) for name, note in sorted(notes.items())]


def _by_action(changes: Iterable[Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield differences and their action; adjacent differences with the same action share a line."""
    for action, group in itertools.groupby(changes, key=lambda change: change["action"]):
        yield ", ".join(change["what"] for change in group), action


def _rows(outcomes: Outcomes) -> Iterator[tuple[str, ...]]:
    for name, outcome in sorted(outcomes.items()):
        changes = list(_by_action(outcome["changes"]))
        changes += [(FAILED, " ".join(outcome["error"].split()))] if outcome["error"] else []
        changes += [(LEFT, outcome["note"])] if outcome["note"] else []
        changes = changes or [(NOTHING, "")]
        for number, change in enumerate(changes):
            head = (name, outcome["observed"], outcome["desired"]) if number == 0 else ("", "", "")
            yield (*head, *change)


def tenant_table(outcomes: Outcomes) -> str:
    """Return a table with a line for each difference and each error."""
    rows = [tuple(printable(cell, LONGEST) for cell in row) for row in (HEADINGS, *_rows(outcomes))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


class FilterModule:
    """The filters, by the names that playbooks use."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return name to function."""
        return {
            "tenant_left_alone": tenant_left_alone,
            "tenant_orphans": tenant_orphans,
            "tenant_outcomes": tenant_outcomes,
            "tenant_table": tenant_table,
        }
