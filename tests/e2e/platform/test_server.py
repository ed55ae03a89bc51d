"""The server itself: what the roles left there, looked at with testinfra."""

import http.client
import json
import ssl

import pytest
import testinfra

from ..cloud import Cloud


@pytest.fixture(scope="module")
def server(lab):
    return testinfra.get_host(f"docker://{lab.container}")


@pytest.mark.parametrize("unit", ["docker", "silo-firewall", "ssh"])
def test_what_has_to_run_runs_and_comes_back(server, unit):
    assert server.service(unit).is_running
    assert server.service(unit).is_enabled


def test_the_system_is_well(server):
    assert server.run("systemctl is-system-running").stdout.strip() == "running"


def test_the_settings_of_docker(server):
    settings = json.loads(server.file("/etc/docker/daemon.json").content_string)
    assert settings["live-restore"] is True
    assert settings["icc"] is False
    assert settings["no-new-privileges"] is True
    assert settings["log-driver"] == "local"
    assert server.check_output("docker info --format '{{.LiveRestoreEnabled}}'") == "true"


def test_the_nas_is_what_it_should_be(server):
    mount = server.mount_point("/instances")
    assert mount.exists
    assert mount.filesystem == "btrfs"
    assert server.file("/instances/.silo-nas").mode == 0o444
    assert server.file("/instances").mode == 0o711


def test_nothing_can_be_written_beside_the_nas(server):
    script = "mount --bind / /mnt && touch /mnt/instances/x"
    result = server.run(f"unshare -m sh -c '{script}'")
    assert result.rc != 0
    assert "Operation not permitted" in result.stderr


def test_the_firewall_is_loaded_beside_the_rules_of_docker(server):
    rules = server.check_output("nft list ruleset")
    assert "table inet silo_firewall" in rules
    assert "DOCKER" in rules


def test_only_what_should_listens_to_the_world(server):
    listening = server.check_output("ss -Hltn")
    world = {
        line.split()[3].rsplit(":", 1)[1] for line in listening.splitlines() if not line.split()[3].startswith("127.")
    }
    assert world == {"22", "80", "443", "3003"}  # the gate and the metrics listen on the loopback interface alone


@pytest.mark.parametrize(
    ("container", "memory"),
    [("silo-traefik-traefik-1", 512 * 1024**2), ("silo-machine-learning-machine-learning-1", 1024**3)],
)
def test_the_limits_of_what_is_shared(lab, container, memory):
    host = lab.inspect(container)["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (memory, memory)
    assert host["CapDrop"] == ["ALL"]
    assert host["ReadonlyRootfs"]
    assert lab.inspect(container)["Config"]["User"].split(":")[0] not in ("", "0", "root")


def test_plain_http_leads_to_https_and_nowhere_else(lab):
    connection = http.client.HTTPConnection(lab.address, 80, timeout=10)
    for method, path in (("GET", "/photos?page=2"), ("POST", "/api/auth/login")):
        connection.request(method, path, headers={"Host": f"hans.{lab.domain}"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status in (301, 308)
        assert answer.headers["Location"] == f"https://hans.{lab.domain}{path}"


def test_browsers_are_told_to_stay_with_https(lab):
    assert "max-age=31536000" in Cloud(lab, "hans").get("/").headers["Strict-Transport-Security"]


def test_old_ways_to_encrypt_are_refused(lab):
    cloud = Cloud(lab, "hans")
    cloud.context.set_ciphers("ALL:@SECLEVEL=0")
    cloud.context.minimum_version = ssl.TLSVersion.TLSv1
    cloud.context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        cloud.connect()


def test_the_certificates_belong_to_traefik_alone(server):
    file = server.file("/srv/silo/traefik/certificates/acme.json")
    assert (file.mode, file.uid) == (0o600, 65532)


def test_security_updates_install_themselves(server):
    assert server.package("unattended-upgrades").is_installed
    assert 'Unattended-Upgrade "1"' in server.check_output("apt-config dump")
