"""Stopped, suspended, started again, and the power button."""

import subprocess
import sys

import pytest
import yaml

from ..cloud import Cloud, picture
from ..operator import ROOT
from ..waiting import wait_for

SERVICES = ("server", "database", "cache")
TEXTS = yaml.safe_load((ROOT / "roles" / "pages" / "vars" / "main.yml").read_text())["__pages_texts"]


def states(lab, name):
    return {lab.inspect(f"silo-{name}-{service}-1")["State"]["Status"] for service in SERVICES}


@pytest.fixture
def resting(operator):
    """Puts a tenant into a state; it runs again afterwards."""
    names = []

    def put(name, state):
        names.append(name)
        operator.edit(name, state=state)
        return operator.apply("--limit", name)

    yield put
    for name in names:
        operator.edit(name, state=None)
        operator.apply("--limit", name)


@pytest.mark.parametrize(
    ("name", "language", "state"),
    [("hans", "de", "suspended"), ("maria", "fr", "suspended"), ("peter", "it", "stopped")],
)
def test_who_rests_frees_the_memory_keeps_the_data_and_shows_a_page(
    lab, operator, customer, resting, name, language, state
):
    data, cloud = picture(), customer(name)
    asset = cloud.upload(data).json["id"]
    resting(name, state)
    assert states(lab, name) == {"exited"}

    title, text = TEXTS[language][state]["title"], Cloud(lab, name).get("/photos").body.decode()
    page = Cloud(lab, name).get("/")
    assert (page.status, page.headers["Retry-After"]) == (503, "3600")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.body.decode() == text
    assert f'<html lang="{language}">' in text
    assert f"<h1>{title}</h1>" in text
    assert "/pay" not in text
    answer = Cloud(lab, name).get("/api/server/ping")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "3600")
    assert answer.headers["Content-Type"].startswith("application/json")
    # That somebody owes money is no stranger's concern.
    reason = "unavailable" if state == "suspended" else state
    assert answer.json == {"message": title, "reason": reason}
    upload = Cloud(lab, name).upload(picture(1500))
    assert (upload.status, upload.json["reason"]) == (503, reason)
    assert set(operator.apply().changed.values()) == {0}

    operator.edit(name, state=None)
    operator.apply("--limit", name)
    # The same session, too.
    assert cloud.get(f"/api/assets/{asset}/original").body == data


def test_a_photo_server_that_is_away_has_a_page_that_says_so(lab):
    with lab.without_recovery():
        lab.run("docker", "stop", "silo-maria-server-1")
        try:
            page = Cloud(lab, "maria").get("/photos")
            assert page.status == 503
            assert f"<h1>{TEXTS['fr']['starting']['title']}</h1>" in page.body.decode()
            answer = Cloud(lab, "maria").get("/api/users/me")
            assert (answer.status, answer.json["reason"]) == (503, "starting")
        finally:
            lab.run("docker", "start", "silo-maria-server-1")


@pytest.mark.parametrize(("wish", "language"), [("fr-CH,de;q=0.5", "fr"), ("it", "it"), ("ja", "de"), ("en", "en")])
def test_an_address_that_nobody_has_says_so_in_the_language_of_the_browser(lab, wish, language):
    stranger = Cloud(lab, "nobodyhere", verify=False)
    page = stranger.get("/", Accept_Language=wish)
    assert page.status == 404
    assert f"<h1>{TEXTS[language]['unknown']['title']}</h1>" in page.body.decode()
    answer = stranger.get("/api/server/ping", Accept_Language=wish)
    assert (answer.status, answer.json) == (404, {"message": TEXTS[language]["unknown"]["title"], "reason": "unknown"})


def test_a_tenant_that_is_absent_keeps_data_and_secrets(lab, operator, newcomer, customer):
    name = newcomer("gone")
    operator.apply("--limit", name)
    data = picture()
    asset = customer(name).upload(data).json["id"]
    operator.edit(name, state="absent")
    operator.apply("--limit", name)
    assert lab.run("docker", "ps", "-aq", "--filter", f"name=silo-{name}-") == ""
    assert f"silo-{name}_default" not in lab.run("docker", "network", "ls")
    assert Cloud(lab, name, verify=False).get("/").status == 404
    operator.edit(name, state="running")
    operator.apply("--limit", name)
    assert customer(name).get(f"/api/assets/{asset}/original").body == data


@pytest.mark.fault(11)
def test_uploads_work_while_the_machine_learning_is_away(lab, customer):
    container = "silo-machine-learning-machine-learning-1"
    lab.run("docker", "stop", container)
    try:
        data, cloud = picture(), customer("hans")
        answer = cloud.upload(data)
        assert answer.status == 201
        assert cloud.get(f"/api/assets/{answer.json['id']}/original").body == data
    finally:
        lab.run("docker", "start", container)


@pytest.mark.slow("test_recovery boots with a NAS that is late, and each lab begins by a boot")
@pytest.mark.fault(1)
def test_after_a_reboot_runs_what_ran_and_rests_what_rested(lab, operator, customer, resting):
    data, cloud = picture(), customer("hans")
    asset = cloud.upload(data).json["id"]
    resting("maria", "stopped")
    resting("peter", "suspended")
    subprocess.run(
        [sys.executable, "-m", "tests.lab", "reboot"], cwd=ROOT, check=True, capture_output=True, timeout=300
    )
    wait_for(Cloud(lab, "hans").works, seconds=120)
    assert cloud.get(f"/api/assets/{asset}/original").body == data
    for name in ("maria", "peter"):
        assert states(lab, name) == {"exited"}
        assert Cloud(lab, name).get("/").status == 503
    assert lab.run("findmnt", "-no", "FSTYPE", "/instances").strip() == "btrfs"
    assert "silo_firewall" in lab.run("nft", "list", "tables")
    assert set(operator.run("site.yml").changed.values()) == {0}
