"""Prometheus on the server: what it takes, whom it tells, and whether its alerts come when they should."""

import json
import re
import socket
from pathlib import Path

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.usage.exposition import METRICS

from ..operator import ROOT
from ..relay import text
from ..waiting import wait_for

ROLE = ROOT / "roles" / "monitoring" / "files"
ASK = """
import sys, urllib.parse, urllib.request
url = "http://127.0.0.1:9090/api/v1/" + sys.argv[1]
if len(sys.argv) > 2:
    url += "?" + urllib.parse.urlencode({"query": sys.argv[2]})
print(urllib.request.urlopen(url, timeout=10).read().decode())
"""
# An alert that comes at once, under the name of one that takes ten minutes.
RULES = """
groups:
  - name: test
    interval: 1s
    rules:
      - alert: TenantStorageNearlyFull
        expr: vector(0.91)
        labels: {severity: warning, tenant: hans}
        annotations: {summary: hans has used much., description: Offer more.}
"""


@pytest.fixture
def ask(lab):
    """Asks Prometheus on the server, by its API."""

    def of(*question):
        return json.loads(lab.run("python3", "-c", ASK, *question))["data"]

    return of


def names_in(expression):
    """The names of metrics in an expression; those of functions, labels and durations are none."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\"[^\"]*\"|\b(on|by) \([^)]*\)", "", expression)
    return {name for name in re.findall(r"[a-z_:][a-zA-Z0-9_:]*(?![\w(:])(?! *\()", bare) if "_" in name or ":" in name}


def expressions():
    dashboard = json.loads((ROLE / "grafana" / "silo.json").read_text())
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from re.findall(r"^ +expr: (.+)$", (ROLE / "silo.rules.yml").read_text(), re.M)


def test_every_alert_comes_when_it_should_and_not_else(lab):
    lab.run("mkdir", "-p", "/tmp/rules")
    for file in (ROLE / "silo.rules.yml", ROOT / "tests" / "prometheus" / "silo_test.yml"):
        lab.run("sh", "-euc", f"cat >/tmp/rules/{file.name}", text=Path(file).read_text())
    answer = lab.try_run("sh", "-euc", "cd /tmp/rules && exec promtool test rules silo_test.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    alerts = re.findall(r"alert: (\w+)", (ROLE / "silo.rules.yml").read_text())
    tested = (ROOT / "tests" / "prometheus" / "silo_test.yml").read_text()
    assert [alert for alert in alerts if f"alertname: {alert}" not in tested] == []


def test_all_that_is_to_be_taken_is_taken(ask):
    targets = wait_for(lambda: [one for one in ask("targets")["activeTargets"] if one["health"] != "unknown"], 90)
    assert {one["labels"]["job"] for one in targets} <= {"prometheus", "node", "traefik", "learning"}
    wait_for(lambda: {one["health"] for one in ask("targets")["activeTargets"]} == {"up"}, 90)
    groups = ask("rules")["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}
    assert sum(len(group["rules"]) for group in groups) == 36


def test_what_the_rules_and_the_dashboard_ask_for_is_there(lab, ask):
    lab.run("systemctl", "start", "silo-accounting.service")
    recorded = set(re.findall(r"record: (\S+)", (ROLE / "silo.rules.yml").read_text()))
    asked = (
        {name for expression in expressions() for name in names_in(expression)}
        - recorded
        - {"silo_backup_timestamp_seconds"}
    )
    # Told by the intake, the checkout and the controller, where there are, and by the gate once it was asked something.
    told_elsewhere = ("silo_billing_", "silo_checkout_", "silo_controller_", "silo_learning_", "silo_letters_")
    asked = {name for name in asked if not name.startswith(told_elsewhere)}
    ours = {name for name in asked if name.startswith("silo_")}
    assert ours <= set(METRICS), ours - set(METRICS)
    known = wait_for(lambda: (found := set(ask("label/__name__/values"))) >= asked and found, 150)
    # btrfs, of which the lab's disks are, counts no files.
    assert {name for name in METRICS if not name.endswith("_inodes")} <= known
    # A lab from a snapshot knows the names from before, and has a value once the rules are evaluated again.
    (free,) = wait_for(lambda: ask("query", "silo:storage_free:share")["result"], 150)
    assert 0 < float(free["value"][1]) <= 1


def test_a_tenant_is_no_more_than_a_name(ask):
    labels = set(ask("labels"))
    assert {"tenant", "state", "job", "instance"} <= labels
    assert not {label for label in labels if "mail" in label or "user" in label}
    assert set(ask("label/tenant/values")) >= {"hans", "maria", "peter"}


@pytest.mark.needs_property("python")
@pytest.mark.parametrize("port", [9090, 9100])
def test_nobody_else_asks(lab, port):
    # The server is closed, and does not even say so.
    with pytest.raises(TimeoutError):
        socket.create_connection((lab.address, port), timeout=5)
    read = ["python3", "-c", "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=3)"]
    assert lab.try_run(*read, f"http://127.0.0.1:{port}/metrics").returncode == 0
    for address in (lab.gateway("hans"), lab.address, "127.0.0.1"):
        inside = ["docker", "exec", "silo-hans-server-1", *read, f"http://{address}:{port}/metrics"]
        assert lab.try_run(*inside).returncode != 0


def test_an_alert_is_told_once_to_the_operator_and_to_the_customer(lab, operator, silo, relay, ask):
    def wrong():
        return [one["labels"]["alertname"] for one in ask("alerts")["alerts"] if one["state"] == "firing"]

    file = "/etc/prometheus/rules/test.rules.yml"
    silo.run("alerts")
    relay.letters.clear()
    lab.run("sh", "-euc", f"cat >{file}; systemctl reload prometheus", text=RULES)
    try:
        wait_for(lambda: "TenantStorageNearlyFull" in wrong(), 30)
        found = [silo.json("alerts")["begun"] for _ in range(2)]
    finally:
        lab.run("sh", "-euc", f"rm {file}; systemctl reload prometheus")
    assert [[one["name"] for one in begun] for begun in found] == [["TenantStorageNearlyFull"], []]
    (to_operator,) = relay.to("ops@swissphoto.test")
    assert to_operator["Subject"] == "hans has used much."
    (to_hans,) = relay.to(operator.settings("hans")["tenant_email"])
    assert to_hans["Subject"] == "Ihr Speicher ist fast voll"
    assert "(91" in text(to_hans)
    wait_for(lambda: "TenantStorageNearlyFull" not in wrong(), 30)
    assert [one["name"] for one in silo.json("alerts")["ended"]] == ["TenantStorageNearlyFull"]
    assert [letter["Subject"] for letter in relay.letters[2:]] == ["Over: hans has used much."]


SIGN = "/var/lib/prometheus/node-exporter/silo_controller.prom"


def test_a_controller_that_is_silent_is_an_alert_of_its_servers(lab, silo, relay, ask):
    def wrong():
        return [one["labels"]["alertname"] for one in ask("alerts")["alerts"]]

    silo.run("alerts", "--dry-run")
    before = lab.try_run("cat", SIGN).stdout
    silo.run("alerts")
    try:
        assert lab.run("cat", SIGN) != before
        (seen,) = wait_for(lambda: ask("query", "time() - silo_controller_timestamp_seconds")["result"], 150)
        assert -60 < float(seen["value"][1]) < 300
        assert "ControllerSilent" not in wrong()
        lab.run("sh", "-euc", f"sed -i 's/^\\(silo_controller_timestamp_seconds\\) .*/\\1 1000/' {SIGN}")
        wait_for(lambda: "ControllerSilent" in wrong(), 150)
        # The controller is back.
        silo.run("alerts")
        wait_for(lambda: "ControllerSilent" not in wrong(), 150)
    finally:
        lab.run("rm", "-f", SIGN)
