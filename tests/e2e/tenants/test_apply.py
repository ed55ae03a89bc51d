"""Apply touches what differs and nothing else, is cut off anywhere and completed, and opens nothing too soon."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from ..cloud import Cloud
from ..waiting import wait_for

THREE = ("hans", "maria", "peter")
COUNTER = """#!/bin/sh
echo "$*" >> /run/compose-runs
exec {plugin}.real "$@"
"""


def test_nothing_to_do_is_one_call_for_each_machine_and_no_compose(lab, operator):
    before = lab.containers(*THREE)
    plugin = lab.run("find", "/usr/libexec/docker", "-name", "docker-compose").strip()
    lab.run("mv", plugin, f"{plugin}.real")
    lab.run(
        "sh", "-c", f"cat > {plugin} && chmod 755 {plugin} && : > /run/compose-runs", text=COUNTER.format(plugin=plugin)
    )
    try:
        run = operator.apply("-vvv")
        assert lab.run("cat", "/run/compose-runs") == ""
        # The counter counts: Compose is run through it.
        lab.run("docker", "compose", "version")
        assert lab.run("cat", "/run/compose-runs") != ""
    finally:
        lab.run("mv", f"{plugin}.real", plugin)
    assert set(run.changed.values()) == {0}
    calls = [line for line in run.output.splitlines() if "Using module file" in line]
    # The server is its own NAS.
    assert [line.rsplit("/", 1)[1] for line in calls] == ["tenant_stacks.py"]
    assert lab.containers(*THREE) == before


def test_a_check_finds_nothing_to_do_on_a_server_that_is_right(lab, operator):
    before, files = lab.containers(*THREE), lab.files()
    run = operator.run("site.yml", "--check", "--diff")
    assert set(run.changed.values()) == {0}
    assert lab.containers(*THREE) == before
    assert lab.files() == files


def test_a_fourth_tenant_is_one_folder_and_changes_nothing_of_the_three(lab, operator, newcomer, customer):
    before, files = lab.containers(*THREE), lab.files()
    name = newcomer("anna")
    operator.apply()
    assert customer(name).get("/api/users/me").json["email"] == "anna@example.ch"
    assert lab.containers(*THREE) == before
    untouched = set(files.splitlines()) - set(lab.files().splitlines())
    # The directories that got an entry are written to, also in passing, and the register of quota ids; no file else is.
    written = {
        "/instances",
        "/instances/.silo-ids",
        "/databases",
        "/databases/.silo-ids",
        "/srv/silo/tenants",
        "/srv/silo/traefik",
        "/srv/silo/traefik/routes",
    }
    assert {line.split()[0] for line in untouched} <= written
    assert set(operator.apply().changed.values()) == {0}


def test_one_limit_restarts_one_container(lab, operator):
    before = lab.containers(*THREE)
    operator.edit("maria", server_memory="1536M")
    try:
        operator.apply()
        after = lab.containers(*THREE)
        assert {name for name in after if after[name] != before[name]} == {"silo-maria-server-1"}
        assert lab.inspect("silo-maria-server-1")["HostConfig"]["Memory"] == 1536 * 1024**2
    finally:
        operator.edit("maria", server_memory=None)
        operator.apply()


def test_limit_touches_that_tenant_alone(lab, operator):
    before = lab.containers(*THREE)
    for name in ("hans", "maria"):
        operator.edit(name, server_memory="1536M")
    try:
        operator.apply("--limit", "hans")
        after = lab.containers(*THREE)
        assert {name for name in after if after[name] != before[name]} == {"silo-hans-server-1"}
    finally:
        for name in ("hans", "maria"):
            operator.edit(name, server_memory=None)
        operator.apply()


def test_a_tag_does_its_part_alone(lab, operator):
    before = lab.containers("maria")
    operator.edit("maria", server_memory="1536M", quota="501G")
    try:
        operator.apply("--tags", "storage")
        assert lab.containers("maria") == before
        assert lab.quota(2) == 501 * 1024**3
        operator.edit("maria", quota="502G")
        operator.apply("--tags", "stacks")
        assert lab.containers("maria") != before
        assert lab.quota(2) == 501 * 1024**3
    finally:
        operator.edit("maria", server_memory=None, quota=None)
        operator.apply()
    assert lab.quota(2) == 500 * 1024**3


def test_a_plan_tells_and_changes_nothing(lab, operator):
    operator.edit("peter", server_memory="1536M", quota="2T")
    before, files = lab.containers(*THREE), lab.files()
    try:
        run = operator.run("plan.yml", "--diff")
        assert lab.containers(*THREE) == before
        assert lab.files() == files
        table = run.output[run.output.index("what differs") :]
        assert "limit 1T -> 2T" in table
        assert "recreate" in table
        assert "+SERVER_MEMORY=1610612736" in run.output
        for name in THREE:
            assert not [secret for secret in operator.secrets(name).values() if secret in run.output]
    finally:
        operator.edit("peter", server_memory=None, quota=None)
    assert set(operator.run("plan.yml").changed.values()) == {0}


@pytest.mark.fault(20)
def test_nobody_is_let_in_before_the_admin_exists(lab, operator, newcomer):
    name = newcomer("early")
    seen, done = [], threading.Event()

    def knock():
        stranger = Cloud(lab, name, verify=False)
        body = {"email": "stranger@example.org", "password": "open sesame", "name": "stranger"}
        while not done.is_set():
            try:
                answer = stranger.post("/api/auth/admin-sign-up", body)
                config = stranger.get("/api/server/config")
                seen.append(
                    (answer.status, config.status, config.json.get("isInitialized") if config.status == 200 else None)
                )
            except OSError as error:
                seen.append((type(error).__name__, None, None))
            time.sleep(0.02)

    strangers = [threading.Thread(target=knock, daemon=True) for _number in range(2)]
    for stranger in strangers:
        stranger.start()
    try:
        operator.apply("--limit", name)
        time.sleep(1)
    finally:
        done.set()
    for stranger in strangers:
        stranger.join()
    assert len(seen) > 50
    assert 201 not in {answer for answer, _status, _initialized in seen}
    assert False not in {initialized for _answer, _status, initialized in seen}
    # They did knock at the open door as well: unknown first, refused in the end.
    assert 404 in {answer for answer, _status, _initialized in seen}
    assert 403 in {answer for answer, _status, _initialized in seen}
    assert lab.psql(name, 'SELECT email FROM "user"') == f"{name}@example.ch"


@pytest.mark.fault(23)
def test_secrets_never_show_while_a_tenant_is_made(operator, newcomer):
    """Neither in the process list, of the controller and of the server, nor in the most talkative output there is."""
    name = newcomer("quiet")
    seen, done = set(), threading.Event()

    def watch():
        while not done.is_set():
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    seen.add(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        run = operator.apply("--limit", name, "--diff", "-vvv")
    finally:
        done.set()
    watcher.join()
    # The lab's processes are the machine's, so both ends were watched.
    assert [line for line in seen if "ansible-playbook" in line and name in line]
    assert [line for line in seen if "compose" in line and f"/srv/silo/tenants/{name}" in line]
    secrets = operator.secrets(name).values()
    assert [line for line in seen if any(secret in line for secret in secrets)] == []
    assert f"+COMPOSE_PROJECT_NAME=silo-{name}" in run.output
    assert not any(secret in run.output for secret in secrets)


# What there is of a new tenant, in the order in which it comes to be: a run is cut off right after each of them.
MILESTONES = {
    "storage": "test -d /instances/{name}/uploads",
    "disk": "test -d /databases/{name}",
    "files": "test -f /srv/silo/tenants/{name}/.env",
    "network": "docker network inspect silo-{name}_default",
    "unpacked": "test -f /databases/{name}/database/PG_VERSION",
    "database": "docker exec silo-{name}-database-1 pg_isready --quiet --host=127.0.0.1 --username=immich",
    "server": "docker inspect silo-{name}-server-1 | grep -q '\"Running\": true'",
    "admin": "docker exec silo-{name}-database-1 psql -XAtU immich -c 'SELECT email FROM \"user\"' | grep -q {name}@",
    "born": "test -f /srv/silo/tenants/{name}/.admin-created",
    "route": "test -f /srv/silo/traefik/routes/tenant-{name}.yml",
}
WAIT = "end=$(($(date +%s) + 240)); until {condition} >/dev/null 2>&1; do [ $(date +%s) -lt $end ] || exit 1; done"
# All that came over SSH, and all that it has started: as when the server is cut off from the network and from itself.
KILL = """
descendants() { for child in $(pgrep -P "$1"); do descendants "$child"; echo "$child"; done; }
for session in $(pgrep -x sshd-session); do descendants "$session"; echo "$session"; done | xargs -r kill -KILL 2>&1 |
    grep -v 'No such process' || true
