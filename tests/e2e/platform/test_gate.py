"""The gate before the machine learning: a tenant breaks nothing that others use, and nothing leads around it."""

import json
import subprocess
import time
import uuid

import pytest

from ..waiting import wait_for

SERVICE = "silo-machine-learning-machine-learning-1"
GATE, PROXY = 65528, 65532
MODEL = "ViT-B-32__openai"
# One form to an address, from inside of a container or of the server; says the status and the body.
ASK = """
import http.client, json, sys
wanted = json.load(sys.stdin)
parts = "".join(
    f'--b\\r\\nContent-Disposition: form-data; name="{key}"\\r\\n\\r\\n{value}\\r\\n'
    for key, value in (("entries", json.dumps(wanted["entries"])), ("text", wanted["text"]))
)
connection = http.client.HTTPConnection(wanted["address"], 3003, timeout=60)
connection.request("POST", "/predict", f"{parts}--b--\\r\\n", {"Content-Type": "multipart/form-data; boundary=b"})
answer = connection.getresponse()
print(json.dumps([answer.status, answer.read().decode()]))
"""
# So many requests at once whose bodies never end, and what is answered to one more.
HOLD = """
import socket, sys
head = b"POST /predict HTTP/1.1\\r\\nHost: a\\r\\nContent-Type: multipart/form-data; boundary=b\\r\\n"
head += b"Content-Length: 1000000\\r\\n\\r\\n-"
held = []
for _number in range(int(sys.argv[2])):
    one = socket.create_connection((sys.argv[1], 3003), 10)
    one.sendall(head)
    held.append(one)
print("held", flush=True)
sys.stdin.read()
"""
PING = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8087/ping').read().decode())"
REACH = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()"


def textual(model=MODEL, **options):
    return {"clip": {"textual": {"modelName": model, "options": options}}}


@pytest.fixture
def ask(lab):
    """Gives a function: the status and the answer to a request of a tenant's photo server."""

    def of(name, entries, text="a cat"):
        wanted = {"address": lab.gateway(name), "entries": entries, "text": text}
        command = ("docker", "exec", "-i", f"silo-{name}-server-1", "python3", "-c", ASK)
        return json.loads(lab.run(*command, text=json.dumps(wanted)))

    return of


@pytest.fixture
def past_the_gate(lab):
    """Gives a function: the same of root on the server, to the machine learning itself."""

    def of(entries):
        (network,) = lab.inspect(SERVICE)["NetworkSettings"]["Networks"].values()
        wanted = {"address": network["IPAddress"], "entries": entries, "text": "a cat"}
        return json.loads(lab.run("python3", "-c", ASK, text=json.dumps(wanted)))

    return of


HOSTILE = {
    "session": (textual(session="x"), "session"),
    "folder": (textual(cache_dir="/cache"), "cache_dir"),
    "format": (textual(model_format="rknn"), "model_format"),
    "model": (textual("ViT-H-14__openai"), "ViT-H-14__openai"),
    "place": (textual("../../etc"), "../../etc"),
    "task": ({"pose": {"detection": {"modelName": MODEL}}}, "pose"),
    "score": ({"clip": {"textual": {"modelName": MODEL, "options": {"minScore": 1e308}}}}, "minScore"),
}


@pytest.mark.needs_property("models", "python")
@pytest.mark.fault(34)
@pytest.mark.parametrize("name", HOSTILE)
def test_what_breaks_a_model_is_refused_and_others_go_on(lab, ask, name):
    entries, named = HOSTILE[name]
    before = lab.predictions("hans")
    status, answer = ask("hans", entries)
    assert (status, named in json.loads(answer)["detail"]) == (422, True)
    for tenant in ("maria", "hans"):
        status, answer = ask(tenant, textual())
        assert status == 200, tenant
        assert len(json.loads(json.loads(answer)["clip"])) == 512
    after = lab.predictions("hans")
    assert after["refused"] == before["refused"] + 1


@pytest.mark.needs_property("options-break", "python")
def test_without_the_gate_it_would_break_the_model_of_all(lab, ask, past_the_gate):
    """So that the test above proves something."""
    try:
        lab.run("docker", "restart", SERVICE)
        wait_for(lambda: lab.inspect(SERVICE)["State"]["Health"]["Status"] == "healthy")
        # Loaded before, a model is not made anew with these options; the other one is.
        assert past_the_gate({"clip": {"textual": {"modelName": "other", "options": {"session": "x"}}}})[0] == 500
        assert past_the_gate(textual("other"))[0] == 500
        assert ask("maria", textual())[0] == 200
        # The models themselves cannot be removed, whoever asks.
        assert past_the_gate(textual("another", cache_dir="/cache"))[0] == 500
        assert lab.run("find", "/srv/silo/machine_learning/models", "-name", "model.onnx").count("\n") == 6
    finally:
        lab.run("docker", "restart", SERVICE)
        wait_for(lambda: lab.inspect(SERVICE)["State"]["Health"]["Status"] == "healthy")


