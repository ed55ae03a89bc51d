"""The one schema of a tenant, which lies in the collection of this repository, with what is asked of new values."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Collection, Mapping

from ansible_collections.swissphoto.silo.plugins.module_utils.common.text import printable

from silo import email_address, languages
from silo.identifiers import SUBSCRIPTION
from silo.inventory.document import Scalar
from silo.inventory.errors import InventoryError, foreign_letter, shown
from silo.tenant.model import PREFIX_LENGTH, Tenant, check_fleet, derive
from silo.tenant.names import name_problem, new_name_problem
from silo.tenant.schema import LANGUAGE, PREFIX, SIZE, TenantError, options, typed
from silo.tenant.services import memory_settings

__all__ = [
    "NOT_BY_HAND",
    "PREFIX_LENGTH",
    "REASONS",
    "SETTINGS",
    "STATES",
    "Tenant",
    "TenantError",
    "check_fleet",
    "check_name",
    "check_new_name",
    "derive",
    "new_values",
]

# What the tool writes, in this order; the keyword of an edit is the name without its prefix.
_FIRST = (
    "tenant_email",
    "tenant_plan",
    "tenant_quota",
    "tenant_disk",
    "tenant_state",
    "tenant_state_reason",
    "tenant_state_since",
    "tenant_language",
    "tenant_subscription",
    "tenant_extended_until",
    "tenant_extension_reason",
    "tenant_server",
    "tenant_nas",
    *memory_settings(),
)
_POLICY = "it is the same for all tenants; set it in group_vars of the inventory"
_ONCE = "it is given once, and what the tenant has on its machines goes by it"
# What nobody sets like this, and what is right in its place; {name} is the tenant.
NOT_BY_HAND: Mapping[str, str] = {
    "tenant_address_pool": _POLICY,
    "tenant_directory": _POLICY,
    "tenant_disk_backend": _POLICY,
    "tenant_disk_overcommit": _POLICY,
    "tenant_disk_root": _POLICY,
    "tenant_disk_sentinel": _POLICY,
    "tenant_domain": _POLICY,
    "tenant_extended_until": "use 'silo extend {name} --until DAY --reason TEXT'",
    "tenant_extension_reason": "use 'silo extend {name} --until DAY --reason TEXT'",
    "tenant_file": "the inventory plugin sets it",
    "tenant_index": _ONCE,
    "tenant_machine_learning_models": _POLICY,
    "tenant_machine_learning_port": _POLICY,
    "tenant_routes_directory": _POLICY,
    "tenant_secrets": "an apply makes them once; 'silo reset-access {name}' sends the customer a new link",
    "tenant_server": "a tenant's database stays on its server; 'silo create' chooses one",
    "tenant_state": "use 'silo start {name}', 'silo stop {name}' or 'silo delete {name}'",
    "tenant_state_reason": "it goes with the state; use 'silo stop {name} --because REASON'",
    "tenant_state_since": "it goes with the state, and silo writes it",
    "tenant_storage_backend": _POLICY,
    "tenant_storage_overcommit": _POLICY,
    "tenant_storage_root": _POLICY,
    "tenant_storage_sentinel": _POLICY,
    "tenant_subnet": _ONCE,
    "tenant_uid_base": _POLICY,
    "tenant_vector_extension": "it goes with the database's image; set it in group_vars of the inventory",
    "tenant_wait_seconds": _POLICY,
}
SETTINGS = (
    *_FIRST,
    *(
        key
        for key, option in options().items()
        if option["type"] in ("str", "bool", "int", "float") and key not in (*NOT_BY_HAND, *_FIRST)
    ),
)
STATES: tuple[str, ...] = tuple(options()["tenant_state"]["choices"])
REASONS: tuple[str, ...] = tuple(options()["tenant_state_reason"]["choices"])
DAYS = ("tenant_extended_until", "tenant_state_since")
LONGEST = 254
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_EXAMPLES = {
    "tenant_email": email_address.RIGHT,
    "tenant_subscription": "the id of a subscription, such as sub_1QxAbcDef,",
    "tenant_extended_until": "a day such as 2027-01-15",
    "tenant_state_since": "a day such as 2027-01-15",
}
_KINDS = {"bool": "true or false", "int": "a whole number", "float": "a number"}


def check_name(name: str) -> None:
    """Refuse what cannot be a tenant's name, before it becomes part of a path; raises InventoryError."""
    _refuse(name, name_problem(name))