"""


def shape(lab, name):
    """What a tenant is made of, whatever its name: its directories, files and containers."""
    uid = lab.inspect(f"silo-{name}-server-1")["Config"]["User"].split(":")[0]
    own = f"/srv/silo/tenants/{name} /databases/{name}"
    places = f"{own} /instances/{name} /srv/silo/traefik/routes/tenant-{name}.yml"
    busy = " -o ".join(f"-path '*/{place}'" for place in ("database", "queue", "backups", "uploads"))
    files = lab.shell(rf"find {places} -printf '%p %m %U %G\n' \( {busy} \) -prune | sort")
    labels = '{{.Names}} {{.State}} {{.Label "ch.swissphoto.silo.service"}}'
    containers = lab.run(
        "docker", "ps", "-a", "--filter", f"label=ch.swissphoto.silo.tenant={name}", "--format", labels
    )
    return (files + containers).replace(uid, "UID").replace(name, "NAME").splitlines()


# With the controller alone gone, the server may work on to the end, and the next run waits for it.
CUTS = [*((milestone, True) for milestone in MILESTONES), ("files", False), ("admin", False)]
# In between of all; what is cut off earlier or later goes the same way.
QUICK = [("admin", True)]
EACH_POINT = "every point of a kill, of which one is tried here"


@pytest.mark.fault(3, 20)
@pytest.mark.parametrize(
    ("milestone", "server_too"),
    [pytest.param(*cut, marks=() if cut in QUICK else pytest.mark.slow(EACH_POINT)) for cut in CUTS],
)
def test_a_run_that_is_killed_is_completed_by_the_next(lab, operator, newcomer, customer, milestone, server_too):
    name = newcomer(f"cut{milestone}{int(server_too)}")
    process = operator.start("apply.yml", "--limit", name)
    lab.shell(WAIT.format(condition=MILESTONES[milestone].format(name=name)))
    assert process.poll() is None, "the run has ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    if server_too:
        lab.shell(KILL)
    process.communicate()
    operator.apply("--limit", name)
    if milestone == "route":
        # All files are as they should be; what the killed run waited for is Traefik's to bring.
        wait_for(Cloud(lab, name).works)
    cloud = customer(name)
    assert cloud.get("/api/users/me").json["isAdmin"]
    stranger = {"email": "stranger@example.org", "password": "open sesame", "name": "stranger"}
    assert Cloud(lab, name).post("/api/auth/admin-sign-up", stranger).status == 403
    assert "IMMICH_ALLOW_SETUP=false" in lab.inspect(f"silo-{name}-server-1")["Config"]["Env"]
    assert sorted(shape(lab, name)) == sorted(shape(lab, "hans"))
    assert set(operator.apply().changed.values()) == {0}


@pytest.mark.fault(20)
def test_a_tenant_that_fails_does_not_hold_up_the_others(lab, operator, newcomer, customer):
    good = newcomer("good")
    newcomer("bad", images={"server": "registry.swissphoto.test:5000/none:1", "database": "x", "cache": "x"})
    run = operator.try_run("apply.yml")
    operator.edit("bad", images=None)
    assert run.code != 0
    assert "bad: the template of these images cannot be made" in " ".join(run.output.split())
    assert "docker compose up failed" in " ".join(run.output.split())
    assert customer(good).get("/api/users/me").status == 200
    recap = run.output[run.output.index("PLAY RECAP") :]
    assert [line.split()[0] for line in recap.splitlines() if "failed=1" in line] == ["bad"]


def test_a_vault_that_was_lost_is_told_and_nothing_is_broken(lab, operator, newcomer, customer):
    name = newcomer("lost")
    operator.apply("--limit", name)
    vault = operator.folder(name) / "vault.yml"
    kept = vault.read_bytes()
    vault.unlink()
    before = lab.containers(name)
    run = operator.try_run("apply.yml", "--limit", name)
    vault.write_bytes(kept)
    assert run.code != 0
    assert "its database was made with another password" in " ".join(run.output.split())
    assert lab.containers(name) == before
    assert customer(name).get("/api/users/me").status == 200


def test_what_runs_and_is_in_no_inventory_is_named_and_left_alone(lab, operator):
    run = ["docker", "run", "-d", "--name", "orphan", "--label", "ch.swissphoto.silo.tenant=eve"]
    image = lab.inspect("silo-hans-cache-1")["Config"]["Image"]
    lab.run(*run, image, "sleep", "600")
    try:
        assert "in no inventory: eve" in operator.apply().output
        assert lab.inspect("orphan")["State"]["Running"]
    finally:
        lab.run("docker", "rm", "-f", "orphan")


def test_silo_list_agrees_with_the_machine(lab, operator):
    command = ["silo", "--inventory", str(operator.inventory), "list", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    tenants = {tenant["name"]: tenant for tenant in json.loads(result.stdout)["tenants"]}
    assert set(THREE) <= set(tenants)
    for name in THREE:
        tenant = tenants[name]
        assert (tenant["observed"], tenant["certificate_trusted"]) == ("running", True)
        assert tenant["memory_limit_bytes"] == 5 * 1024**3 // 2
        assert 10 * 1024**2 < tenant["memory_bytes"] < tenant["memory_limit_bytes"]
    assert tenants["peter"]["quota_bytes"] == 1024**4
