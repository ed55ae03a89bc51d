"""The whole work of C(storage_quota), which the module of the stacks does first in its own call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Runner
from ansible_collections.swissphoto.silo.plugins.module_utils.common.names import TEMPLATES
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import Backend, QuotaError
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.converge import QuotaOutcome, converge
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.detect import PLACE, open_backend
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.folder import Folder, read_folder, write_folder
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.missing_root import Fresh
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.result import told
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.rules import QuotaPolicy

# What is made in it has its group, by the third digit from the right.
TEMPLATES_MODE = 0o2770
TENANT = {
    "name": {"type": "str", "required": True},
    "id": {"type": "int", "required": True},
    "uid": {"type": "int", "required": True},
    "gid": {"type": "int", "required": True},
    "limit": {"type": "str", "required": True},
    "inodes": {"type": "int", "default": 0},
}
ARGUMENTS = {
    **PLACE,
    "force": {"type": "bool", "default": False},
    "overcommit": {"type": "float", "default": 1.0},
    "mount_points": {"type": "list", "elements": "str", "default": []},
    "templates_group": {"type": "int"},
    "uploads": {"type": "bool", "default": True},
    "tenants": {"type": "list", "elements": "dict", "required": True, "options": TENANT},
}
"""The options, as AnsibleModule takes them."""

Values = Mapping[str, Any]


def open_root(values: Values, check_mode: bool, run: Runner) -> Backend:
    """Return the back end of the root; in check mode, that of a missing file system if there is none yet."""
    if check_mode and not Path(values["root"]).exists():
        return Fresh(values["root"], run)
    return open_backend(values["root"], values["sentinel"], values["backend"], run)


def allot(values: Values, check_mode: bool, run: Runner, warn: Callable[[str], None]) -> dict[str, Any]:
    """Give each tenant its directory with a hard limit, and return the result of the module.

    It is C(failed), and has a C(msg), if a tenant failed, or if the file system cannot be read; then it has no tenants.
    """
    try:
        backend = open_root(values, check_mode, run)
        points = tuple(values["mount_points"])
        policy = QuotaPolicy(values["force"], values["overcommit"], points, values["uploads"])
        templates = _templates(values["templates_group"], backend, check_mode, warn)
        outcomes = converge(backend, values["tenants"], policy, check_mode)
    except (QuotaError, CommandError, OSError) as error:
        return {"failed": True, "msg": str(error)}
    return told(backend, {outcome.name: outcome.result() for outcome in outcomes}, outcomes, _diff_of, templates)


def _templates(group: int | None, backend: Backend, check_mode: bool, warn: Callable[[str], None]) -> bool:
    """Make the directory of templates; whether it differed. Where it cannot be made, births alone need it."""
    path = backend.root / TEMPLATES
    try:
        if group is None or not backend.root.is_dir() or read_folder(path) == Folder(0, group, TEMPLATES_MODE):
            return False
        if not check_mode:
            write_folder(path, Folder(0, group, TEMPLATES_MODE))
    except (QuotaError, OSError) as error:
        warn(f"{path} cannot be made, owned by root and the group {group}, mode 2770: {error}")
        return False
    return True


def _diff_of(outcome: QuotaOutcome) -> dict[str, str]:
    """Return one tenant's difference as Ansible prints it."""
    texts = {
        side: "".join(f"{key}: {value}\n" for key, value in (words or {}).items())
        for side, words in (("before", outcome.before), ("after", outcome.after))
    }
    return {"before_header": outcome.path, "after_header": outcome.path, **texts}
