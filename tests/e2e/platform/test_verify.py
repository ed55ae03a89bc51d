"""What `silo verify` tells: of a lab that keeps every promise, and of one on which many are broken at once."""

import json
import re
import time

import pytest

from silo.diagnostics import verify

from ..waiting import wait_for

TENANTS = ("hans", "maria", "peter")
SERVICES = ("server", "database", "cache")
MIB = 1024**2
# A process with all that root has, as an operator makes one in a moment of haste: with a secret in its environment.
PRIVILEGED = """
LEAKED=$(cat /srv/silo/tenants/hans/secrets/cache_password)
export LEAKED
docker exec --detach --privileged --user 0 --env LEAKED silo-hans-cache-1 sleep 4711
"""
# One of the tenant's own user, with a secret in its arguments.
ARGUING = """
leaked=$(cat /srv/silo/tenants/maria/secrets/database_password)
docker exec --detach silo-maria-database-1 sh -c 'sleep 4711; :' sh "$leaked"
"""
# A container that is made by hand, with one line more.
MORE = "services: {cache: {cap_add: [NET_ADMIN]}}"
BY_HAND = f"""
cd /srv/silo/tenants/peter
echo '{MORE}' >/run/more.yaml
docker compose --project-directory . -f compose.yaml -f /run/more.yaml up --detach --wait cache
rm /run/more.yaml
"""
# One more process than it should have room for, and where it should not write.
PAGES = "nsenter --mount --target $(docker inspect --format '{{.State.Pid}}' silo-pages-pages-1)"
SHARED = f"docker update --pids-limit 65 silo-pages-pages-1; {PAGES} mount -t tmpfs none /mnt"
UNSHARED = f"docker update --pids-limit 64 silo-pages-pages-1; {PAGES} umount /mnt"
MODEL = "/srv/silo/machine_learning/models/clip/more"
UPDATE = "docker update --memory {} --memory-swap {} silo-maria-database-1"


def failed(checks):
    """Id and subject to what was seen, of the findings that are not ok."""
    return {(check.id, check.subject): check.seen for check in checks if not check.ok}


@pytest.fixture(scope="module")
def whole(operator):
    return verify.verify(operator.inventory)


@pytest.fixture(scope="module")
def broken(lab, operator, whole):
    """What was seen of a server on which somebody broke eight things; all of it holds again by now."""
    memory = lab.inspect("silo-maria-database-1")["HostConfig"]["Memory"]
    index = operator.settings("maria")["tenant_index"]
    limit, secret = lab.quota(index), "/srv/silo/tenants/hans/secrets/cache_password"
    try:
        lab.run("nft", "delete", "table", "inet", "silo_firewall")
        lab.run("chmod", "0444", secret)
        lab.shell(UPDATE.format(f"{memory + 64 * MIB}b", f"{memory + 64 * MIB}b"))
        lab.run("btrfs", "qgroup", "limit", "none", f"1/{index}", "/instances")
        lab.shell(BY_HAND)
        lab.shell(PRIVILEGED)
        lab.shell(ARGUING)
        lab.shell(SHARED)
        lab.run("touch", MODEL)
        lab.run("systemctl", "stop", "silo-learning-gate")
        seen = failed(verify.verify(operator.inventory))
    finally:
        lab.run("systemctl", "reload", "silo-firewall")
        lab.run("chmod", "0400", secret)
        lab.shell(UPDATE.format(memory, memory))
        lab.run("btrfs", "qgroup", "limit", str(limit), f"1/{index}", "/instances")
        lab.shell("cd /srv/silo/tenants/peter; docker compose up --detach --wait cache")
        lab.shell("pkill -f '^sleep 4711$'")
        lab.shell(UNSHARED)
        lab.run("rm", "-f", MODEL)
        lab.run("systemctl", "start", "silo-learning-gate")
    wait_for(lambda: not failed(verify.verify(operator.inventory)), seconds=60)
    return seen


def test_every_promise_holds(whole):
    assert failed(whole) == {}


