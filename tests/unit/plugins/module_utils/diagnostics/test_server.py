"""The checks of a whole server: what each says where all is well, and where it is not."""

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.diagnostics import engine, journal, server, snapshot, ssh
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.probe import Storage


@pytest.fixture
def check(given):
    """Gives a function: the finding of a check of a server on which the NAS and the containers are as given."""

    def of(one, *items, storage=""):
        looked_at = given.server(lambda _argv: None, lambda _path, _query: {})
        looked_at.__dict__.update(items=items, storage=Storage(storage))
        (finding,) = one(looked_at)
        return finding

    return of


PROBLEMS = [
    (
        server.firewall,
        (snapshot, "firewall_problem"),
        "tenants may reach each other: ",
        "systemctl restart silo-firewall",
    ),
    (server.network, (snapshot, "network_problem"), "tenants' addresses are in use elsewhere: ", "tenant_address_pool"),
    (server.open_ports, (snapshot, "input_problem"), "", "host_firewall_input_enabled"),
    (server.ssh_keys_only, (ssh, "problem"), "login without a key is possible: ", "host_ssh_keys_only"),
]


@pytest.mark.parametrize(("one", "place", "begin", "fix"), PROBLEMS)
def test_firewall_network_ports_and_ssh(check, monkeypatch, one, place, begin, fix):
    monkeypatch.setattr(*place, lambda *_arguments: "")
    good = check(one)
    assert (good.subject, good.state, good.fix, good.seen) == ("silo1", "ok", "", good.expected)
    monkeypatch.setattr(*place, lambda *_arguments: "it is not there")
    bad = check(one)
    assert (bad.subject, bad.state, bad.message, bad.seen) == (
        *("silo1", "wrong", f"{begin}it is not there", "it is not there"),
    )
    assert fix in bad.fix


@pytest.mark.parametrize(
    ("found", "ok", "seen"), [(2 * 2**30, True, "2 GiB"), (4 * 2**30, False, "4 GiB"), (None, False, "no limit")]
)
def test_the_journal(given, check, monkeypatch, found, ok, seen):
    assert server.journal_limit(given.server()) == []
    given.parameters["journal_size"] = "2G"
    monkeypatch.setattr(journal, "limit", lambda: found)
    finding = check(server.journal_limit)
    assert (finding.id, finding.ok, finding.seen, finding.expected) == ("journal", ok, seen, "2 GiB")


def test_the_last_file_that_sets_the_size_of_the_journal_counts(tmp_path):
    def write(path, *lines):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("\n".join(("[Journal]", *lines, "")))

    assert journal.limit(tmp_path) is None
    write("etc/systemd/journald.conf", "#SystemMaxUse=1G", "SystemMaxUse=3G")
    assert journal.limit(tmp_path) == 3 * 2**30
    write("etc/systemd/journald.conf.d/silo.conf", "SystemMaxUse=2G", "RuntimeMaxUse=128M")
    assert journal.limit(tmp_path) == 2 * 2**30
    # Of one name, that in /etc hides the others.
    write("usr/lib/systemd/journald.conf.d/silo.conf", "SystemMaxUse=9G")
    write("usr/lib/systemd/journald.conf.d/syslog.conf", "ForwardToSyslog=yes")
    assert journal.limit(tmp_path) == 2 * 2**30
    write("etc/systemd/journald.conf.d/zz.conf", " SystemMaxUse = ")
    assert journal.limit(tmp_path) is None


def test_the_nas(check):
    assert check(server.nas).ok
    bad = check(server.nas, storage="nothing is mounted")
    assert (bad.state, bad.message) == ("wrong", "nothing is mounted")
    assert "journalctl -u silo-recovery" in bad.fix


def test_every_container_of_a_server(given, check):
    for one in (server.published_ports, server.engine_socket, server.tenants):
        assert check(one, given.item()).ok
    published = check(server.published_ports, given.item(published=("0.0.0.0:8080",)))
    assert published.seen == "0.0.0.0:8080 of silo-hans-server-1"
    socket = "/var/run/docker.sock"
    assert check(server.engine_socket, given.item(sources=("/etc", socket))).seen == f"{socket} in silo-hans-server-1"
    unknown = check(server.tenants, given.item(tenant="otto"))
    assert (unknown.seen, "'silo list'" in unknown.fix) == ("otto", True)


def test_preflight_asks_no_engine_and_no_container(given, monkeypatch):
    def refuse(*_arguments):
        raise AssertionError

    for name in ("firewall_problem", "network_problem", "input_problem"):
        monkeypatch.setattr(snapshot, name, lambda *_arguments: "")
    monkeypatch.setattr(ssh, "problem", lambda _runner: "")
    looked_at = given.server(refuse, refuse)
    looked_at.__dict__["storage"] = Storage()
    findings = engine.run("preflight", looked_at)
    assert [one.id for one in findings] == ["nas", "firewall", "network", "open_ports", "ssh"]
