"""What customers read while the operator works, and while the NAS is away; it goes when that is over."""

import pytest

from ..cloud import Cloud
from ..waiting import wait_for
from .test_recovery import hanging_nas

PING = "/api/server/ping"


@pytest.fixture
def maintained(silo):
    """Switches maintenance on; it is off afterwards."""
    scopes = []

    def on(*arguments):
        scopes.extend(one for one in arguments if not one.startswith("-") and " " not in one)
        return silo.run("maintenance", "--on", "--yes", *arguments)

    yield on
    for scope in scopes:
        silo.run("maintenance", "--off", scope)


def test_a_tenant_in_maintenance_shows_the_operators_words_and_nobody_else_does(lab, silo, maintained):
    maintained("hans", "--text-de=Wir ziehen <b>um</b>.")
    wait_for(lambda: Cloud(lab, "hans").get(PING).status == 503)
    page, answer = Cloud(lab, "hans").get("/photos"), Cloud(lab, "hans").get(PING)
    assert (page.status, page.headers["Retry-After"]) == (503, "60")
    assert "Wir ziehen &lt;b&gt;um&lt;/b&gt;." in page.body.decode()
    assert (answer.json["reason"], answer.headers["Retry-After"]) == ("maintenance", "60")
    assert "Wir ziehen <b>um</b>." in answer.json["message"]
    assert Cloud(lab, "maria").works()
    silo.run("maintenance", "--off", "hans")
    wait_for(Cloud(lab, "hans").works)
    assert "_maintenance.yml" not in lab.shell("ls /srv/silo/traefik/routes")


def test_a_server_in_maintenance_keeps_who_is_closed_closed(lab, operator, maintained):
    operator.edit("peter", state="suspended")
    operator.apply("--limit", "peter")
    try:
        maintained("silo1")
        wait_for(lambda: Cloud(lab, "hans").get(PING).status == 503)
        assert Cloud(lab, "maria").get(PING).json["reason"] == "maintenance"
        assert Cloud(lab, "peter").get(PING).json["reason"] == "unavailable"
    finally:
        operator.edit("peter", state=None)
        operator.apply("--limit", "peter")


@pytest.mark.slow("a minute until the page, and one until it goes; unit tests have the same looks without waiting")
def test_a_nas_that_is_away_for_a_minute_shows_a_page_that_goes_by_itself(lab):
    with hanging_nas(lab):
        wait_for(lambda: Cloud(lab, "hans").get(PING).status == 503, 120)
        answer = Cloud(lab, "hans").get(PING)
        assert (answer.json["reason"], answer.headers["Retry-After"]) == ("storage", "30")
        assert "Unser Speicher ist gestört" in Cloud(lab, "hans").get("/").body.decode()
    wait_for(Cloud(lab, "hans").works, 120)
    assert "_outage.yml" not in lab.shell("ls /srv/silo/traefik/routes")
