"""One thing that was looked at, and what is to do where it is not right."""

from __future__ import annotations

import dataclasses
import typing as t

State = t.Literal["ok", "warning", "wrong", "unknown"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """`subject` is what was looked at, such as DNS; `place` where: a server, a tenant, a name.

    `text` says what is now, `remedy` what to do; it is empty where all is well.
    """

    subject: str
    place: str
    state: State
    text: str
    remedy: str = ""
