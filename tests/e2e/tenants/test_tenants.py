"""Each of the three customers has what was promised to them, and nobody else's."""

import contextlib
import hashlib

import pytest

from ..cloud import Cloud, picture
from ..waiting import wait_for

TENANTS = ("hans", "maria", "peter")
pytestmark = pytest.mark.parametrize("name", TENANTS)


def test_the_certificate_is_of_the_authority_and_for_the_name(lab, name):
    certificate = Cloud(lab, name).connect().getpeercert()  # verified by the authority's root, or it raises
    assert ("DNS", f"{name}.{lab.domain}") in certificate["subjectAltName"]
    issuer = {key: value for part in certificate["issuer"] for key, value in part}
    assert issuer["commonName"].startswith("Pebble Intermediate")


def test_a_photo_is_found_again_wherever_it_should_be(lab, customer, name):
    data, cloud = picture(), customer(name)
    answer = cloud.upload(data)
    assert answer.status == 201
    asset = answer.json["id"]
    assert cloud.get(f"/api/assets/{asset}/original").body == data

    path = lab.psql(name, f"""SELECT "originalPath" FROM asset WHERE id = '{asset}'""")
    assert path.startswith("/data/upload/")
    on_nas = f"/instances/{name}/uploads/{path.removeprefix('/data/')}"
    assert lab.run("sha1sum", on_nas).split()[0] == hashlib.sha1(data, usedforsecurity=False).hexdigest()

    others = [other for other in TENANTS if other != name]
    assert [lab.psql(other, f"""SELECT count(*) FROM asset WHERE id = '{asset}'""") for other in others] == ["0", "0"]


@pytest.mark.needs_property("models")
def test_a_photo_gets_its_vector_through_the_own_gateway(lab, customer, name):
    before = lab.predictions(name)
    asset = customer(name).upload(picture()).json["id"]
    count = f"""SELECT vector_dims(embedding) FROM smart_search WHERE "assetId" = '{asset}'"""
    assert wait_for(lambda: lab.psql(name, count)) == "512"
    # The gate knows by the route whose photo server has asked.
    after = lab.predictions(name)
    assert after["answered"] > before["answered"]
    assert after["refused"] == before["refused"]


@pytest.mark.needs_property("models")
def test_its_job_goes_through_its_own_queue(lab, customer, name):
    cloud = customer(name)
    with contextlib.ExitStack() as stack:
        traffic = {tenant: stack.enter_context(lab.queue_traffic(tenant)) for tenant in TENANTS}
        asset = cloud.upload(picture()).json["id"]
        count = f"""SELECT count(*) FROM smart_search WHERE "assetId" = '{asset}'"""
        wait_for(lambda: lab.psql(name, count) == "1")
    jobs = {tenant: [line for line in lines if asset in line] for tenant, lines in traffic.items()}
    assert [tenant for tenant in TENANTS if jobs[tenant]] == [name]
    added = [line for line in jobs[name] if '"immich_bull:smartSearch:' in line]
    assert added
    assert all(f" {lab.address_of(name, 'server')}:" in line for line in added)


def test_the_same_photo_twice_is_one_photo(customer, name):
    data, cloud = picture(), customer(name)
    first, second = cloud.upload(data), cloud.upload(data)
    assert (first.status, second.status) == (201, 200)
    assert (second.json["status"], second.json["id"]) == ("duplicate", first.json["id"])


def test_only_the_owner_logs_in(lab, operator, name):
    cloud = Cloud(lab, name)
    other = TENANTS[TENANTS.index(name) - 1]
    assert cloud.login(f"{name}@example.ch", "wrong").status == 401
    assert cloud.login(f"{other}@example.ch", operator.secrets(other)["admin_password"]).status == 401


def test_set_up_is_closed_and_refused_before_it_is_asked(lab, name):
    cloud = Cloud(lab, name)
    stranger = {"email": "stranger@example.org", "password": "open sesame", "name": "stranger"}
    for path in ("/api/auth/admin-sign-up", "/api/admin/database-backups/start-restore", "/api/admin/maintenance"):
        assert cloud.post(path, stranger).status == 403
    assert "IMMICH_ALLOW_SETUP=false" in lab.inspect(f"silo-{name}-server-1")["Config"]["Env"]


def test_limits_are_those_of_the_mission(lab, name):
    gib = 1024**3
    for service, limit in (("server", gib), ("database", gib), ("cache", gib // 2)):
        host = lab.inspect(f"silo-{name}-{service}-1")["HostConfig"]
        assert (host["Memory"], host["MemorySwap"]) == (limit, limit)


def test_the_kernel_holds_the_limit(lab, name):
    pid = lab.inspect(f"silo-{name}-server-1")["State"]["Pid"]
    script = f"""
    group=$(sed -n 's/^[0-9]*:memory://p' /proc/{pid}/cgroup)
    if [ -n "$group" ]; then cat /sys/fs/cgroup/memory$group/memory.limit_in_bytes
    else cat /sys/fs/cgroup$(sed -n 's/^0:://p' /proc/{pid}/cgroup)/memory.max; fi
    """
    assert int(lab.shell(script)) == 1024**3


def test_the_quota_is_what_was_bought(lab, name):
    promised = {"hans": 100, "maria": 500, "peter": 1024}[name] * 1024**3
    assert lab.quota(TENANTS.index(name) + 1) == promised


# The environments of the processes of chosen owners. Processes end meanwhile, so what find and cat miss is no error.
ENVIRONMENTS = "find /proc -maxdepth 2 -path '/proc/[0-9]*/environ' {} -exec cat {{}} + 2>/dev/null | tr '\\0' '\\n'"


@pytest.mark.fault(23)
def test_secrets_are_nowhere_to_be_seen(lab, operator, name):
    secrets = operator.secrets(name).values()
    uid = str(200001 + TENANTS.index(name))
    # The tenant's own processes have it there: the search finds a secret where there is one.
    assert operator.secrets(name)["database_password"] in lab.shell(ENVIRONMENTS.format(f"-uid {uid}"))
    seen = {
        "docker inspect": lab.shell(f"docker inspect $(docker ps -aq --filter name=silo-{name}-)"),
        "the process list": lab.run("ps", "-eww", "-o", "args"),
        "the environment of another user": lab.shell(ENVIRONMENTS.format(f"! -uid {uid}")),
        "the journal": lab.run("journalctl", "--no-pager", "--quiet"),
        "the containers' logs": lab.shell(
            f"for c in server database cache; do docker logs silo-{name}-$c-1 2>&1; done"
        ),
    }
    assert [place for place, text in seen.items() if any(secret in text for secret in secrets)] == []
    modes = lab.shell(f"stat -c '%a %u %n' /srv/silo/tenants/{name}/secrets/*").split("\n")[:-1]
    assert [line for line in modes if not line.startswith(f"400 {uid} ")] == []
    open_to_others = f"find /srv/silo/tenants/{name} -maxdepth 2 -type f -perm /044"
    readable = f"{open_to_others} ! -name compose.yaml ! -path '*/backups/*'"
    assert lab.shell(readable) == ""
    vault = operator.folder(name) / "vault.yml"
    assert vault.stat().st_mode & 0o777 == 0o600
    assert vault.read_text().startswith("$ANSIBLE_VAULT;1.1;AES256\n")
