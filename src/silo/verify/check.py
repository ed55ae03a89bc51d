"""One promise that was looked at."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Check:
    """`check` is what was looked at and `subject` where: hans/server, hans, silo1. `seen` never holds a secret."""

    check: str
    subject: str
    ok: bool
    seen: str
    expected: str
