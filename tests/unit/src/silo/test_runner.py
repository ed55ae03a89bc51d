"""Ansible's events, and what it says when it fails."""

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


def test_a_playbook_that_cannot_be_read_is_told(playbook):
    with pytest.raises(runner.RunError, match="no.such.module"):
        runner.results(*playbook("no.such.module: {}"))
