"""The whole work of C(storage_quota_info), which the checks of a server do in their own call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Runner
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import Backend, QuotaError, Survey
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.detect import open_backend
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.trash_entry import entries


def inspect(values: Mapping[str, Any], run: Runner) -> dict[str, Any]:
    """Read the limit and the usage of each directory, and return the result of the module.

    It is C(failed), and has a C(msg), if the file system cannot be read.
    """
    try:
        backend = open_backend(values["root"], values["sentinel"], values["backend"], run)
        survey = backend.read()
        size, status = backend.pool(), os.statvfs(backend.root)
    except (QuotaError, CommandError, OSError) as error:
        return {"failed": True, "msg": str(error)}
    pool = {"size": size, "free": status.f_bavail * status.f_frsize}
    found = {"tenants": _tenants(backend, survey), "trash": _trash(backend, survey)}
    return {"backend": backend.name, "pool": pool, **found}


def _tenants(backend: Backend, survey: Survey) -> dict[str, Any]:
    return {
        name: {
            "path": str(backend.root / name),
            "id": state.id,
            "limit": state.limit,
            "used": state.usage.bytes,
            "inodes": state.usage.inodes,
            "inode_limit": state.inode_limit,
            "problem": state.problem,
        }
        for name, state in survey.directories.items()
    }


def _trash(backend: Backend, survey: Survey) -> list[dict[str, Any]]:
    return [
        {
            "name": entry.name,
            "id": entry.id,
            "when": entry.when.isoformat(),
            "path": str(backend.root / entry.place),
            "limit": survey.trash[entry.place].limit,
            "used": survey.trash[entry.place].usage.bytes,
            "inodes": survey.trash[entry.place].usage.inodes,
            "purging": entry.purging,
        }
        for entry in entries(survey)
    ]
