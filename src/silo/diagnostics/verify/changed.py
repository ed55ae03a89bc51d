"""Whether what is promised holds for the tenants that a run changed: by what it found, and by their addresses."""

from __future__ import annotations

import functools
import time
import typing as t
from collections.abc import Callable, Mapping

from silo.ansible.contract import TaskId
from silo.ansible.results import Book, TaskResult
from silo.diagnostics.verify import address, quota
from silo.diagnostics.verify.check import Check, away

# Tasks of apply.yml, and of verify-changed.yml.
TENANTS, STORED = TaskId.SCOPE, TaskId.STORAGE
NAMED, SERVER, QUOTAS = TaskId.CHANGED, TaskId.CHANGED_CHECKS, TaskId.CHANGED_QUOTAS
# Traefik takes a route some tenths of a second after it is written.
PATIENCE_SECONDS = 5.0
PAUSE_SECONDS = 0.1

Facts = Mapping[str, Mapping[str, t.Any]]


def broken(book: Book) -> list[Check]:
    """Return what does not hold; a machine that does not answer is a promise that does not hold."""
    scope = next((told.values for told in book.get(TENANTS, {}).values() if not told.problem), {})
    facts: Facts = scope.get("tenants", {})
    checks = _on_servers(book.get(SERVER, {}), facts)
    checks += _on_storage(book.get(QUOTAS, {}), book.get(STORED, {}), facts)
    checks += _outside(book.get(NAMED, {}), facts)
    return [check for check in checks if not check.ok]


def _on_servers(answers: Mapping[str, TaskResult], facts: Facts) -> list[Check]:
    checks = []
    for speaker, told in answers.items():
        if told.problem:
            checks.append(away(facts[speaker]["server"], told))
        else:
            checks += [Check(**one) for one in told.values.get("checks", [])]
    return checks


def _on_storage(answers: Mapping[str, TaskResult], stored: Mapping[str, TaskResult], facts: Facts) -> list[Check]:
    checks = []
    for speaker, told in answers.items():
        if told.problem:
            checks.append(away(facts[speaker]["nas"], told))
            continue
        # A task that is skipped answers with nothing.
        found = told.values.get("tenants", {})
        done = stored[speaker].values["tenants"].items() if found else ()
        changed = [name for name, one in done if one["changed"] and not one["failed"]]
        checks += [quota.wall(name, facts[name], told.values["backend"], found.get(name)) for name in changed]
    return checks


def _outside(answers: Mapping[str, TaskResult], facts: Facts) -> list[Check]:
    checks = []
    for told in answers.values():
        # A task that is skipped names nobody, and one that fails is of a machine that does not answer either.
        place = {} if told.problem or told.values.get("skipped") else told.values["msg"]
        for name in place.get("tenants", ()):
            host_name, state = facts[name]["host_name"], facts[name]["desired"]
            checks.append(_soon(functools.partial(address.answers, host_name, place["address"], state)))
            # Nobody has the address of an absent one any more, and so no certificate is for it.
            if state != "absent":
                checks.append(_soon(functools.partial(address.trusted, host_name, place["address"], place["ca_file"])))
    return checks


def _soon(look: Callable[[], Check]) -> Check:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (check := look()).ok and time.monotonic() < deadline:
        time.sleep(PAUSE_SECONDS)
    return check