def check_new_name(name: str) -> None:
    """Refuse what cannot be the name of a new tenant, which is more; raises InventoryError."""
    _refuse(name, new_name_problem(name))


def _refuse(name: str, problem: str | None) -> None:
    if problem is None:
        return
    problem = problem.replace(repr(name), shown(name))
    foreign = foreign_letter(name)
    raise InventoryError(f"{problem}; it holds {foreign}" if foreign else problem)


def new_values(name: str, settings: Mapping[str, object], plans: Collection[str]) -> dict[str, Scalar | None]:
    """Return `tenant_*` values of the keywords of an edit, None for one that goes; raises InventoryError.

    What is refused here would harm before the schema sees it: a template, which Ansible would fill in.
    """
    problems = []
    values: dict[str, Scalar | None] = {}
    for keyword, value in settings.items():
        key = f"{PREFIX}{keyword}"
        if key not in SETTINGS:
            near = difflib.get_close_matches(key, SETTINGS, n=1)
            meant = f". Did you mean {near[0].removeprefix(PREFIX)!r}?" if near else ""
            problems.append(f"{name}: unknown setting {shown(keyword)}{meant}")
        elif value is None:
            values[key] = None
        elif isinstance(value, str) and _is_plain(value) and (right := typed(key, value)) is not None:
            values[key] = languages.normal(value) or right if key == LANGUAGE else right
        else:
            problems.append(f"{name}: {key} is {shown(value)}; {_right(key, plans)}")
    for key, value in values.items():
        choices = _choices(key, plans)
        wrong = value is not None and bool(choices) and value not in choices
        if key == "tenant_email" and (problem := email_address.problem(value)):
            problems.append(f"{name}: {key} is {shown(value)}; {problem}")
        if key == "tenant_subscription":
            wrong = value is not None and not SUBSCRIPTION.fullmatch(str(value))
        if key in DAYS:
            wrong = value is not None and not _is_day(str(value))
        if wrong:
            problems.append(f"{name}: {key} is {shown(value)}; {_right(key, plans)}")
    if problems:
        raise InventoryError(problems)
    return values


def _is_plain(value: str) -> bool:
    """Tell whether a text is one line, of a sane length, and no template."""
    return (
        0 < len(value) <= LONGEST
        and value == value.strip()
        and value == printable(value, LONGEST)
        and not any(mark in value for mark in ("{{", "{%", "{#"))
    )


def _is_day(value: str) -> bool:
    """Tell whether a text is a day as ISO 8601 writes it, and one that there is."""
    try:
        return bool(DAY.fullmatch(value) and datetime.date.fromisoformat(value))
    except ValueError:
        return False


def _choices(key: str, plans: Collection[str]) -> list[str]:
    return sorted(plans) if key == "tenant_plan" else list(options()[key].get("choices", ()))


def _right(key: str, plans: Collection[str]) -> str:
    if choices := _choices(key, plans):
        return f"it must be one of {', '.join(choices)}"
    if key in _EXAMPLES:
        return f"it must be {_EXAMPLES[key]}"
    if kind := _KINDS.get(options().get(key, {}).get("type", "")):
        return f"it must be {kind}"
    if SIZE.fullmatch(key):
        return "it must be a size such as 512M, 100G or 1T"
    return f"it must be one line of at most {LONGEST} plain characters"
