"""What is said of an edit: the message of its commit, and the difference that it makes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from silo.inventory.document import Document, Scalar
from silo.inventory.transaction import DESK, Move, Step

# What is written when a state changes.
STATE = frozenset(("tenant_state", "tenant_state_reason", "tenant_state_since"))
VERBS = {"running": "Start", "stopped": "Stop", "suspended": "Suspend", "absent": "Take down"}


def said(name: str, before: Document, values: Mapping[str, Scalar | None]) -> str:
    """Return the commit's message; addresses stay out of it, as nobody can take them out of a history."""
    reason = values.get("tenant_state_reason")
    why = f" ({reason})" if reason and reason != "operator" else ""
    if "tenant_state" in values and values.keys() <= STATE:
        return f"{VERBS.get(str(values['tenant_state']), 'Change')} tenant {name}{why}"
    if values and values.keys() <= STATE:
        return f"Explain the state of tenant {name}{why}"
    parts = []
    for key, value in values.items():
        label, old = key.removeprefix("tenant_").replace("_", " "), before.settings.get(key)
        if key == "tenant_email":
            parts.append(label)
        elif value is None:
            parts.append(f"{label} {old} taken away")
        else:
            parts.append(f"{label} {value}" if old is None else f"{label} {old} to {value}")
    return f"Change tenant {name} ({', '.join(parts)})"


def diff(step: Step) -> str:
    """Return the difference of a step, as git shows it."""
    if isinstance(step, Move):
        if step.target.startswith(f"{DESK}/"):
            return f"remove {step.source}\n"
        return f"rename from {step.source}\nrename to {step.target}\n"
    before, after = ((text or "").splitlines(keepends=True) for text in (step.before, step.after))
    names = (
        "/dev/null" if step.before is None else f"a/{step.path}",
        "/dev/null" if step.after is None else f"b/{step.path}",
    )
    lines = difflib.unified_diff(before, after, *names)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
