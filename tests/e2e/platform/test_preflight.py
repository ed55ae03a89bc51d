"""What `silo check` tells: of a server that is well, and of one on which somebody broke something."""

from __future__ import annotations

import contextlib
import shutil
import subprocess

import pytest

from silo.diagnostics import preflight
from silo.notifications import MailSettings

from ..relay import Relay
from ..waiting import wait_for

ONE_MORE = "one more look at a whole server, at a fault of a kind that is looked at here"
TRAEFIK, PAGES = "silo-traefik-traefik-1", "silo-pages-pages-1"


@pytest.fixture(scope="module")
def check(operator):
    """The findings that are not right, as id and subject to the finding."""

    def run(inventory=None, **values):
        found = preflight.run(inventory or operator.inventory, **values).findings
        for finding in found:
            assert bool(finding.fix) == (finding.state != "ok"), finding
        return {(one.id, one.subject): one for one in found if one.state in ("wrong", "unknown")}

    return run


def run_on(container, script):
    subprocess.run(["docker", "exec", container, "sh", "-euc", script], check=True, timeout=120)


@pytest.fixture
def broken(lab, check):
    """Breaks by one script, restores by another, and waits until all is well again."""

    @contextlib.contextmanager
    def of(breaks, restores, container=lab.container):
        run_on(container, breaks)
        try:
            yield
        finally:
            run_on(container, restores)
            wait_for(lambda: not check(), seconds=120)

    return of


# Things of which none hides another: what breaks each on the server, and what restores it. A name is the fifth.
ROUTE = "10.83.200.0/24 via $(ip route show default | cut -d' ' -f3)"
WRONG_NAME = "/etc/dnsmasq.d/wrong.conf"
FOUR = (
    ("nft delete table bridge silo_firewall", "systemctl reload silo-firewall"),
    (f"ip route add {ROUTE}", f"ip route del {ROUTE}"),
    ("btrfs qgroup limit none 1/{index} /instances", "btrfs qgroup limit {limit} 1/{index} /instances"),
    (f"docker stop -t 5 {PAGES}", f"docker start {PAGES}"),
)


@pytest.fixture(scope="module")
def five(lab, operator, silo, check):
    """What was found of a server with five things broken, and how a creation on it ended. All is well again by now."""
    index = operator.settings("hans")["tenant_index"]
    facts = {"index": index, "limit": lab.quota(index)}
    internet = f"{lab.container}-internet"
    try:
        for breaks, _restores in FOUR:
            run_on(lab.container, breaks.format(**facts))
        run_on(internet, f"echo address=/hans.{lab.domain}/198.51.100.7 >{WRONG_NAME}; systemctl restart dnsmasq")
        seen = check(), silo.try_run("create", "clash", "2", "clash@example.ch")
    finally:
        for _breaks, restores in FOUR:
            run_on(lab.container, restores.format(**facts))
        run_on(internet, f"rm -f {WRONG_NAME}; systemctl restart dnsmasq")
        wait_for(lambda: not check(), seconds=120)
    assert lab.quota(index) == facts["limit"]
    return seen


def test_a_server_that_is_well(operator, tmp_path):
    relay = Relay(tmp_path)
    try:
        settings = MailSettings.of(relay.variables(), tmp_path / "outbox")
        found = preflight.run(operator.inventory, settings, "hans@example.ch").findings
    finally:
        relay.stop()
    # The lab has the clock of the machine that it is on, and as much of its disk as there is; nobody backs it up.
    assert [one for one in found if one.state != "ok" and one.id not in ("clock", "disk", "controller_backup")] == []
    assert [one for one in found if one.state in ("wrong", "unknown")] == []
    told = {one.id for one in found}
    assert told == {
        *("dns", "port_80", "port_443", "nas", "clock", "disk", "firewall", "network", "open_ports", "ssh"),
        *("quota", "disk_quota", "vault", "mail", "controller_backup"),
    }
    assert relay.letters == []


def test_nothing_is_changed_by_looking(lab, check):
    def state():
        return (
            lab.files(),
            lab.run("nft", "--stateless", "--terse", "list", "ruleset"),
            lab.run("docker", "ps", "--quiet"),
        )

    before = state()
    assert check() == {}
    assert state() == before


def test_five_things_are_told_at_once_and_nothing_else(five, lab):
    found, _refused = five
    names = [("dns", f"hans.{lab.domain}")]
    assert set(found) == {("firewall", "silo1"), ("network", "silo1"), ("quota", "hans"), ("port_443", "silo1"), *names}


def test_a_firewall_between_tenants_that_is_gone(five):
    found, _refused = five
    text = found["firewall", "silo1"].message
    assert text.startswith("tenants may reach each other: its table bridge silo_firewall is not loaded")