def test_every_container_of_every_tenant_is_looked_at(whole):
    by_subject = {}
    for check in whole:
        by_subject.setdefault(check.subject, set()).add(check.id)
    every = {"state", "user", "capabilities", "no_new_privileges", "seccomp", "seccomp_profile", "root_file_system"}
    every |= {"writable_paths", "memory", "swap", "processes", "image", "rights", "mounts", "secrets_hidden"}
    every |= {"core_dumps", "memory_order", "open_files", "isolation", "own_network", "default_route"}
    for name in TENANTS:
        assert {f"{name}/{service}" for service in SERVICES} <= set(by_subject)
        for service in SERVICES:
            assert by_subject[f"{name}/{service}"] - {"setup_closed"} == every
        assert by_subject[name] == {"data", "secret_files", "quota", "disk_quota"}
        assert "setup_closed" in by_subject[f"{name}/server"]
    assert {"firewall", "nas", "tenants", "published_ports", "open_ports", "ssh", "live_restore"} <= by_subject["silo1"]
    edge = {"connection_limits", "connection_table", "root_ports", "header_limit", "requests", "status_codes"}
    assert edge <= by_subject["silo1"]
    assert {"learning_gate", "learning_owner", "learning_route", "learning_models"} <= by_subject["silo1"]
    every -= {"mounts", "seccomp_profile", "secrets_hidden"}
    for name in ("machine learning", "pages"):
        assert by_subject[name] == every
    assert by_subject["traefik"] == every - {"isolation", "own_network", "default_route"}


def test_isolation_is_tried_with_many_ports(whole):
    """As many as there are addresses and listening ports; a list that is empty would hold as well."""
    for check in whole:
        if check.id == "isolation":
            assert int(check.seen.split()[2]) > 100, check


def test_no_secret_is_told(operator, whole):
    text = "".join(f"{check.seen} {check.expected}" for check in whole)
    for name in TENANTS:
        for secret in operator.secrets(name).values():
            assert secret not in text


def test_nothing_is_changed_by_looking(lab, operator):
    def state():
        return lab.files(), lab.run("nft", "--stateless", "--terse", "list", "ruleset"), lab.containers(*TENANTS)

    before = state()
    assert failed(verify.verify(operator.inventory, ["hans"])) == {}
    assert state() == before


def test_a_firewall_that_is_gone(broken):
    assert "its table inet silo_firewall is not loaded" in broken["firewall", "silo1"]
    assert {("connection_limits", "silo1"), ("connection_table", "silo1"), ("root_ports", "silo1")} <= set(broken)
    assert broken["learning_owner", "silo1"].startswith("every process of this server reaches it")
    for name in TENANTS:
        for service in SERVICES:
            assert ":22 (this server at im-" in broken["isolation", f"{name}/{service}"]


def test_a_gate_that_is_away(broken):
    assert broken["learning_gate", "silo1"].startswith("the gate does not answer")


def test_a_file_among_the_models(broken):
    assert broken["learning_models", "silo1"] == "clip/more is not of the record"


def test_a_secret_that_others_can_read(broken):
    assert "hans/secrets/cache_password has mode 0444" in broken["secret_files", "hans"]


def test_a_limit_that_was_changed_by_hand(broken):
    assert ("memory", "maria/database") in broken


def test_a_quota_that_was_lifted(broken):
    assert broken["quota", "maria"].startswith("no limit")


def test_a_container_with_a_capability(broken):
    assert broken["rights", "peter/cache"] == "+NET_ADMIN"
    assert broken["capabilities", "peter/cache"].startswith("Cap")


def test_a_process_of_root_in_a_container(broken):
    assert broken["user", "hans/cache"].startswith("0, ")
    assert "(sleep)" in broken["capabilities", "hans/cache"]


def test_a_secret_in_the_environment_of_another_user(broken):
    seen = broken["secrets_hidden", "hans/cache"]
    assert re.fullmatch(r"cache_password in the environment of process \d+ \(sleep\), user 0", seen)


