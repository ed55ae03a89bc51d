"""The result of a call that changes the storage; it failed if a tenant did."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import Backend

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


class Outcome(Protocol):
    """The outcome of one tenant; C(error) is empty on success."""

    @property
    def name(self) -> str:
        """The tenant."""

    @property
    def changed(self) -> bool:
        """Whether something was, or in check mode would be, changed."""

    @property
    def error(self) -> str:
        """Why the tenant failed."""


One = TypeVar("One", bound=Outcome)


def told(
    backend: Backend,
    tenants: Any,
    outcomes: Sequence[One],
    diff_of: Callable[[One], dict[str, str]],
    changed: bool = False,
) -> dict[str, Any]:
    """Return what a module gives back, with C(tenants) as they are; it names the failed ones, if there are some.

    C(changed) says whether something beside the tenants was changed.
    """
    result: dict[str, Any] = {
        "backend": backend.name,
        "tenants": tenants,
        "changed": changed or any(outcome.changed for outcome in outcomes),
        "diff": [diff_of(outcome) for outcome in outcomes if outcome.changed],
    }
    failed = [f"{outcome.name}: {outcome.error}" for outcome in outcomes if outcome.error]
    return {**result, "failed": True, "msg": "; ".join(failed)} if failed else result


def finish(module: AnsibleModule, result: dict[str, Any]) -> None:
    """End the module with its result, or with its failure."""
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)
