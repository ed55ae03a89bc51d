"""The wall of a tenant on its server's own disk: who fills it stands before it alone, and one command helps it."""

import json

import pytest

from ..cloud import picture

MEBIBYTE = 1024**2
ROOT = "/databases"
# Until the file system says that it is full, as root of the tenant's own container would, and as that user.
FILL = """
setpriv --reuid {uid} --regid {uid} --clear-groups dd if=/dev/zero of={root}/{name}/database/fill bs=1M 2>&1 \
    || test $? -eq 1
btrfs filesystem sync {root}
"""
NEIGHBOURS = ("hans", "maria", "peter")
GROW = "CREATE TABLE grow AS SELECT repeat(md5(n::text), 100) FROM generate_series(1, 100000) AS n"


def sizes(lab, index):
    """Usage and limit of a tenant on the disk, in bytes."""
    groups = json.loads(lab.run("btrfs", "--format", "json", "qgroup", "show", "-re", "--raw", ROOT))["qgroup-show"]
    (group,) = [one for one in groups if one["qgroupid"] == f"1/{index}"]
    return int(group["referenced"]), int(group["max_referenced"])


@pytest.fixture
def small(lab, operator, newcomer):
    """A tenant with 128 MiB beside what it was born with."""
    name = newcomer("small", disk="2G")
    operator.apply("--limit", name)
    lab.run("btrfs", "filesystem", "sync", ROOT)
    used, _limit = sizes(lab, operator.settings(name)["tenant_index"])
    operator.edit(name, disk=f"{used // MEBIBYTE + 128}M")
    operator.apply("--limit", name)
    return name


@pytest.fixture
def full(lab, operator, small):
    """A tenant whose part of the disk is full, so that its database can write nothing any more."""
    said = lab.shell(FILL.format(uid=200000 + operator.settings(small)["tenant_index"], name=small, root=ROOT))
    assert "Disk quota exceeded" in said
    return small


def grow(lab, name):
    return lab.try_run("docker", "exec", f"silo-{name}-database-1", "psql", "-XAtU", "immich", "-c", GROW)


def metric(lab, name, tenant):
    text = lab.shell("systemctl start silo-accounting; cat /var/lib/prometheus/node-exporter/silo.prom")
    (value,) = [line.split()[1] for line in text.splitlines() if line.startswith(f'{name}{{tenant="{tenant}"}} ')]
    return float(value)


def test_each_tenant_has_its_limit_on_the_disk_and_its_data_lie_behind_it(lab, operator):
    for name, gibibytes in (("hans", 20), ("maria", 40), ("peter", 80)):
        used, limit = sizes(lab, operator.settings(name)["tenant_index"])
        assert limit == gibibytes * 1024 * MEBIBYTE
        assert used > 0
        mounts = {mount["Source"] for mount in lab.inspect(f"silo-{name}-database-1")["Mounts"] if mount["RW"]}
        assert f"{ROOT}/{name}/database" in mounts
    assert lab.try_run("findmnt", "--mountpoint", ROOT).returncode == 0


def test_who_fills_its_disk_stands_still_alone(lab, operator, customer, full):
    used, limit = sizes(lab, operator.settings(full)["tenant_index"])
    assert limit - used < 4 * MEBIBYTE
    refused = grow(lab, full)
    assert refused.returncode != 0
    assert "Disk quota exceeded" in refused.stderr or "No space left" in refused.stderr or "closed" in refused.stderr
    for other in NEIGHBOURS:
        assert customer(other).upload(picture()).status == 201
        assert lab.psql(other, "SELECT 1") == "1"


def test_the_alert_has_its_number(lab, full):
    assert metric(lab, "silo_tenant_disk_bytes", full) / metric(lab, "silo_tenant_disk_limit_bytes", full) >= 0.98
    assert metric(lab, "silo_tenant_disk_bytes", "hans") / metric(lab, "silo_tenant_disk_limit_bytes", "hans") < 0.5


def test_one_command_helps_also_while_its_postgres_is_down(lab, operator, silo, customer, full):
    # It ends, as where it can write no log of what it is doing, and does not come up again.
    grow(lab, full)
    lab.run("docker", "kill", f"silo-{full}-database-1")
    silo.run("set", full, "disk=4G")
    assert sizes(lab, operator.settings(full)["tenant_index"])[1] == 4 * 1024 * MEBIBYTE
    assert lab.psql(full, "SELECT 1") == "1"
    assert customer(full).upload(picture()).status == 201


def test_who_is_full_can_be_stopped_and_shows_in_the_list(lab, silo, full):
    (shown,) = [one for one in silo.json("list")["tenants"] if one["name"] == full]
    assert shown["disk_bytes"] > 0.9 * shown["disk_limit_bytes"]
    silo.run("stop", full, "--yes")
    assert lab.run("docker", "ps", "--quiet", "--filter", f"name=silo-{full}-") == ""
    assert "TENANT_STATE=stopped" in lab.run("cat", f"/srv/silo/tenants/{full}/.env")


def test_a_limit_below_what_is_used_is_refused_and_changes_nothing(lab, operator, full):
    before = sizes(lab, operator.settings(full)["tenant_index"])[1]
    operator.edit(full, disk="16M")
    run = operator.try_run("apply.yml", "--limit", full)
    assert run.code != 0
    assert "in use, more than the new limit of 16M; nothing was changed" in " ".join(run.output.split())
    assert sizes(lab, operator.settings(full)["tenant_index"])[1] == before


def test_a_new_limit_restarts_nothing_and_a_second_run_changes_nothing(lab, operator, small):
    before = lab.containers(small)
    operator.edit(small, disk="3G")
    assert "disk" in operator.run("plan.yml", "--limit", small).output
    operator.apply("--limit", small)
    assert lab.containers(small) == before
    assert set(operator.apply("--limit", small).changed.values()) == {0}


@pytest.mark.parametrize(
    "limit",
    ["none", pytest.param("1T", marks=pytest.mark.slow("one more look at a limit that is not as it should be"))],
)
def test_verify_finds_a_limit_that_is_not_there(lab, operator, silo, small, limit):
    index = operator.settings(small)["tenant_index"]
    held = sizes(lab, index)[1]
    lab.run("btrfs", "qgroup", "limit", limit, f"1/{index}", ROOT)
    try:
        found = silo.try_run("verify", small)
        assert found.code != 0
        assert "disk_quota" in found.output
    finally:
        lab.run("btrfs", "qgroup", "limit", str(held), f"1/{index}", ROOT)
    silo.run("verify", small)


def test_the_journal_cannot_fill_the_disk(lab):
    assert "SystemMaxUse=2G" in lab.run("systemd-analyze", "cat-config", "systemd/journald.conf")