def test_a_secret_in_the_arguments_of_the_tenants_own_process(broken):
    seen = broken["secrets_hidden", "maria/database"]
    assert re.fullmatch(r"database_password in the arguments of process \d+ \(sh\)", seen)


def test_a_shared_service_beyond_its_bounds(broken):
    assert broken["processes", "pages"] == "65"
    assert broken["writable_paths", "pages"].startswith("/mnt")
    assert ":22 (this server at silo-pages)" in broken["isolation", "pages"]


def test_all_else_held_meanwhile(broken):
    mine = {"firewall", "isolation", "secret_files", "memory", "quota", "rights", "capabilities", "user", "seccomp"}
    mine |= {"processes", "writable_paths", "open_ports", "secrets_hidden"}
    # Walls of the firewall that was taken away.
    mine |= {"connection_limits", "connection_table", "root_ports"}
    mine |= {"learning_gate", "learning_models", "learning_owner"}
    assert {check for check, _subject in broken} <= mine


def test_a_tenant_at_rest_keeps_its_promises(lab, operator):
    operator.edit("peter", state="suspended")
    try:
        early = failed(verify.verify(operator.inventory, ["peter"]))
        assert set(early) == {("state", "peter"), ("address", f"peter.{lab.domain}")}
        operator.apply("--limit", "peter")
        assert failed(verify.verify(operator.inventory, ["peter"])) == {}
    finally:
        operator.edit("peter", state=None)
        operator.apply("--limit", "peter")


def test_the_command_ends_with_1_where_a_promise_is_broken(lab, silo):
    assert json.loads(silo.run("verify", "hans", "--json"))["findings"]
    path = "/srv/silo/tenants/hans/secrets/database_password"
    lab.run("chmod", "0440", path)
    try:
        run = silo.try_run("verify", "hans")
    finally:
        lab.run("chmod", "0400", path)
    assert run.code == 1
    assert "wrong    secret_files, hans: " in run.output
    assert "database_password has mode 0440" in run.output


def test_what_is_changed_is_verified_by_the_same_run(lab, silo):
    lab.run("nft", "delete", "table", "inet", "silo_firewall")
    try:
        run = silo.try_run("stop", "peter", "--yes")
    finally:
        lab.run("systemctl", "reload", "silo-firewall")
    assert run.code == 1
    assert "peter is stopped." in run.output
    assert "its table inet silo_firewall is not loaded" in run.output
    assert "hans" not in run.output
    assert "peter runs." in silo.run("start", "peter")


def test_who_is_frozen_is_left_alone_until_somebody_says_what_becomes_of_it(lab, silo):
    """As the runbook of an incident freezes a tenant."""
    before = lab.containers("peter")
    lab.shell("cd /srv/silo/tenants/peter && docker compose pause")
    try:
        (peter,) = [one for one in silo.json("list")["tenants"] if one["name"] == "peter"]
        assert peter["observed"] == "frozen"
        verified = silo.try_run("verify", "peter")
        assert (verified.code, "peter/server: frozen; expected: running, healthy" in verified.output) == (1, True)
        applied = silo.run("apply")
        assert "peter: it is frozen, so nothing of it was changed" in applied
        assert "All other tenants are in their desired state." in applied
        assert silo.try_run("start", "peter").code == 1
        assert lab.containers("peter") == before
        begin = time.monotonic()
        assert "peter is stopped." in silo.run("stop", "peter", "--yes")
        # Each frozen container would be given its time to end, and cannot use it.
        assert time.monotonic() - begin < 30
        assert lab.inspect("silo-peter-server-1")["State"]["ExitCode"] == 137
    finally:
        lab.shell("cd /srv/silo/tenants/peter && docker compose unpause || true")
        silo.run("start", "peter")
    assert failed(verify.verify(silo.inventory, ["peter"])) == {}


def test_a_tenant_that_never_ran_keeps_what_it_has(operator, silo, newcomer):
    newcomer("nora", state="stopped")
    # It has a route from now on, so it is looked at, and the code is 0.
    assert "Verify the changed tenants" in silo.run("apply", "nora")
    assert failed(verify.verify(operator.inventory, ["nora"])) == {}
