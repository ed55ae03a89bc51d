"""The end of a module that changes the storage: its result, and its failure if a tenant failed."""

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


def finish(
    module: AnsibleModule,
    backend: Backend,
    tenants: Any,
    outcomes: Sequence[One],
    diff_of: Callable[[One], dict[str, str]],
    changed: bool = False,
) -> None:
    """End the module with C(tenants) as result; fail, and name the failed tenants, if there are some.

    C(changed) says whether something beside the tenants was changed.
    """
    result: dict[str, Any] = {
        "backend": backend.name,
        "tenants": tenants,
        "changed": changed or any(outcome.changed for outcome in outcomes),
        "diff": [diff_of(outcome) for outcome in outcomes if outcome.changed],
    }
    failed = [f"{outcome.name}: {outcome.error}" for outcome in outcomes if outcome.error]
    if failed:
        module.fail_json(msg="; ".join(failed), **result)
    module.exit_json(**result)
