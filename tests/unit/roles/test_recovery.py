"""The program that starts what should run: who is started, who is not, what is said, and how often."""

from pathlib import Path

import pytest
import yaml
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed

import silo_recovery as recovery
from silo.tenant.services import compose_file

ROOT = Path(__file__).parents[3]
SERVICES = ("server", "database", "cache")


class Server:
    """A server that is a temporary directory; `done` is what happened to it, in order."""

    def __init__(self, root):
        self.root = root
        self.done, self.fail = [], {}
        self.mounts = root / "mountinfo"
        self.nas, self.tenants, self.disk = root / "nas", root / "tenants", root / "disk"
        self.running = set()
        self.routes, self.certificates, self.says = root / "routes", root / "acme.json", ""
        self.nas.mkdir()
        (self.nas / ".silo-nas").touch()
        self.mount()

    def mount(self):
        self.mounts.write_text(f"36 1 0:40 / {self.nas} rw - btrfs /dev/loop0 rw\n")

    def add(self, name, state="running", created=True):
        directory, uploads, disk = self.tenants / name, self.nas / name / "uploads", self.disk / name
        for folder in (directory, uploads, disk):
            folder.mkdir(parents=True)
        digests = "".join(f"{service.upper()}_DIGEST=1\n" for service in SERVICES)
        places = f"TENANT_STORAGE={uploads}\nTENANT_DISK={disk}\n"
        (directory / ".env").write_text(f"# Made\nTENANT_STATE={state}\n{places}{digests}")
        if created:
            (directory / ".admin-created").touch()

    def containers(self):
        return [recovery.Container("1", "x", name, service, "1", "running", "") for name, service in self.running]

    def look(self, sentinel, directories):
        return recovery.look(sentinel, directories, mounts=self.mounts)

    def mounted(self, root):
        return recovery.mounted(root, self.mounts)

    def run(self, command, environment):
        self.done.append(" ".join(command))
        if command[0] == "systemd-escape":
            return Completed(0, "nas.mount\n", "")
        code, text = self.fail.get(command[0], (0, ""))
        if command[0] == "systemctl" and not code:
            self.mount()
        return Completed(code, "", text)

    def ask(self, command, environment):
        return Completed(0, "", self.says)

    def main(self):
        tools = recovery.RecoveryTools(self.containers, self.look, self.mounted, self.run, self.run, self.ask)
        arguments = [str(self.tenants), str(self.nas / ".silo-nas"), str(self.root / "said")]
        arguments += ["traefik", str(self.routes), str(self.certificates)]
        return recovery.main(arguments, tools, self.root / "lock")

    def started(self):
        return [line.split()[3].rsplit("/", 1)[1] for line in self.done if line.startswith("docker compose")]


@pytest.fixture
def server(tmp_path):
    return Server(tmp_path)


def test_who_should_run_and_does_not_is_started_and_nobody_else(server, capsys):
    server.add("hans")
    server.add("maria", state="stopped")
    server.add("peter", state="suspended")
    server.add("anna", state="absent")
    server.add("early", created=False)
    server.add("well")
    server.add("half")
    server.running = {("well", service) for service in SERVICES} | {("half", "database")}
    assert server.main() == 0
    assert sorted(server.started()) == ["half", "hans"]
    flags = "up --detach --no-recreate --pull never"
    assert f"docker compose --project-directory {server.tenants}/hans {flags}" in server.done
    assert capsys.readouterr().out == "<5>started half, hans\n"


def test_where_all_run_nothing_is_done_and_nothing_is_said(server, capsys):
    server.add("hans")
    server.running = {("hans", service) for service in SERVICES}
    server.main()
    assert server.done == []
    assert capsys.readouterr().out == ""


def test_before_the_first_tenant_there_is_nothing_to_do(server, capsys):
    assert server.main() == 0
    assert capsys.readouterr().out == ""


def test_a_nas_that_is_not_mounted_is_mounted_first(server):
    server.add("hans")
    server.mounts.write_text("")
    server.main()
    assert server.done[:2] == [
        f"systemd-escape --path --suffix=mount {server.nas}",
        "systemctl --no-ask-password start nas.mount",
    ]
    assert server.started() == ["hans"]


def test_without_the_nas_nothing_starts_and_that_is_said_once(server, capsys):
    server.add("hans")
    server.mounts.write_text("")
    server.fail["systemctl"] = (5, "Failed to start nas.mount: Unit nas.mount not found.\n")
    for _run in range(3):
        assert server.main() == 0
    assert server.started() == []
    assert capsys.readouterr().out == (
        f"<4>the NAS is not mounted: nothing is mounted at {server.nas}: Failed to start nas.mount: "
        "Unit nas.mount not found.; no container starts until this is fixed\n"
    )
    server.fail.clear()
    server.main()
    assert capsys.readouterr().out == "<5>started hans\n<5>all problems are solved; the tenants can run\n"


