"""Faults of the catalogue that nothing else here breaks: daemons that die, files, keys and images that are wrong."""

import json
import re
import time

import pytest
import yaml

from ..cloud import Cloud
from ..waiting import seconds_until, wait_for

TRAEFIK = "silo-traefik-traefik-1"
ROUTES = "/srv/silo/traefik/routes"
STORE = "/srv/silo/traefik/certificates"
THREE = ("hans", "maria", "peter")


def certificate(lab, name):
    """The serial number of the certificate that is served; nothing where none for the name is."""
    try:
        with Cloud(lab, name).connect() as tls:
            return tls.getpeercert()["serialNumber"]
    except OSError:
        return ""


# Many who take a little each, so that the photo server is the one that the kernel ends.
EAT = """
import os, time
for _number in range(200):
    if not os.fork():
        data = b"x" * 2**24
        time.sleep(30)
        os._exit(0)
time.sleep(30)
"""


@pytest.mark.needs_property("python")
@pytest.mark.fault(9)
def test_memory_that_is_used_up_costs_that_container_alone(lab, seen):
    before, victim = lab.running(), "silo-maria-server-1"
    restarts = lab.inspect(victim)["RestartCount"]
    lab.shell(f"for pid in $(docker top {victim} -o pid | tail -n +2); do echo 1000 >/proc/$pid/oom_score_adj; done")
    lab.try_run("docker", "exec", victim, "python3", "-c", EAT)
    took = seconds_until(lambda: lab.running().get(f"/{victim}", before[f"/{victim}"]) != before[f"/{victim}"], 30)
    took += seconds_until(Cloud(lab, "maria").works, 60)
    after = lab.running()
    assert {name for name in before if after.get(name) != before[name]} == {f"/{victim}"}
    assert lab.inspect(victim)["RestartCount"] == restarts + 1
    seen(f"1 of {len(before)} containers was killed; it answers again after {took:.1f} s")


@pytest.mark.fault(12)
def test_a_proxy_that_is_killed_is_back_with_its_certificates(lab, seen):
    served = {name: certificate(lab, name) for name in THREE}
    assert all(served.values())
    process = lab.inspect(TRAEFIK)["State"]["Pid"]
    lab.shell(f"for pid in {process} $(pgrep -P {process}); do kill -KILL $pid; done")
    took = seconds_until(lambda: all(Cloud(lab, name).works() for name in THREE), 30)
    assert lab.inspect(TRAEFIK)["State"]["Pid"] != process
    assert {name: certificate(lab, name) for name in THREE} == served
    seen(f"back in {took} s with the same certificates")


@pytest.mark.fault(13)
def test_a_broken_route_takes_nobody_elses_away(lab, operator, seen):
    route, since = f"{ROUTES}/tenant-peter.yml", lab.run("date", "+%s").strip()
    try:
        lab.run("sh", "-c", f"cat >{route}", text="http:\n  routers: [\n")
        time.sleep(1)
        assert Cloud(lab, "hans").works()
        lab.run("docker", "restart", "--time", "5", TRAEFIK)
        # Nobody does anything by hand: the timer looks every 30 s.
        took = seconds_until(lambda: Cloud(lab, "hans").works() and Cloud(lab, "maria").works(), 60)
        assert Cloud(lab, "peter", verify=False).get("/").status == 404
        said = ("journalctl", "--quiet", "--unit=silo-recovery.service", "--output=cat", f"--since=@{since}")
        wait_for(lambda: f"Traefik cannot read {route}: yaml: " in lab.run(*said), 10)
        assert operator.apply("--limit", "peter").changed["peter"] == 1
        wait_for(Cloud(lab, "peter").works, 30)
    finally:
        lab.run("rm", "-f", f"{route}.broken")
        operator.apply("--limit", "peter")
    seen(f"after a restart all but that one are served again within {took} s; an apply brings it back")


# As an authority that is down: whoever asks it is refused.
CLOSE = "nft add table inet away; nft add chain inet away out '{ type filter hook output priority 0; }'; "
CLOSE += "nft add rule inet away out tcp dport 14000 reject with tcp reset"


@pytest.mark.slow("Traefik asks an authority that is away for a minute")
@pytest.mark.fault(14)
def test_an_authority_that_is_away_costs_no_certificate_that_is_there(lab, operator, newcomer, seen):
    served = {name: certificate(lab, name) for name in THREE}
    # A name that no certificate was ever got for, in a lab that is kept too.
    name = newcomer(f"waits{time.time():.0f}")
    lab.shell(CLOSE)
    try:
        since = lab.run("date", "+%s").strip()
        lab.run("docker", "restart", "--time", "5", TRAEFIK)
        wait_for(lambda: all(Cloud(lab, name).works() for name in THREE), 30)
        assert {name: certificate(lab, name) for name in THREE} == served
        run = operator.try_run("apply.yml", "--limit", name)
        assert run.code != 0
        assert "has no certificate; 'docker logs" in " ".join(run.output.split())
        asked = lab.run("sh", "-c", f"docker logs --since {since} {TRAEFIK} 2>&1")
        tries = len(re.findall(rf"Unable to obtain ACME certificate.*{name}", asked))
        assert 1 <= tries <= 3, asked
    finally:
        lab.run("nft", "delete", "table", "inet", "away")
    # Traefik itself asks no more; the next run has it ask.
    operator.apply("--limit", name)
    assert Cloud(lab, name).works()
    seen(f"certificates are the same after a restart; {tries} tries for a new one within a minute; then it came")


