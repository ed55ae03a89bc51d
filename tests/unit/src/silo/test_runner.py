"""Ansible's events, and what it says when it fails."""

import shutil
import subprocess
import sys

import pytest

from silo import runner

INVENTORY = "localhost ansible_connection=local ansible_python_interpreter={{ansible_playbook_python}}\n"


@pytest.fixture
def playbook(tmp_path, monkeypatch):
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "hosts").write_text(INVENTORY)
    (tmp_path / "ansible.cfg").write_text("")
    monkeypatch.setattr(runner, "ROOT", tmp_path)

    def write(tasks):
        text = f"- hosts: localhost\n  gather_facts: false\n  tasks:\n    - name: The task\n      {tasks}\n"
        (tmp_path / "playbooks" / "p.yml").write_text(text)
        return "p.yml", tmp_path / "hosts"

    return write


def test_results_come_by_task_and_host(playbook):
    found = runner.results(*playbook("ansible.builtin.debug: {msg: {answer: 42}}"))
    assert found["The task"]["localhost"]["msg"] == {"answer": 42}


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


@pytest.mark.parametrize(
    ("home", "place", "said"), [("", "/", "its playbooks are not here"), (str(runner.ROOT), "/", ""), ("", ".", "")]
)
def test_it_finds_its_playbooks_or_says_so(home, place, said, tmp_path):
    """As installed by pip, away from the repository."""
    shutil.copytree(runner.ROOT / "src" / "silo", tmp_path / "silo")
    place = runner.ROOT / "docs" if place == "." else place
    result = subprocess.run(
        [sys.executable, "-P", "-c", "import silo.runner"],
        cwd=place,
        env={"PYTHONPATH": str(tmp_path), "SILO_HOME": home},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (result.returncode, said in result.stderr) == (1 if said else 0, True)
    assert "Traceback" not in result.stderr
