# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The registry of checks. To add a check is to write one function below `@check`.

The function gets its subject (a server, a tenant, a container ...) and returns a Finding, several, or None if the check
does not apply to this subject. The subject also has the values that the inventory expects.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Iterable, Iterator

from .finding import Finding

Scope = t.Literal["controller", "domain", "nas", "disk", "server", "tenant", "container"]
Selection = t.Literal["preflight", "verify"]
VERIFY: tuple[Selection, ...] = ("verify",)
PREFLIGHT: tuple[Selection, ...] = ("preflight",)
BOTH: tuple[Selection, ...] = ("preflight", "verify")


class Subject(t.Protocol):
    """What a check examines."""

    @property
    def name(self) -> str:
        """Its name in findings, such as hans/server."""

    @property
    def fix(self) -> str:
        """The fix of a check that has none of its own."""


S = t.TypeVar("S", bound=Subject)
# Union and Optional outside of annotations: the pylint of ansible-test takes | for an operation.
Function = Callable[[S], t.Union[Finding, Iterable[Finding], None]]  # noqa: UP007


@dataclasses.dataclass(frozen=True)
class Check(t.Generic[S]):
    """A registered check. `fix` says what to do if it fails; if it is empty, the subject's fix counts."""

    id: str
    scope: Scope
    selections: tuple[Selection, ...]
    fix: str
    function: Function[S]

    def __call__(self, subject: S) -> list[Finding]:
        """Return the findings on `subject`, complete with id, subject and fix."""
        found = self.function(subject)
        findings = [found] if isinstance(found, Finding) else list(found or ())
        return [self._complete(finding, subject) for finding in findings]

    def _complete(self, finding: Finding, subject: S) -> Finding:
        fix = "" if finding.ok else finding.fix or self.fix or subject.fix
        return dataclasses.replace(finding, id=self.id, subject=finding.subject or subject.name, fix=fix)


class Registry:
    """Checks in the order in which they were registered."""

    def __init__(self) -> None:
        """Create an empty registry."""
        self.checks: list[Check[t.Any]] = []

    def check(
        self, check_id: str, *, scope: Scope, selections: tuple[Selection, ...] = VERIFY, fix: str = ""
    ) -> Callable[[Function[S]], Check[S]]:
        """Register the function below; raises ValueError if a selection already has a check of this id and scope."""

        def register(function: Function[S]) -> Check[S]:
            for one in self.checks:
                if (one.id, one.scope) == (check_id, scope) and set(one.selections) & set(selections):
                    raise ValueError(f"there are two checks {check_id} of scope {scope}")
            made = Check(check_id, scope, selections, fix, function)
            self.checks.append(made)
            return made

        return register

    def of(self, selection: Selection, scope: Scope) -> Iterator[Check[t.Any]]:
        """Yield the checks of a scope in a selection."""
        return (one for one in self.checks if selection in one.selections and one.scope == scope)


# The checks that run on a server; the controller has its own registry.
ON_SERVER = Registry()
check = ON_SERVER.check
