"""The life of a customer, by the commands of the operator, with real mail and a real browser."""

import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time

import pytest
import yaml

from ..browser import Browser
from ..cloud import Cloud, picture
from ..conftest import take_away
from ..operator import ROOT
from ..relay import link, text
from ..waiting import wait_for

EMAIL = "greta@example.ch"
PASSWORD = "Gretas eigenes Passwort"
# Of the uploads on the NAS, of root's files and of the databases on the server.
TRASHES = "/instances/.trash /srv/silo/trash /databases/.trash"


def german(role):
    """The words of a role's pages."""
    return yaml.safe_load((ROOT / "roles" / role / "vars" / "main.yml").read_text())[f"__{role}_texts"]["de"]


PAGES = german("access")


@pytest.fixture
def browser(lab, tmp_path):
    browser = Browser(lab, tmp_path / "home")
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def gone(lab, operator, silo):
    """Whoever these tests create is gone afterwards, with all that is kept of them."""
    names = []
    yield names.append
    for name in names:
        take_away(lab, operator, silo, name)


@contextlib.contextmanager
def watched(cloud):
    """All that a browser gets at the address meanwhile, from the first certificate on that it takes."""
    seen, over = [], threading.Event()

    def watch():
        while not over.wait(0.2):
            with contextlib.suppress(OSError, http.client.HTTPException):
                seen.append(cloud.get("/"))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def held(lab, container, until):
    """Keep what runs in `container` from getting on once it has started, until `until` is true.

    By signals to its user's processes: one that the engine pauses it calls unhealthy.
    """
    wanted = ["--filter", f"container={container}", "--filter", "event=start", "--format", "{{.Action}}"]
    command = ["docker", "exec", lab.container, "timeout", "300", "docker", "events", *wanted]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as events:

        def hold():
            if events.stdout.readline():
                user = lab.inspect(container)["Config"]["User"].partition(":")[0]
                lab.run("pkill", "--signal", "STOP", "--uid", user)
                try:
                    wait_for(until, 60)
                finally:
                    lab.run("pkill", "--signal", "CONT", "--uid", user)

        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            holding = pool.submit(hold)
            try:
                yield
            finally:
                events.kill()
                holding.result()


@pytest.fixture(scope="module")
def greta(lab, silo, relay, gone):
    gone("greta")
    with watched(Cloud(lab, "greta")) as seen, held(lab, "silo-greta-database-1", lambda: seen):
        silo.run("create", "greta", "2", EMAIL, "--language", "de")
    cloud = Cloud(lab, "greta")
    cloud.seen = seen
    return cloud


@pytest.fixture(scope="module")
def photos():
    return {f"{number}.jpg": picture(200) for number in range(3)}


def uploads(lab, folder):
    """Digest of each photo that lies below a folder of the NAS."""
    listed = lab.shell(f"find {folder} -type f -name '*.jpg' -exec sha256sum {{}} + | cut -d' ' -f1 | sort")
    return set(listed.split())


def test_while_it_is_made_its_address_says_so_with_a_certificate_of_its_own(greta):
    first, *later = greta.seen
    assert first.status == 503
    assert german("pages")["starting"]["text"] in first.body.decode()
    assert int(first.headers["Retry-After"]) > 0
    assert {answer.status for answer in later if answer.status >= 400} <= {503}


@pytest.mark.fault(22)
def test_a_new_customer_follows_the_link_sets_a_password_and_logs_in(greta, relay, browser):
    (letter,) = relay.to(EMAIL)
    assert letter["Subject"].startswith("Ihr")
    assert letter["From"] == "SwissPhoto <photos@swissphoto.test>"
    assert f"https://{greta.host}" in text(letter)
    assert PASSWORD not in text(letter)

    assert PAGES["form"]["title"] in browser.open(link(letter))
    browser.fill(password=PASSWORD, repeated=PASSWORD)
    browser.wait_for(PAGES["done"]["title"])
    browser.log_in(f"https://{greta.host}", EMAIL, PASSWORD)

    assert PAGES["ended"]["text"] in browser.open(link(letter))


