"""Stopped, suspended, started again, and the power button."""

import subprocess
import sys
import time

import pytest

from .cloud import Cloud, picture
from .operator import ROOT

SERVICES = ("server", "database", "cache")


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
    ("name", "state", "title"),
    [
        ("hans", "suspended", "Ihre Foto-Cloud ist gesperrt"),
        ("maria", "suspended", "Votre cloud photo est suspendu"),
        ("peter", "stopped", "Il Suo cloud fotografico è in pausa"),
    ],
)
def test_who_rests_frees_the_memory_keeps_the_data_and_shows_a_page(
    lab, operator, customer, resting, name, state, title
):
    data, cloud = picture(), customer(name)
    asset = cloud.upload(data).json["id"]
    resting(name, state)
    assert states(lab, name) == {"exited"}

    page = Cloud(lab, name).get("/")
    assert (page.status, page.headers["Retry-After"]) == (503, "3600")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert ("/pay" in page.body.decode()) == (state == "suspended")
    answer = Cloud(lab, name).get("/api/server/ping")
    assert (answer.status, answer.json["reason"]) == (503, state)
    if state == "suspended" or name == "peter":
        assert answer.json["message"] == title or title in page.body.decode()
    upload = Cloud(lab, name).upload(picture(1500))
    assert (upload.status, upload.json["reason"]) == (503, state)
    assert set(operator.apply().changed.values()) == {0}

    operator.edit(name, state=None)
    operator.apply("--limit", name)
    # The same session, too.
    assert cloud.get(f"/api/assets/{asset}/original").body == data


def test_a_photo_server_that_is_away_has_a_page_that_says_so(lab):
    lab.run("docker", "stop", "silo-maria-server-1")
    try:
        page = Cloud(lab, "maria").get("/photos")
        assert page.status == 503
        assert "Un instant" in page.body.decode()
        answer = Cloud(lab, "maria").get("/api/users/me")
        assert (answer.status, answer.json["reason"]) == (503, "starting")
    finally:
        lab.run("docker", "start", "silo-maria-server-1")


@pytest.mark.parametrize(
    ("wish", "word"), [("fr-CH,de;q=0.5", "Personne"), ("it", "nessuno"), ("ja", "niemand"), ("en", "Nobody")]
)
def test_an_address_that_nobody_has_says_so_in_the_language_of_the_browser(lab, wish, word):
    page = Cloud(lab, "nobodyhere", verify=False).get("/", Accept_Language=wish)
    assert page.status == 404
    assert word in page.body.decode()


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


def test_after_a_reboot_runs_what_ran_and_rests_what_rested(lab, operator, customer, resting):
    data, cloud = picture(), customer("hans")
    asset = cloud.upload(data).json["id"]
    resting("maria", "stopped")
    subprocess.run(
        [sys.executable, "-m", "tests.lab", "reboot"], cwd=ROOT, check=True, capture_output=True, timeout=300
    )
    end = time.monotonic() + 120
    while True:
        try:
            if all(Cloud(lab, name).get("/api/server/ping").status == 200 for name in ("hans", "peter")):
                break
        except OSError:
            pass
        assert time.monotonic() < end, "two minutes after the reboot, not all that ran runs again"
        time.sleep(1)
    assert cloud.get(f"/api/assets/{asset}/original").body == data
    assert states(lab, "maria") == {"exited"}
    assert Cloud(lab, "maria").get("/").status == 503
    assert lab.run("findmnt", "-no", "FSTYPE", "/instances").strip() == "btrfs"
    assert "silo_guard" in lab.run("nft", "list", "tables")
    assert set(operator.run("site.yml").changed.values()) == {0}
