"""Ansible's events, and what it says when it fails."""

import os
import shutil
import socket
import subprocess
import sys

import pytest

from silo.ansible import playbook_process, runner
from silo.ansible.contract import TaskId
from silo.repository import root
from silo.state import BusyError, State

INVENTORY = "localhost ansible_connection=local ansible_python_interpreter={{ansible_playbook_python}}\n"


@pytest.fixture
def playbook(tmp_path, monkeypatch):
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "hosts").write_text(INVENTORY)
    (tmp_path / "ansible.cfg").write_text("")
    monkeypatch.setattr(runner, "root", lambda: tmp_path)

    def write(tasks):
        text = f"- hosts: localhost\n  gather_facts: false\n  tasks:\n    - name: silo:quotas | It\n      {tasks}\n"
        (tmp_path / "playbooks" / "p.yml").write_text(text)
        return "p.yml", tmp_path / "hosts"

    return write


def test_results_come_by_task_and_host(playbook):
    found = runner.results(*playbook("ansible.builtin.debug: {msg: {answer: 42}}"))
    assert found[TaskId.QUOTAS]["localhost"]["msg"] == {"answer": 42}


def test_a_task_that_fails_is_told_in_its_own_words(playbook):
    with pytest.raises(runner.RunError, match="^hans is not right$"):
        runner.results(*playbook("ansible.builtin.fail: {msg: hans is not right}"))


def test_a_machine_that_is_away_is_told(playbook, tmp_path):
    name, inventory = playbook("ansible.builtin.ping:")
    inventory.write_text("localhost ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1\n")
    with pytest.raises(runner.RunError, match=r"127\.0\.0\.1 port 1: Connection refused"):
        runner.results(name, inventory)


def test_a_playbook_that_cannot_be_read_is_told(playbook):
    with pytest.raises(runner.RunError, match="no.such.module"):
        runner.results(*playbook("no.such.module: {}"))


def test_what_was_started_ahead_is_run_and_the_rest_ends(playbook, monkeypatch):
    # It ends by itself, however busy this machine is.
    monkeypatch.setattr(runner, "SECONDS_TO_END", 120)
    with runner.ahead(2):
        first = runner._ahead._next
        found = runner.results(*playbook("ansible.builtin.debug: {msg: hans}"))
        assert found[TaskId.QUOTAS]["localhost"]["msg"] == "hans"
        second = runner._ahead._next
    assert first.wait() == 0
    assert second.wait() == 0
    assert runner._ahead._next is None


def test_one_that_was_told_nothing_ends_with_us(playbook):
    process = runner._Process()
    process._mouth.close()
    assert process.wait() == 0


def test_modules_are_packed_while_it_waits_until_it_is_called(monkeypatch):
    packed = []
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def pack(name):
        packed.append(name)
        if name == "access_link":
            ours.send(b"[]")

    monkeypatch.setattr(playbook_process, "_pack", pack)
    with ours, theirs:
        playbook_process._pack_until_called(["tenant_stacks", "access_link", "diagnostics_info"], theirs)
    assert packed == ["tenant_stacks", "access_link"]


@pytest.mark.long("packs three modules")
def test_a_module_that_was_packed_is_the_one_that_a_task_finds(tmp_path):
    """By a process of its own, as Ansible reads its settings once."""
    program = (
        "import os, sys; from ansible import constants; from silo.ansible import playbook_process as process;"
        "process._read(); [process._pack(name) for name in sys.argv[1:]];"
        "print(*os.listdir(os.path.join(constants.DEFAULT_LOCAL_TMP, 'ansiballz_cache')))"
    )
    command = [sys.executable, "-c", program, *runner.CHANGING, "no_such_module"]
    settings = {"ANSIBLE_CONFIG": str(root() / "ansible.cfg"), "ANSIBLE_LOCAL_TEMP": str(tmp_path)}
    settings |= {"PYTHONPATH": str(root() / "src")}
    done = subprocess.run(command, cwd=root(), env={**os.environ, **settings}, capture_output=True, text=True)
    packed = [name for name in done.stdout.split() if not name.endswith(".lock")]
    # As ansible.executor.module_common names them.
    assert sorted(packed) == sorted(
        f"ansible_collections.swissphoto.silo.plugins.modules.{name}-ZIP_DEFLATED-none" for name in runner.CHANGING
    ), done.stderr


def test_a_run_holds_the_lock_that_it_was_given_until_it_ends(playbook, tmp_path):
    state = State(tmp_path)
    with state.turn() as lock:
        events = runner.events(*playbook("ansible.builtin.pause: {seconds: 1}"), lock=lock)
        next(events)
    with pytest.raises(BusyError), state.turn(wait_seconds=0):
        pytest.fail("two runs at once")
    list(events)
    with state.turn(wait_seconds=5):
        pass


def test_why_it_cannot_start_is_told(playbook, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(runner.RunError):
        runner.results(*playbook("ansible.builtin.debug:"))


@pytest.mark.parametrize(
    ("home", "place", "said"), [("", "/", "its playbooks are not here"), (str(root()), "/", ""), ("", ".", "")]
)
def test_it_finds_its_playbooks_or_says_so(home, place, said, tmp_path):
    """As installed by pip, away from the repository."""
    shutil.copytree(root() / "src" / "silo", tmp_path / "silo")
    place = root() / "docs" if place == "." else place
    result = subprocess.run(
        [sys.executable, "-P", "-c", "import silo.__main__ as program; program.main()", "--version"],
        cwd=place,
        env={"PYTHONPATH": str(tmp_path), "SILO_HOME": home},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.returncode, said in result.stderr) == (1 if said else 0, True)
    assert "Traceback" not in result.stderr