def test_a_link_that_was_sent_is_nowhere_but_in_its_letter(greta, operator, relay):
    (letter,) = relay.to(EMAIL)
    token = link(letter).rpartition("/")[2].encode()
    kept = [path for path in operator.inventory.rglob("*") if path.is_file()]
    assert operator.inventory / ".silo" / "outbox.db" in kept
    assert [path for path in kept if token in path.read_bytes()] == []
    assert (operator.inventory / ".silo").stat().st_mode & 0o077 == 0


def test_what_runs_is_listed_with_real_numbers(greta, lab, silo):
    (tenant,) = [tenant for tenant in silo.json("list")["tenants"] if tenant["name"] == "greta"]
    assert (tenant["desired"], tenant["observed"], tenant["server"]) == ("running", "running", "silo1")
    assert tenant["quota_bytes"] == 2 * 1024**3
    assert tenant["version"] == f"v{lab_version(greta)}"
    assert tenant["memory_limit_bytes"] == 5 * 1024**3 // 2
    assert silo.json("show", "greta")["settings"]["tenant_email"] == EMAIL


def test_what_happened_is_one_timeline(greta, silo):
    answer = silo.json("log", "greta")
    said = {(one["source"], one["what"]) for one in answer["entries"]}
    assert {
        ("letter", "the relay accepted the letter 'created' to the customer"),
        ("server", "it was born"),
        ("server", "container server started"),
    } <= said
    assert not [problem for problem in answer["problems"] if "server" in problem]
    assert EMAIL not in str(answer)


def lab_version(cloud):
    answer = cloud.get("/api/server/version").json
    return ".".join(str(answer[part]) for part in ("major", "minor", "patch"))


@pytest.mark.fault(22)
def test_stopped_for_an_unpaid_invoice_and_back_with_data_and_session(greta, lab, silo, relay, photos):
    assert greta.login(EMAIL, PASSWORD).status == 201
    for name, data in photos.items():
        assert greta.upload(data, name).status == 201
    before = len(relay.to(EMAIL))

    silo.run("stop", "greta", "--unpaid", "--yes")
    assert lab.run("docker", "ps", "--quiet", "--filter", "name=silo-greta-") == ""
    page = greta.get("/", Accept="text/html")
    assert (page.status, page.headers["Content-Language"]) == (503, "de")
    assert "/pay" not in page.body.decode()
    assert greta.get("/api/server/ping").json["reason"] == "unavailable"
    assert "/pay" in text(relay.to(EMAIL)[-1])

    silo.run("start", "greta")
    assets = greta.post("/api/search/metadata", {"size": 10}).json["assets"]["items"]
    found = {asset["originalFileName"]: greta.get(f"/api/assets/{asset['id']}/original").body for asset in assets}
    assert found == photos
    assert len(relay.to(EMAIL)) == before + 2


def test_a_quota_grows_without_a_restart(greta, lab, silo):
    before = lab.containers("greta")
    silo.run("set", "greta", "--quota", "3G")
    assert lab.containers("greta") == before
    assert silo.json("show", "greta")["quota_bytes"] == 3 * 1024**3


def test_a_forgotten_password_is_replaced_by_a_new_link(greta, lab, silo, relay, browser):
    before = len(relay.to(EMAIL))
    silo.run("reset-access", "greta", "--yes")
    letters = relay.to(EMAIL)
    assert len(letters) == before + 1
    assert Cloud(lab, "greta").login(EMAIL, PASSWORD).status == 401
    browser.open(link(letters[-1]))
    browser.fill(password=PASSWORD, repeated=PASSWORD)
    browser.wait_for(PAGES["done"]["title"])
    assert greta.login(EMAIL, PASSWORD).status == 201


def test_a_relay_that_is_away_gets_the_letter_later_and_once(greta, silo, relay, browser):
    before = len(relay.to(EMAIL))
    relay.refuses = "451 come back later"
    assert "is not sent yet" in silo.run("reset-access", "greta", "--yes")
    assert len(relay.to(EMAIL)) == before
    relay.refuses = ""
    # Its next attempt is a minute away.
    assert "451 'come back later'" in silo.run("letters")
    for _time in range(2):
        silo.run("letters", "--now")
        assert len(relay.to(EMAIL)) == before + 1
    browser.open(link(relay.to(EMAIL)[-1]))
    browser.fill(password=PASSWORD, repeated=PASSWORD)
    browser.wait_for(PAGES["done"]["title"])


