"""Each command knows more than one server and NAS."""

import http.client

from ..cloud import Cloud, picture
from .conftest import FIRST, SECOND, TENANTS

GIB = 1024**3


def test_nobody_on_the_first_server_notices_that_a_second_one_joins(lab, joined):
    assert lab.running() == joined.before
    assert joined.changed[SECOND] > 0


def test_a_second_run_changes_neither(operator, joined):
    changed = operator.run("site.yml").changed
    assert {changed[FIRST], changed[SECOND]} == {0}


def test_a_customer_is_created_on_the_server_that_is_asked_for(lab, second, operator, bea):
    cloud = Cloud(second, bea)
    password = operator.secrets(bea)["admin_password"]
    assert cloud.login("bea@example.ch", password).status == http.client.CREATED
    assert cloud.upload(picture()).status == http.client.CREATED
    assert second.quota(operator.settings(bea)["tenant_index"]) == GIB
    # Nothing of it is on the other one.
    for place in ("/srv/silo/tenants", "/instances", "/databases"):
        assert lab.try_run("test", "-e", f"{place}/{bea}").returncode == 1
        assert second.try_run("test", "-d", f"{place}/{bea}").returncode == 0


def test_a_customer_of_one_server_cannot_be_reached_by_the_other(lab, bea):
    answer = Cloud(lab, bea, verify=False).get("/api/server/ping", Accept="application/json")
    assert (answer.status, answer.json["reason"]) == (http.client.NOT_FOUND, "unknown")


def test_list_and_stats_show_where_everybody_is(silo, bea):
    where = {**dict.fromkeys(TENANTS, FIRST), bea: SECOND}
    listed = {one["name"]: one for one in silo.json("list")["tenants"]}
    assert {name: one["server"] for name, one in listed.items()} == where
    assert listed[bea]["observed"] == "running"
    assert listed[bea]["used_bytes"] > 0
    assert listed[bea]["certificate_trusted"]
    used = silo.json("stats")
    assert {one["name"]: one["server"] for one in used["tenants"]} == where
    assert (used["totals"]["tenants"], used["problems"]) == (4, [])


def test_both_are_checked_and_verified(silo, bea):
    for command in (("check",), ("verify",)):
        subjects = {one["subject"].partition("/")[0] for one in silo.json(*command)["findings"]}
        assert {FIRST, SECOND} <= subjects
    assert {one["subject"].partition("/")[0] for one in silo.json("verify", bea)["findings"]} >= {bea, SECOND}


def test_capacity_images_and_alerts_know_both(silo, bea):
    capacity = silo.json("capacity")
    assert {one["name"] for one in capacity["servers"]} == {FIRST, SECOND}
    assert {one["name"] for one in capacity["nas"]} == {FIRST, SECOND}
    assert {one["nas"] for one in silo.json("images")["templates"]} == {FIRST, SECOND}
    assert silo.run("alerts")


def test_who_says_no_server_gets_the_one_with_the_most_memory_left(silo, bea):
    plan = silo.run("create", "carlo", "1", "carlo@example.ch", "--dry-run")
    assert f"tenant_server: {SECOND}" in plan
    assert f"tenant_nas: {SECOND}" in plan


def test_a_change_on_one_server_does_not_touch_the_other(lab, silo, bea):
    before = lab.running()
    assert "bea is stopped." in silo.run("stop", bea, "--yes")
    assert "bea runs." in silo.run("start", bea)
    assert lab.running() == before
