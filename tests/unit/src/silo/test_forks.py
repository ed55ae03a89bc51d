"""What tests ask of a fork is what a process answers that was started for the question."""

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from silo.inventory import InventoryEditor, InventoryError, reader
from tests.unit.forks import Forks


def test_a_fork_makes_the_same_of_an_inventory(path, request):
    forked = InventoryEditor.open(path).fleet()
    request.getfixturevalue("unforked")
    assert InventoryEditor.open(path).fleet() == forked


def test_forks_learn_nothing_of_each_other(path, monkeypatch):
    settings = path / "group_vars" / "all" / "zz.yml"
    settings.write_text("silo_domain: \"{{ lookup('env', 'DOMAIN') }}\"\n")
    for domain in ("one.example", "two.example"):
        monkeypatch.setenv("DOMAIN", domain)
        assert InventoryEditor.open(path).look()[1].domain == domain
    settings.write_text("silo_domain: three.example\n")
    assert InventoryEditor.open(path).look()[1].domain == "three.example"


def test_a_fork_has_the_settings_of_ansible_of_its_environment(ansible, path, monkeypatch):
    command = ["ansible", "localhost", "-i", str(path), "-m", "ansible.builtin.debug"]
    assert "localhost | SUCCESS" in ansible.run(command).stdout
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "json")
    monkeypatch.setenv("ANSIBLE_LOAD_CALLBACK_PLUGINS", "1")
    assert '"plays"' in ansible.run(command).stdout


@pytest.mark.parametrize("arguments", [["--no-such-option"], ["-i", "/nowhere", "--list"]])
def test_a_fork_ends_with_the_code_and_the_words_of_its_command(ansible, arguments):
    environment = {**os.environ, **ansible.environment}
    fresh = subprocess.run(["ansible-inventory", *arguments], capture_output=True, text=True, env=environment)
    forked = ansible.run(["ansible-inventory", *arguments])
    assert (forked.returncode, forked.stderr[-40:]) == (fresh.returncode, fresh.stderr[-40:])
    assert forked.returncode != 0


def test_a_fork_that_is_killed_is_told(path, monkeypatch):
    start = reader.Reader._start

    def start_and_kill(reader):
        process = start(reader)
        process.kill()
        return process

    monkeypatch.setattr(reader.Reader, "_start", start_and_kill)
    with pytest.raises(InventoryError, match="Ansible could not read it: no answer"):
        InventoryEditor.open(path).fleet()


def test_threads_that_ask_at_once_share_one_process(monkeypatch):
    start, starts = Forks._start, []

    def start_slowly(forks):
        starts.append(forks)
        time.sleep(0.1)
        return start(forks)

    monkeypatch.setattr(Forks, "_start", start_slowly)
    with Forks("tests.unit.ansible_forks") as forks, ThreadPoolExecutor(4) as pool:
        codes = {done.returncode for done in pool.map(lambda _thread: forks.run(["ansible", "--version"]), range(4))}
    assert (len(starts), codes) == (1, {0})
