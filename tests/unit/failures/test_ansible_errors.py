"""What went wrong in a run of Ansible: told by a real run of it."""

import os
import subprocess

import pytest

from tests.failures.ansible_errors import errors

PLAYS = """
- hosts: one
  gather_facts: false
  tasks:
    - name: Try
      ansible.builtin.fail:
        msg: this one does not count
      ignore_errors: true
    - name: Say
      ansible.builtin.debug:
        msg: "fatal: nothing"
    - name: Find the [thing]
      ansible.builtin.command: "{{ item }}"
      loop: ["true", "sh -c 'echo seen >&2; exit 3'"]
- hosts: two
  gather_facts: false
  tasks:
    - name: Look at it
      ansible.builtin.fail:
        msg: "two: {{ 'it is in use, ' * 30 }}\\n\\nand that is all"
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Gives a function: plays to what Ansible says, with the settings of this repository."""
    folder = tmp_path_factory.mktemp("ansible")
    (folder / "password").write_text("secret\n")
    inventory = ["-i", "one,two,", "-e", "ansible_connection=local", "-e", "ansible_python_interpreter=python3"]
    settings = {"ANSIBLE_VAULT_PASSWORD_FILE": str(folder / "password"), "ANSIBLE_NOCOLOR": "1"}

    def of(plays):
        (folder / "plays.yml").write_text(plays)
        command = ["ansible-playbook", *inventory, str(folder / "plays.yml")]
        environment = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", **settings}
        return subprocess.run(command, env=environment, stdout=-1, stderr=-2, text=True, check=False).stdout

    return of


def test_each_failure_is_a_line_and_what_is_ignored_is_none(run):
    output = run(PLAYS)
    assert "this one does not count" in output
    (item,) = errors(output)
    assert item == "fatal: [one, Find the [thing]]: non-zero return code seen"
    (message,) = errors(run(PLAYS[PLAYS.index("- hosts: two") :]))
    assert message == f"fatal: [two, Look at it]: two: {'it is in use, ' * 30}and that is all"


def test_a_file_that_is_wrong_is_an_error_before_any_task(run):
    (line,) = errors(run("- hosts: {\n"))
    assert line.startswith("[ERROR]: YAML parsing failed")


def test_a_run_without_a_failure_has_none(run):
    assert errors(run("- hosts: one\n  gather_facts: false\n")) == []


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ('fatal: [hans -> silo1]: FAILED! => {"changed": false, "msg": "it is full"}', "hans -> silo1]: it is full"),
        ("fatal: [hans]: UNREACHABLE! => \n    msg: 'Task failed: no\n        route'\n", "hans]: no route"),
        ("hans | FAILED! => \n    changed: false\n    msg: it is full\n", "hans]: it is full"),
        ("fatal: [hans]: FAILED! => \n    censored: hidden\n", "hans]: hidden"),
        ("fatal: [hans]: FAILED! => \n    msg: [of: {\n", "hans]: msg: [of: {"),
        ("fatal: [hans]: FAILED! => ", "hans]: "),
    ],
)
def test_other_forms_of_a_result(output, expected):
    assert errors(output) == [f"fatal: [{expected}"]
