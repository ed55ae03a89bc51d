# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The result of a check, on a server and on the controller alike."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

State = t.Literal["ok", "warning", "wrong", "unknown"]
# A server with many tenants has long lists; the first few are enough.
LISTED = 5


@dataclasses.dataclass(frozen=True)
class Finding:
    """The result of one check of one subject; no field contains a secret.

    `id` names the check, such as seccomp_profile. `subject` is what was checked: a container (hans/server), a tenant,
    a machine, a host name. `message` says what is, `fix` what to do; `fix` is empty if `state` is ok. `expected` and
    `seen` are the two values that the check compares, if any.
    """

    id: str
    subject: str
    state: State
    message: str = ""
    fix: str = ""
    expected: str = ""
    seen: str = ""

    @property
    def ok(self) -> bool:
        """Return whether the check passed."""
        return self.state == "ok"

    def as_dict(self) -> dict[str, str]:
        """Return the finding as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, t.Any]) -> Finding:
        """Return the finding of the values of `as_dict`; raises TypeError for other keys."""
        return cls(**values)


def holds(ok: bool, seen: str, expected: str, subject: str = "") -> Finding:
    """Return a finding for two values; the registry fills in the id, and the subject if it is empty."""
    if ok:
        return Finding("", subject, "ok", seen, "", expected, seen)
    return Finding("", subject, "wrong", f"{seen}; expected: {expected}", "", expected, seen)


def same(seen: str, expected: str, subject: str = "") -> Finding:
    """Return a finding that is ok if `seen` is `expected`."""
    return holds(seen == expected, seen, expected, subject)


def none_of(wrong: Iterable[str], seen: str, expected: str, subject: str = "") -> Finding:
    """Return a finding that is ok, and reports `seen`, if `wrong` is empty."""
    found = list(dict.fromkeys(wrong))
    more = f" and {len(found) - LISTED} more" if len(found) > LISTED else ""
    return holds(not found, ", ".join(found[:LISTED]) + more if found else seen, expected, subject)