@pytest.mark.fault(22)
def test_deletion_needs_the_name_and_loses_nothing_for_two_weeks(greta, lab, operator, silo, relay, photos):
    # A new password has ended the sessions before it.
    assert greta.login(EMAIL, PASSWORD).status == 201
    stored = uploads(lab, "/instances/greta")
    assert stored >= {hashlib.sha256(data).hexdigest() for data in photos.values()}
    for typed in ("hans", ""):
        refused = silo.try_run("delete", "greta", "--confirm", typed)
        assert (refused.code, lab.containers("greta") != {}) == (2, True)
        assert "it must be the name, greta" in refused.output
    holds = silo.run("delete", "greta", "--dry-run")
    assert re.search(r"greta holds 3 photos and 0 videos, \S+ [KM]iB; the last login was on 20\d\d-\d\d-\d\d\.", holds)
    assert greta.works()

    index = operator.settings("greta")["tenant_index"]
    told = silo.run("delete", "greta", "--confirm", "greta")
    assert re.search(r"greta was deleted at \S+ by \S+: \d+ files, ", told)
    assert lab.run("docker", "ps", "--all", "--quiet", "--filter", "name=silo-greta-") == ""
    assert "greta" not in lab.run("docker", "network", "ls")
    assert lab.shell("ls /instances /srv/silo/tenants /databases /srv/silo/traefik/routes").count("greta") == 0
    assert uploads(lab, "/instances/.trash") == stored
    assert lab.run("stat", "--format", "%U %a", *TRASHES.split()).split() == ["root", "700"] * 3
    # What is deleted keeps its limit on both file systems until it is purged.
    assert lab.quota(index, "/databases") > 0
    assert lab.shell("find /srv/silo/trash -path '*greta*' -name secrets") == ""
    assert not operator.folder("greta").exists()
    assert "greta" not in {tenant["name"] for tenant in silo.json("list")["tenants"]}
    assert relay.to(EMAIL)[-1]["Subject"] != relay.to(EMAIL)[0]["Subject"]


@pytest.mark.fault(22)
def test_it_comes_back_with_all_photos_and_the_same_password(greta, lab, silo, photos):
    silo.run("undelete", "greta")
    assert greta.login(EMAIL, PASSWORD).status == 201
    assets = greta.post("/api/search/metadata", {"size": 10}).json["assets"]["items"]
    found = {asset["originalFileName"]: greta.get(f"/api/assets/{asset['id']}/original").body for asset in assets}
    assert found == photos
    assert (
        lab.shell("ls -A /instances/.trash /srv/silo/trash /databases/.trash | grep greta || echo none").strip()
        == "none"
    )


@pytest.mark.fault(21)
def test_purged_it_is_gone_and_its_index_is_never_given_again(greta, lab, operator, silo, gone):
    index = operator.settings("greta")["tenant_index"]
    silo.run("delete", "greta", "--confirm", "greta")
    early = silo.try_run("purge", "greta", "--yes")
    assert early.code == 2
    assert "its time in the trash is not over" in early.output
    assert "No tenant in the trash is old enough" in silo.run("purge", "--yes")
    silo.run("purge", "greta", "--confirm", "greta", "--yes")
    assert (
        lab.shell("ls -A /instances/.trash /srv/silo/trash /databases/.trash | grep greta || echo none").strip()
        == "none"
    )
    for root in ("/instances", "/databases"):
        groups = json.loads(lab.run("btrfs", "--format", "json", "qgroup", "show", root))["qgroup-show"]
        assert f"1/{index}" not in {group["qgroupid"] for group in groups}
    record = yaml.safe_load((operator.inventory / "retired" / f"{index}-greta.yml").read_text())
    assert record["purged"]
    assert record["files"] > 0
    assert "unknown tenant 'greta': the trash has none of this name" in silo.try_run("undelete", "greta").output

    # Phones of her users may still upload to her address.
    refused = silo.try_run("create", "greta", "2", "other@example.ch")
    assert refused.code == 2
    assert "a deleted tenant had this name" in refused.output
    assert "greta" in silo.run("names")

    gone("gretl")
    silo.run("create", "gretl", "2", "gretl@example.ch")
    assert operator.settings("gretl")["tenant_index"] > index