@pytest.mark.needs_property("models", "python")
@pytest.mark.fault(34)
def test_one_that_holds_all_it_may_keeps_nobody_waiting(lab, ask, seen):
    command = ["docker", "exec", "-i", lab.container, "docker", "exec", "-i", "silo-hans-server-1"]
    command += ["python3", "-c", HOLD, lab.gateway("hans"), "20"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        wait_for(lambda: ask("hans", textual())[0] == 429)
        begun = time.monotonic()
        assert ask("maria", textual())[0] == 200
        seen(f"another tenant's request is answered in {time.monotonic() - begun:.2f} s meanwhile")
        holder.stdin.close()
    wait_for(lambda: ask("hans", textual())[0] == 200)


def test_the_machine_learning_has_no_way_out(lab):
    details = lab.inspect(SERVICE)
    enter = ("nsenter", f"--net={details['NetworkSettings']['SandboxKey']}")
    assert lab.run(*enter, "ip", "route", "show", "default") == ""
    (network,) = details["NetworkSettings"]["Networks"].values()
    assert json.loads(lab.run("docker", "network", "inspect", network["NetworkID"]))[0]["Internal"]
    gateway = network["IPAddress"].rpartition(".")[0] + ".1"
    # Even with a route, the firewall lets nothing of it through.
    lab.run(*enter, "ip", "route", "add", "default", "via", gateway)
    try:
        for address, port in ((lab.resolver, "53"), (lab.address, "22"), (lab.gateway("hans"), "3003")):
            assert lab.try_run(*enter, "python3", "-c", REACH, address, port).returncode, (address, port)
    finally:
        lab.run(*enter, "ip", "route", "delete", "default")


def test_of_the_server_s_users_only_the_gate_s_reaches_it(lab):
    (network,) = lab.inspect(SERVICE)["NetworkSettings"]["Networks"].values()

    def tried(uid):
        who = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
        return lab.try_run(*who, "python3", "-c", REACH, network["IPAddress"], "3003").returncode == 0

    assert (tried(0), tried(GATE), tried(PROXY)) == (True, True, False)
    # It is the rule that keeps it.
    lab.run("nft", "flush", "chain", "inet", "silo_firewall", "output")
    try:
        assert tried(PROXY)
    finally:
        lab.run("systemctl", "reload", "silo-firewall")
    assert not tried(PROXY)


def test_its_models_cannot_be_changed_by_it(lab):
    service = lab.inspect(SERVICE)
    (mount,) = service["Mounts"]
    assert (mount["Destination"], mount["RW"]) == ("/cache", False)
    refused = lab.try_run("docker", "exec", SERVICE, "sh", "-c", "echo evil >/cache/clip/evil")
    assert "Read-only file system" in refused.stderr
    assert lab.run("find", "/srv/silo/machine_learning/models", "!", "-user", "root").strip() == ""
    assert "HF_HUB_OFFLINE=1" in service["Config"]["Env"]


@pytest.mark.needs_property("models", "python")
def test_what_a_tenant_sends_is_gone_when_it_is_answered(lab, ask):
    words = f"silo {uuid.uuid4().hex}"
    assert ask("hans", textual(), words)[0] == 200
    assert ask("hans", textual(session=words), words)[0] == 422
    said = lab.shell(
        f"docker logs {SERVICE} 2>&1; docker logs silo-traefik-traefik-1 2>&1; journalctl --quiet --since=-2min"
    )
    assert words not in said
    pid = lab.run("systemctl", "show", "--property=MainPID", "--value", "silo-learning-gate").strip()
    for place in (f"/proc/{pid}/root/tmp", f"/proc/{lab.inspect(SERVICE)['State']['Pid']}/root/tmp"):
        assert lab.run("find", place, "-type", "f", "-size", "+0") == ""


@pytest.mark.needs_property("models")
def test_models_that_were_tampered_with_are_put_there_anew(lab, operator):
    path = f"/srv/silo/machine_learning/models/clip/{MODEL}/visual/model.onnx"
    before = lab.run("sha256sum", path)
    started = lab.inspect(SERVICE)["Id"]
    lab.shell(f"echo evil >>{path}")
    operator.run("site.yml", "--tags", "machine_learning")
    assert lab.run("sha256sum", path) == before
    # A container that went on would have the directory that is gone.
    assert lab.inspect(SERVICE)["Id"] != started
    assert lab.run("docker", "exec", SERVICE, "find", "/cache", "-name", "model.onnx").count("\n") == 6
    assert lab.try_run("test", "-e", "/srv/silo/machine_learning/download").returncode
    wait_for(lambda: lab.inspect(SERVICE)["State"]["Health"]["Status"] == "healthy")
    # And nothing is done where nothing is wrong.
    mounted = lab.inspect(SERVICE)["Id"]
    operator.run("site.yml", "--tags", "machine_learning")
    assert lab.inspect(SERVICE)["Id"] == mounted


def test_the_gate_ends_and_is_back(lab):
    lab.run("systemctl", "kill", "--signal=KILL", "silo-learning-gate")
    wait_for(lambda: "pong" in lab.try_run("python3", "-c", PING).stdout)


def test_the_gate_is_a_user_of_its_own_and_listens_to_this_server_alone(lab):
    shown = "User,NoNewPrivileges,MemoryMax,MemorySwapMax,CapabilityBoundingSet,ProtectSystem"
    lines = lab.run("systemctl", "show", "silo-learning-gate", "--property", shown).splitlines()
    facts = dict(line.split("=", 1) for line in lines)
    assert (facts["User"], facts["NoNewPrivileges"], facts["ProtectSystem"]) == ("silo-learning-gate", "yes", "strict")
    assert (facts["MemoryMax"], facts["MemorySwapMax"], facts["CapabilityBoundingSet"]) == (str(768 * 1024**2), "0", "")
    for port in ("8086", "8087"):
        assert lab.run("ss", "-Hltn", "sport", "=", port).split()[3] == f"127.0.0.1:{port}"


@pytest.mark.needs_property("python")
def test_a_tenant_reads_no_numbers_by_the_gate(lab):
    script = """
import http.client, sys
for path in ("/metrics", "/../metrics", "//metrics", "/maria/ping", "/..%2fmetrics"):
    connection = http.client.HTTPConnection(sys.argv[1], 3003, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    print(answer.status, b"silo_learning" in answer.read())
"""
    said = lab.run("docker", "exec", "silo-hans-server-1", "python3", "-c", script, lab.gateway("hans")).splitlines()
    assert set(said) <= {"404 False", "400 False"}
