"""What a tenant can be called, and what derives from it; each pattern and each kernel file stands in one place."""

import re

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import compose, metrics
from ansible_collections.swissphoto.silo.plugins.module_utils.common.names import is_tenant

from tests.unit.forks import ROOT

COMMON = "plugins/module_utils/common"
# What may be spelled in one file alone: text to file.
ONCE = {
    "[a-z][a-z0-9]{1,30}": f"{COMMON}/names.py",
    "CERT_NONE": f"{COMMON}/tls.py",
    "HKDF(": f"{COMMON}/tickets.py",
    "NOTIFY_SOCKET": f"{COMMON}/systemd.py",
    "fcntl.flock": f"{COMMON}/locks.py",
    "/proc/self/mountinfo": f"{COMMON}/mounts.py",
    "traefik_router_": f"{COMMON}/metrics.py",
    '"psql"': f"{COMMON}/psql.py",
    "os.fsync": f"{COMMON}/files.py",
    "mkstemp": "plugins/modules/files.py",  # for Ansible's own atomic_move
    "journal_mode=WAL": f"{COMMON}/sqlite.py",
    "/run/silo-apply.lock": "plugins/module_utils/tenant/lock.py",
    "sub_[": "src/silo/identifiers.py",
    '".env"': f"{COMMON}/tenant_env.py",
    ".admin-created": f"{COMMON}/tenant_env.py",
}


def test_a_name_is_small_letters_and_digits():
    assert all(map(is_tenant, ("hans", "ab", "a1", "a" * 31)))
    for wrong in ("", "a", "1a", "Hans", "a-b", "a" * 32, "hans\n", "h\xe4ns", "a\u0661", "../x"):
        assert not is_tenant(wrong)


def test_all_that_is_a_tenants_has_its_name():
    assert compose.project("hans") == "silo-hans"
    assert compose.container("hans", "database") == "silo-hans-database-1"
    assert compose.slice_name("hans") == "silo-hans.slice"
    assert metrics.router("hans", metrics.LEARNING) == "tenant-hans-ml"


@pytest.mark.parametrize("text", ONCE)
def test_it_is_spelled_in_one_place(text):
    files = [path for folder in ("src", "plugins", "server") for path in (ROOT / folder).rglob("*.py")]
    found = {str(path.relative_to(ROOT)) for path in files if text in path.read_text(encoding="utf-8")}
    assert found == {ONCE[text]}


def test_no_container_of_a_tenant_is_named_by_hand():
    files = [path for folder in ("src", "plugins", "server") for path in (ROOT / folder).rglob("*.py")]
    assert not [path for path in files if re.search(r"f[\"']silo-\{", path.read_text(encoding="utf-8"))]
