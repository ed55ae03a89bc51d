"""A promise that was looked at."""

from __future__ import annotations

import dataclasses

from silo.ansible.results import TaskResult


@dataclasses.dataclass(frozen=True)
class Check:
    """`check` is what was looked at and `subject` where: hans/server, hans, silo1. `seen` never holds a secret."""

    check: str
    subject: str
    ok: bool
    seen: str
    expected: str


def away(subject: str, told: TaskResult) -> Check:
    """Return the check that fails where a host told nothing."""
    seen = "away" if told.values.get("unreachable") else "not looked at"
    return Check("host", subject, False, f"{seen}: {told.problem}", "it answers")
