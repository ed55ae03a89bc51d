"""Check that the hard limit of each tenant's storage is the expected one."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.swissphoto.silo.plugins.module_utils.common.sizes import size
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics.finding import holds
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.detect import BACKENDS

from silo.diagnostics import Finding
from silo.diagnostics.engine import Nas, check


@check("quota", scope="nas")
def limits(nas: Nas) -> Iterator[Finding]:
    """Check the limit of each tenant that should have one."""
    for name, facts in nas.tenants.items():
        if facts["desired"] != "absent":
            yield compare_limit(name, facts, nas.values["backend"], nas.values["tenants"].get(name))


def compare_limit(name: str, facts: Mapping[str, t.Any], backend: str, found: Mapping[str, t.Any] | None) -> Finding:
    """Check that the limit of a tenant's directory is the expected one; `found` is what storage_quota_info has."""
    expected_bytes = int(facts["quota_bytes"])
    expected = f"{size(expected_bytes)}, counted under {facts['index']}"
    if found is None:
        return holds(False, "no directory on the NAS", expected, name)
    if found["problem"]:
        return holds(False, f"no limit holds: it {found['problem']}", expected, name)
    if found["limit"] is None:
        return holds(False, "no limit", expected, name)
    kind = BACKENDS[backend]
    granted = kind.grants(found["limit"], expected_bytes)
    if not kind.counts_by_id:
        return holds(granted, size(found["limit"]), f"about {size(expected_bytes)}", name)
    seen = f"{size(found['limit'])}, counted under {found['id']}"
    return holds(granted and found["id"] == facts["index"], seen, expected, name)
