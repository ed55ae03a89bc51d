"""What a plan says, and what a tenant has otherwise: a customer's exception, which a change of the plan ends."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible.module_utils.common.text.formatters import human_to_bytes

from silo import repository
from silo.inventory import document
from silo.inventory.transaction import Folder
from silo.tenant.model import Tenant
from silo.tenant.schema import SIZE, normal_size
from silo.tenant.sizes import ranges

SUFFIXES = (".yml", ".yaml", ".json", "")
PLAN = "tenant_plan"


def names(root: Path) -> list[str]:
    """Return the names of all plans: `plan_<name>` in group_vars/ of the repository or of the inventory."""
    files = (file for folder in _folders(root) for file in folder.glob("plan_*") if file.suffix in SUFFIXES)
    return sorted({file.stem.removeprefix("plan_") for file in files})


def said(root: Path, plan: str) -> dict[str, t.Any]:
    """Return the settings of a plan, as its files say them; an inventory's count above those of the repository."""
    found: dict[str, t.Any] = {}
    for folder in _folders(root):
        for file in sorted(folder.glob(f"plan_{plan}*")):
            if file.stem == f"plan_{plan}" and file.suffix in SUFFIXES:
                for one in sorted(file.glob("*")) if file.is_dir() else [file]:
                    found |= _settings(one)
    return found


def same(key: str, one: t.Any, other: t.Any) -> bool:
    """Tell whether two values of a setting mean the same, 1T and 1024G."""
    if not SIZE.fullmatch(key):
        return bool(one == other)
    try:
        return int(human_to_bytes(normal_size(one))) == int(human_to_bytes(normal_size(other)))
    except (TypeError, ValueError):
        return bool(one == other)


def exceptions(tenant: Tenant, policy: Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """Return what a tenant's own files give it otherwise than its plan: setting, value, and the plan's value.

    `policy` has what counts where a plan says nothing. A tenant without a plan has none. Files that cannot be read
    raise InventoryError.
    """
    plan, file = tenant.settings.get(PLAN), tenant.settings.get("tenant_file")
    if not plan or not file:
        return []
    folder = Path(file).parent
    offered = {**policy, **said(folder.parents[1], plan)}
    keys = {*ranges(), *said(folder.parents[1], plan)} & set(own(folder))
    return [
        {"setting": key, "value": tenant.settings[key], "plan": offered[key]}
        for key in sorted(keys)
        if key in offered
        and key in tenant.settings
        # What a template says in a plan, Ansible alone knows.
        and "{{" not in str(offered[key])
        and not same(key, tenant.settings[key], offered[key])
    ]


def own(folder: Path) -> dict[str, t.Any]:
    """Return the settings of all files of a tenant, in Ansible's order; none of what is encrypted."""
    found: dict[str, t.Any] = {}
    for file in sorted(folder.glob("*.yml")):
        found |= _settings(file)
    return found


def shown(exception: Mapping[str, t.Any]) -> str:
    """Return an exception for people."""
    label = exception["setting"].removeprefix("tenant_").replace("_", " ")
    return f"{label} {exception['value']} in place of {exception['plan']}"


def _folders(root: Path) -> Iterator[Path]:
    yield repository.policy()
    yield root / "group_vars"


def _settings(file: Path) -> Mapping[str, t.Any]:
    text = Folder(file.parent).read(file.name) or ""
    return {} if text.startswith(document.VAULT) else document.read(file.name, text).settings