def test_a_disk_that_is_not_mounted_is_mounted_first_and_others_start(server, capsys):
    server.add("hans")
    server.add("maria")
    (server.disk / "hans").rmdir()
    server.main()
    assert f"systemd-escape --path --suffix=mount {server.disk}" in server.done
    assert server.started() == ["maria"]
    missing = f"<4>hans: {server.disk}/hans is missing on this server: see that the server's disk is mounted\n"
    assert missing in capsys.readouterr().out
    server.fail["systemctl"] = (5, "Unit disk.mount not found.\n")
    server.done.clear()
    server.main()
    assert "hans: " in (said := capsys.readouterr().out)
    assert "is missing on this server: Unit disk.mount not found." in said


def test_a_nas_that_hangs_is_neither_mounted_nor_waited_for(server, capsys):
    server.add("hans")
    server.look = lambda *_arguments: recovery.Storage("the NAS does not answer: it hangs")
    server.main()
    assert server.done == []
    assert capsys.readouterr().out.startswith("<4>the NAS does not answer: it hangs; no container")


def test_a_mount_that_takes_too_long_is_told(server, capsys):
    def run(command, environment):
        if command[0] == "systemctl":
            return recovery.run_command(("sleep", "60"), environment, 0.2)
        return server.run(command, environment)

    server.add("hans")
    server.mounts.write_text("")
    tools = recovery.RecoveryTools(server.containers, server.look, server.mounted, run, server.run, server.ask)
    report = recovery.recover(server.tenants, server.nas / ".silo-nas", tools, recovery.Turns(server.root / "turns"))
    assert report.started == ()
    assert "'sleep 60' did not end within 0.2 s" in report.problems[0]


def test_one_who_cannot_be_started_does_not_hold_up_the_others(server, capsys):
    server.add("hans")
    server.add("maria")
    (server.nas / "maria" / "uploads").rmdir()
    server.main()
    assert server.started() == ["hans"]
    out = capsys.readouterr().out
    assert out.startswith("<5>started hans\n<4>maria: ")
    assert "maria/uploads is missing on the NAS" in out
    server.fail["docker"] = (17, "no such image\n")
    server.main()
    out = capsys.readouterr().out
    assert "<4>hans: docker compose up failed with code 17: no such image" in out
    assert "<4>maria: " in out


def test_an_engine_that_does_not_answer_is_told(server, capsys):
    def containers():
        raise recovery.StackError("the Docker Engine does not answer")

    server.add("hans")
    server.containers = containers
    assert server.main() == 0
    assert capsys.readouterr().out == "<4>the Docker Engine does not answer\n"


def test_an_apply_is_never_fought_and_never_mentioned(server, capsys):
    server.add("hans")
    with recovery.held(server.root / "lock", 0):
        assert server.main() == 0
    assert server.started() == []
    assert capsys.readouterr().out == ""
    server.main()
    assert server.started() == ["hans"]


def test_the_proxy_is_looked_after_though_an_apply_is_at_work_and_that_is_said_once(server, capsys):
    server.routes.mkdir()
    (server.routes / "_base.yml").write_text("broken")
    why = "field not found, node: rooters"
    server.says = f'2100-11-24T19:03:27.5Z ERR Error error="collecting file configs: /routes/_base.yml: {why}"\n'
    with recovery.held(server.root / "lock", 0):
        server.main()
        server.main()
    assert capsys.readouterr().out == (
        f"<4>Traefik cannot read {server.routes}/_base.yml, which all routes need: {why}; "
        "playbooks/site.yml writes it again\n"
    )


def test_its_services_are_those_of_the_compose_file():
    assert set(SERVICES) == set(yaml.safe_load(compose_file())["services"])


def test_the_units_name_what_the_role_installs(render):
    service, timer = (render("recovery", f"silo-recovery.{kind}.j2") for kind in ("service", "timer"))
    command = "/usr/bin/python3 /usr/local/lib/silo/recovery.pyz"
    assert f"ExecStart={command} /srv/silo/tenants /instances/.silo-nas /run/silo-recovery/said \\\n" in service
    assert "OnBootSec=15s\nOnUnitInactiveSec=30s\n" in timer


def test_one_at_which_a_run_is_cut_off_waits_behind_the_others(server, monkeypatch):
    monkeypatch.setattr(recovery.os, "cpu_count", lambda: 1)
    for name in ("anna", "bert", "carl"):
        server.add(name)
    anna, bert, _carl = recovery.wanted(server.tenants)
    # A run that is cut off at bert has begun with these.
    turns = recovery.Turns(server.root / "said.turns")
    turns.begin(anna)
    turns.begin(bert)
    server.main()
    assert server.started() == ["carl", "anna", "bert"]
    server.done.clear()
    server.main()
    assert server.started() == ["carl", "anna", "bert"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"hans": "x"}', "[" * 100_000])
def test_turns_that_cannot_be_read_are_none(server, text):
    server.add("hans")
    (server.root / "said.turns").write_text(text)
    server.main()
    assert server.started() == ["hans"]


def test_problems_come_in_an_order_that_stays(server, capsys):
    for name in ("hans", "maria", "anna"):
        server.add(name)
        (server.nas / name / "uploads").rmdir()
    for _run in range(3):
        server.main()
    assert capsys.readouterr().out.count("<4>anna: ") == 1
