"""Whether the wall of each tenant's storage stands where it was promised."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import size

from silo.diagnostics.verify.check import Check

# Appliances round, and keep a part for themselves.
MANUAL, TOLERANCE = "manual", 0.02


def wall(name: str, facts: Mapping[str, t.Any], backend: str, found: Mapping[str, t.Any] | None) -> Check:
    """Return whether the limit of a tenant's directory is the promised one; `found` is what storage_quota_info has."""
    promised = int(facts["quota_bytes"])
    expected = f"{size(promised)}, counted under {facts['index']}"
    if found is None:
        return Check("quota", name, False, "no directory on the NAS", expected)
    if found["problem"]:
        return Check("quota", name, False, f"no limit holds: it {found['problem']}", expected)
    if found["limit"] is None:
        return Check("quota", name, False, "no limit", expected)
    if backend == MANUAL:
        ok = abs(found["limit"] - promised) <= promised * TOLERANCE
        return Check("quota", name, ok, size(found["limit"]), f"about {size(promised)}")
    seen = f"{size(found['limit'])}, counted under {found['id']}"
    return Check("quota", name, (found["limit"], found["id"]) == (promised, facts["index"]), seen, expected)