@pytest.mark.fault(24)
def test_a_server_with_another_key_is_not_talked_to(lab, operator, silo, tmp_path, monkeypatch, seen):
    # No connection of a run before is used again, which has seen the right key.
    monkeypatch.setenv("ANSIBLE_SSH_CONTROL_PATH_DIR", str(tmp_path))
    before = lab.files()
    key = "/etc/ssh/ssh_host_ed25519_key"
    lab.shell(f"mkdir /root/keys; mv /etc/ssh/ssh_host_* /root/keys; ssh-keygen -q -t ed25519 -N '' -f {key}")
    lab.run("systemctl", "restart", "ssh")
    try:
        run = operator.try_run("apply.yml")
        told = silo.try_run("apply")
    finally:
        lab.shell("rm /etc/ssh/ssh_host_*; mv /root/keys/* /etc/ssh; rmdir /root/keys; systemctl restart ssh")
    assert run.code != 0
    assert told.code != 0
    for output in (run.output, told.output):
        assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in output or "Host key verification failed" in output
    assert lab.files() == before
    operator.apply("--check")
    seen("both an apply and silo say that the host key does not verify, and end; no file of the server was touched")


@pytest.mark.fault(25)
def test_an_image_that_does_not_work_is_met_by_no_tenant_and_the_way_back_works(lab, operator, seen):
    before = lab.containers(*THREE)
    images = operator.inventory / "group_vars" / "all" / "zz_images.yml"
    # An image that is there, and ends at once in a photo server's place.
    value = "{{ lab.images | combine({'immich_server': lab.images.postgres}) }}"
    images.write_text(yaml.safe_dump({"silo_images": value}, explicit_start=True))
    begun = time.monotonic()
    try:
        run = operator.try_run("apply.yml")
        took = time.monotonic() - begun
        again = operator.try_run("apply.yml")
        after = lab.containers(*THREE)
        works = [Cloud(lab, name).works() for name in THREE]
        left = lab.shell("docker ps -aq --filter label=ch.swissphoto.silo.template")
    finally:
        images.unlink()
    operator.apply()
    for output in (" ".join(run.output.split()), " ".join(again.output.split())):
        assert re.findall(r"(\w+) : ok=\d+ changed=\d+ unreachable=0 failed=1", output) == list(THREE)
        assert output.count("the template of these images cannot be made (server ") >= len(THREE)
    assert (after, works, left) == (before, [True] * len(THREE), "")
    assert lab.containers(*THREE) == before
    seen(f"no tenant met it, and the run said so after {took:.0f} s; with the images of before nothing differs")


def is_json(text):
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


@pytest.mark.fault(4)
def test_a_full_disk_is_told_first_and_costs_no_certificate(lab, operator, silo, newcomer, seen):
    served = {name: certificate(lab, name) for name in THREE}
    lab.run("systemctl", "start", "silo-recovery.service")
    lab.run("systemctl", "stop", "silo-recovery.timer")
    full = "if=/dev/zero bs=4k status=none conv=notrunc oflag=append"
    name = newcomer(f"crowded{time.time():.0f}")
    try:
        # On a small disk of their own, since that of the lab is the machine's; with room for what is there.
        lab.shell(f"""
        cp -a {STORE} /tmp/store; size=$(du -sk /tmp/store | cut -f1)
        mount -t tmpfs -o size=$((size + 64))k tmpfs {STORE}
        cp -a /tmp/store/. {STORE}; chown --reference=/tmp/store {STORE}; chmod 700 {STORE}
        docker restart --time 5 {TRAEFIK} >/dev/null; dd {full} of={STORE}/full || true
        """)
        wait_for(lambda: all(Cloud(lab, name).works() for name in THREE), 30)
        refused = silo.try_run("create", "late", "2", "late@example.ch")
        # Who does it all the same gets a certificate that Traefik cannot keep.
        operator.try_run("apply.yml", "--limit", name)
        broken = lab.run("cat", f"{STORE}/acme.json")
        assert not is_json(broken)
        lab.run("docker", "restart", "--time", "5", TRAEFIK)
        lab.run("systemctl", "start", "silo-recovery.timer")
        took = seconds_until(lambda: all(certificate(lab, name) == served[name] for name in THREE), 60)
    finally:
        lab.run("systemctl", "start", "silo-recovery.timer")
        lab.shell(f"umount -l {STORE}; rm -r /tmp/store; docker restart --time 5 {TRAEFIK} >/dev/null")
        wait_for(lambda: all(Cloud(lab, name).works() for name in THREE), 30)
    assert refused.code != 0
    assert f"{STORE} has 0 " in refused.output
    assert not operator.folder("late").exists()
    seen(f"creation refused; {len(broken)} bytes of certificates, cut off, and the last good ones back after {took} s")