@pytest.mark.fault(19)
def test_two_operators_at_once_and_one_who_is_killed(lab, operator, silo, relay, gone):
    for name in ("otto", "olga"):
        gone(name)
    both = [silo.start("create", name, "2", f"{name}@example.ch", "--language", "en") for name in ("otto", "olga")]
    time.sleep(9)
    os.killpg(both[0].pid, signal.SIGKILL)
    for process in both:
        process.communicate(timeout=300)
    assert both[1].returncode == 0
    if not (operator.folder("otto") / "tenant.yml").exists():
        silo.run("create", "otto", "2", "otto@example.ch", "--language", "en")
    silo.run("apply")
    indexes = [operator.settings(name)["tenant_index"] for name in ("otto", "olga")]
    assert len(set(indexes)) == 2
    for name in ("otto", "olga"):
        assert Cloud(lab, name).works()
        letters = relay.to(f"{name}@example.ch")
        assert len(letters) == 1, name
        assert Cloud(lab, name).get(link(letters[0]).partition(f".{lab.domain}")[2]).status == 200


@pytest.mark.fault(21)
@pytest.mark.parametrize(("name", "seconds"), [("otto", 3), ("olga", 6)])
def test_a_deletion_that_is_killed_goes_on(lab, operator, silo, name, seconds):
    data = picture(100)
    cloud = Cloud(lab, name)
    cloud.login(f"{name}@example.ch", operator.secrets(name)["admin_password"])
    assert cloud.upload(data).status == 201
    process = silo.start("delete", name, "--confirm", name)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=300)
    again = silo.try_run("delete", name, "--confirm", name)
    assert again.code == 0 or "unknown tenant" in again.output
    (record,) = [yaml.safe_load(path.read_text()) for path in (operator.inventory / "retired").glob(f"*-{name}.yml")]
    assert record["trashed"]
    assert uploads(lab, "/instances/.trash") >= {hashlib.sha256(data).hexdigest()}
    assert lab.run("docker", "ps", "--all", "--quiet", "--filter", f"name=silo-{name}-") == ""


def test_the_same_by_playbooks(lab, operator, relay, gone):
    gone("paula")
    facts = ["-e", "tenant=paula", "-e", "quota=2G", "-e", "email=paula@example.ch", "-e", "language=it"]
    operator.run("tenant-create.yml", *facts)
    cloud = Cloud(lab, "paula")
    assert cloud.works()
    assert cloud.get(link(relay.to("paula@example.ch")[0]).partition(f".{lab.domain}")[2]).status == 200
    operator.run("tenant-stop.yml", "-e", "tenant=paula")
    assert cloud.get("/").status == 503
    operator.run("tenant-start.yml", "-e", "tenant=paula")
    assert cloud.works()
    refused = operator.try_run("tenant-delete.yml", "-e", "tenant=paula", "-e", "confirm=paul")
    assert "it must be the name typed again, confirm=paula" in " ".join(refused.output.split())
    operator.run("tenant-delete.yml", "-e", "tenant=paula", "-e", "confirm=paula")
    assert lab.shell("ls -A /instances/.trash").count("paula") == 1


def test_what_the_operator_wants_done_before_is_done_before(lab, operator, silo, gone, tmp_path):
    gone("petra")
    silo.run("create", "petra", "2", "petra@example.ch")
    backup = tmp_path / "backup.yml"
    settings = operator.inventory / "group_vars" / "all" / "backup.yml"
    settings.write_text(f"silo_before_trash: {backup}\n")
    try:
        backup.write_text("- ansible.builtin.fail: {msg: the tape is full}\n")
        refused = silo.try_run("delete", "petra", "--confirm", "petra")
        assert refused.code == 4
        assert "its data are not in the trash yet: the tape is full" in refused.output
        assert lab.run("test", "-d", "/instances/petra/uploads") == ""
        copy = "content: '{{ trash_databases[inventory_hostname][0].name }}', dest: /run/last-backup, mode: '0600'"
        backup.write_text(f"- ansible.builtin.copy: {{{copy}}}\n")
        silo.run("delete", "petra", "--confirm", "petra")
        assert lab.run("cat", "/run/last-backup") == "petra"
        assert lab.shell("ls -A /instances/.trash").count("petra") == 1
    finally:
        settings.unlink()
        lab.run("rm", "-f", "/run/last-backup")
