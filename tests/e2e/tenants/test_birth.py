"""How a tenant comes to have a database: of a template, once, and never over somebody's photos."""

import json

import pytest

from tests.e2e.cloud import Cloud, picture

TEMPLATES = "/instances/.templates"


def told(run):
    return " ".join(run.output.split())


def test_a_template_is_for_root_alone_and_holds_nothing_of_a_tenant(lab, operator):
    records = lab.shell(f"ls {TEMPLATES}/*.json").split()
    assert lab.shell(f"find {TEMPLATES} -perm /o+rwx") == ""
    names = ("hans", "maria", "peter")
    secrets = [secret for name in names for secret in operator.secrets(name).values()]
    needles = ["placeholder@silo.invalid", *secrets, *(f"{name}@" for name in names)]
    for record in records:
        archive = record.replace(".json", ".tar.zst")
        assert json.loads(lab.run("cat", record))["digest"] == lab.run("sha256sum", archive).split()[0]
        search = f"grep -aohF -f /dev/stdin <(zstd -dc {archive}) {record} | sort -u"
        assert lab.run("bash", "-c", search, text="\n".join(needles)).split() == ["placeholder@silo.invalid"]


def test_a_newcomer_has_the_places_one_admin_and_no_session_and_its_server_started_once(lab, operator, newcomer):
    name = newcomer("born")
    operator.apply("--limit", name)
    assert lab.psql(name, 'SELECT email, "isAdmin" FROM "user"') == f"{name}@example.ch|t"
    assert lab.psql(name, "SELECT count(*) FROM session") == "0"
    assert lab.psql(name, "SELECT count(*) FROM system_metadata WHERE key = 'reverse-geocoding-state'") == "1"
    log = lab.shell(f"docker logs silo-{name}-server-1 2>&1")
    assert log.count("Initializing Immich") == 1
    assert "geodata import" not in log
    assert lab.inspect(f"silo-{name}-server-1")["RestartCount"] == 0
    assert lab.shell(f"ls -A /srv/silo/tenants/{name} | grep -c birth || test $? = 1").strip() == "0"
    stranger = {"email": "placeholder@silo.invalid", "password": "x"}
    assert Cloud(lab, name).post("/api/auth/login", stranger).status == 401


def test_a_template_that_is_damaged_is_made_anew(lab, operator, newcomer, customer):
    name = newcomer("sound")
    (archive,) = lab.shell(f"ls {TEMPLATES}/*.zst").split()
    lab.shell(f"printf x | dd of={archive} bs=1 seek=100000 conv=notrunc status=none")
    damaged = lab.run("sha256sum", archive)
    plan = operator.run("plan.yml", "--limit", name)
    assert "make anew, its file is damaged" in plan.output
    assert lab.run("sha256sum", archive) == damaged
    operator.apply("--limit", name)
    record = json.loads(lab.run("cat", archive.replace(".tar.zst", ".json")))
    assert record["digest"] == lab.run("sha256sum", archive).split()[0] != damaged.split()[0]
    assert customer(name).get("/api/users/me").json["isAdmin"]
    left = "docker ps -aq --filter label=ch.swissphoto.silo.template; find /srv/silo -maxdepth 1 -name template"
    assert lab.shell(left) == ""


@pytest.fixture
def lost(lab, operator, newcomer, customer):
    """A tenant with a photo, whose server has lost its directories."""
    name = newcomer("lost")
    operator.apply("--limit", name)
    assert customer(name).upload(picture()).status == 201
    directory = f"/srv/silo/tenants/{name}"
    with lab.without_recovery():
        lab.shell(f"cd {directory} && docker compose down 2>&1 && cd / && rm -rf {directory} /databases/{name}/*")
    return name


def test_no_empty_cloud_is_put_over_somebodys_photos(lab, operator, silo, customer, sessions, lost):
    before = lab.shell(f"find /instances/{lost} -type f -size +1k | sort")
    refusal = f"/instances/{lost}/uploads holds files, and there is no database of it"
    for playbook in ("plan.yml", "apply.yml"):
        run = operator.try_run(playbook, "--limit", lost)
        assert run.code != 0
        assert refusal in told(run)
    assert lab.shell(f"docker ps -aq --filter label=ch.swissphoto.silo.tenant={lost}") == ""
    silo.run("apply", lost, "--anew", "--yes")
    sessions.pop(lost)
    assert customer(lost).get("/api/assets/statistics").json["total"] == 0
    assert lab.shell(f"find /instances/{lost} -type f -size +1k | sort") == before


def test_a_database_container_makes_no_database(lab, operator, newcomer):
    """As the engine would have it do where a server's disk is not mounted."""
    name = newcomer("bare")
    operator.apply("--limit", name)
    with lab.without_recovery():
        lab.shell(
            f"cd /srv/silo/tenants/{name} && docker compose stop database 2>&1 && "
            f"cd /databases/{name} && mv database kept && "
            f"install -d -m 0700 -o $(stat -c %u kept) -g $(stat -c %u kept) database"
        )
        run = lab.try_run("sh", "-c", f"cd /srv/silo/tenants/{name} && docker compose run --rm database 2>&1")
        assert run.returncode != 0
        assert lab.shell(f"ls -A /databases/{name}/database") == ""
        lab.shell(f"cd /databases/{name} && rmdir database && mv kept database")
    operator.apply("--limit", name)
    assert lab.psql(name, 'SELECT count(*) FROM "user"') == "1"