@pytest.mark.fault(28)
def test_a_network_elsewhere_with_the_addresses_of_tenants(five, lab, silo, seen):
    found, refused = five
    assert "10.83.200.0/24 is reached by " in found["network", "silo1"].message
    assert refused.code != 0
    assert "10.83.200.0/24 is reached by " in refused.output
    assert not (silo.inventory / "host_vars" / "clash").exists()
    assert lab.try_run("test", "-e", "/srv/silo/tenants/clash").returncode == 1
    seen("silo check names the network; silo create refuses, and no file is written")


@pytest.mark.fault(8)
def test_a_quota_that_does_not_hold(five):
    found, _refused = five
    assert found["quota", "hans"].message


def test_pages_that_are_stopped(five):
    found, _refused = five
    assert "the pages behind it do not" in found["port_443", "silo1"].message


def test_a_name_that_leads_elsewhere(five, lab):
    found, _refused = five
    _is_told(found, f"hans.{lab.domain}", lab)


def _is_told(found, place, lab):
    assert f"answers with 198.51.100.7, and silo1 is at {lab.address}" in found["dns", place].message
    assert f"set {place} to {lab.address}" in found["dns", place].fix


@pytest.mark.parametrize(
    ("breaks", "text"),
    [
        ("nft delete table inet silo_firewall", "its table inet silo_firewall is not loaded"),
        pytest.param(
            "nft insert rule inet silo_firewall forward accept",
            "its tables are loaded, and their rules are not those of",
            marks=pytest.mark.slow(ONE_MORE),
        ),
        pytest.param(
            "mv /etc/silo/firewall.nft /etc/silo/away.nft",
            "/etc/silo/firewall.nft is missing",
            marks=pytest.mark.slow(ONE_MORE),
        ),
    ],
)
def test_a_firewall_that_does_not_hold(broken, check, breaks, text):
    restores = "if [ -e /etc/silo/away.nft ]; then mv /etc/silo/away.nft /etc/silo/firewall.nft; fi; "
    with broken(breaks, f"{restores} systemctl reload silo-firewall"):
        found = check()
    gone = "nft delete table inet" in breaks
    assert {check_id for check_id, _subject in found} == ({"firewall", "open_ports"} if gone else {"firewall"})
    assert found["firewall", "silo1"].message.startswith(f"tenants may reach each other: {text}")


def test_a_nas_without_its_sentinel(broken, check):
    with broken("mv /instances/.silo-nas /instances/.away", "mv /instances/.away /instances/.silo-nas"):
        found = check()
    assert set(found) == {("nas", "silo1"), ("quota", "silo1")}
    assert found["nas", "silo1"].message.startswith("the file system mounted at /instances is not the NAS")


@pytest.mark.slow(ONE_MORE)
def test_traefik_that_is_stopped(broken, check):
    with broken(f"docker stop -t 5 {TRAEFIK}", f"docker start {TRAEFIK}"):
        found = check()
    assert set(found) == {("port_80", "silo1"), ("port_443", "silo1")}
    assert all("Traefik does not run" in finding.message for finding in found.values())


@pytest.mark.slow(ONE_MORE)
def test_all_names_that_lead_elsewhere(broken, check, lab):
    restart = "systemctl restart dnsmasq"
    breaks = f"echo address=/{lab.domain}/198.51.100.7 >{WRONG_NAME}; {restart}"
    with broken(breaks, f"rm {WRONG_NAME}; {restart}", f"{lab.container}-internet"):
        found = check()
    assert list(found) == [("dns", f"*.{lab.domain}")]
    _is_told(found, f"*.{lab.domain}", lab)


@pytest.mark.slow(ONE_MORE)
def test_a_resolver_that_is_away(broken, check, lab):
    with broken("systemctl stop dnsmasq", "systemctl start dnsmasq", f"{lab.container}-internet"):
        found = check()
    assert list(found) == [("dns", f"*.{lab.domain}")]
    assert found["dns", f"*.{lab.domain}"].state == "unknown"


def test_a_vault_that_lies_open_and_one_that_does_not_open(operator, check, tmp_path):
    inventory = tmp_path / "inventory"
    shutil.copytree(operator.inventory, inventory)
    (inventory / "host_vars" / "hans" / "vault.yml").write_text("tenant_secrets: {admin_password: seen}\n")
    (inventory / "host_vars" / "hans" / "vault.yml").chmod(0o644)
    path = inventory / "host_vars" / "maria" / "vault.yml"
    path.write_text(path.read_text()[:300])
    found = check(inventory)
    assert {subject for check_id, subject in found if check_id == "vault"} == {"hans", "maria"}
    assert not any("seen" in finding.message for finding in found.values())


def test_a_server_that_is_away_is_a_finding(operator, check, tmp_path):
    inventory = tmp_path / "inventory"
    shutil.copytree(operator.inventory, inventory)
    policy = inventory / "host_vars" / "silo1" / "connection.yml"
    policy.write_text(policy.read_text() + "ansible_port: 9\n")
    found = check(inventory)
    assert set(found) == {("server", "silo1"), ("quota", "silo1"), ("disk_quota", "silo1")}
    assert "cannot be reached over SSH" in found["server", "silo1"].message
