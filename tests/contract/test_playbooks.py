"""The playbooks as Ansible loads them, and the tasks in them whose results silo looks for by their names."""

import ast
import importlib
import json
import os
import subprocess
import sys

import pytest

from silo import fleet, operation
from silo.ansible.runner import own_name
from silo.cli import lifecycle, progress, stats
from silo.diagnostics import changed, preflight, verify
from silo.images import running
from silo.reports import alerts, report, usage

from . import load_playbooks
from .world import ROOT

NAMES = sorted(path.name for path in (ROOT / "playbooks").glob("*.yml"))
ACTIONS = sorted(path.stem for path in (ROOT / "plugins" / "action").glob("*.py"))
# Playbook to the tasks of which silo reads the results.
READ = [
    ("apply.yml", (changed.TENANTS, changed.STORED, *lifecycle.VERDICT)),
    ("plan.yml", lifecycle.VERDICT),
    (operation.VERIFY, (changed.NAMED, changed.SERVER, changed.QUOTAS)),
    (operation.TRASH, (operation.UPLOADS,)),
    (fleet.PLAYBOOK, (fleet.TENANTS, fleet.QUOTAS, fleet.STACKS, fleet.POLICY)),
    (usage.PLAYBOOK, (usage.TENANTS, usage.USAGE, usage.QUOTAS)),
    (preflight.PLAYBOOK, (preflight.POLICY, preflight.TENANTS, preflight.SERVER, preflight.QUOTAS)),
    (verify.PLAYBOOK, (verify.POLICY, verify.TENANTS, verify.SERVER, verify.QUOTAS)),
    (running.PLAYBOOK, (running.POLICY, running.SERVER)),
    (report.PLAYBOOK, (report.LEDGER,)),
    (alerts.PLAYBOOK, (alerts.HOST, alerts.ANSWER)),
]
TASKS = [(playbook, task) for playbook, tasks in READ for task in tasks]
# What runs in one process, where a name that is in two playbooks means both. The links of tenant-access.yml come
# between these without a relay; it checks the same tenants again, with the same result.
TOGETHER = [(*operation.APPLY, operation.VERIFY), stats.READ]
# Actions that say, ask the inventory or choose, and do nothing on a machine.
HARMLESS = {
    "ansible.builtin.add_host",
    "ansible.builtin.assert",
    "ansible.builtin.debug",
    "ansible.builtin.fail",
    "swissphoto.silo.tenant_scope",
}
BROKEN = {
    "no_such_module.yml": "- hosts: all\n  tasks:\n    - swissphoto.silo.no_such_module:\n",
    "no_such_role.yml": "- hosts: all\n  roles: [swissphoto.silo.no_such_role]\n",
    "no_such_keyword.yml": "- hosts: all\n  tasks:\n    - ansible.builtin.debug:\n      run_one: true\n",
    "no_such_file.yml": "- ansible.builtin.import_playbook: no_such_file_either.yml\n",
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Name of a playbook, of ours or a broken one, to what is in it; by one process, since each takes a second."""
    folder = tmp_path_factory.mktemp("broken")
    for name, text in BROKEN.items():
        (folder / name).write_text(text)
    paths = [str(path) for path in (*(ROOT / "playbooks").glob("*.yml"), *folder.iterdir())]
    process = subprocess.run(
        [sys.executable, str(load_playbooks.__file__), *paths],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return {path.rpartition("/")[2]: found for path, found in json.loads(process.stdout).items()}


@pytest.fixture(scope="module")
def names(loaded):
    """Playbook to the names of its tasks, without those of their roles."""
    return {playbook: [own_name(task["name"]) for task in found["tasks"]] for playbook, found in loaded.items()}


@pytest.mark.parametrize("name", NAMES)
def test_ansible_can_load_it(loaded, name):
    assert loaded[name]["error"] == ""
    assert loaded[name]["tasks"]


@pytest.mark.parametrize("name", BROKEN)
def test_what_ansible_cannot_load_would_be_seen(loaded, name):
    assert "no_such" in loaded[name]["error"] or "run_one" in loaded[name]["error"]


@pytest.mark.parametrize(("playbook", "task"), TASKS)
def test_a_task_that_is_read_is_there_once(names, playbook, task):
    assert names[playbook].count(task) == 1


@pytest.mark.parametrize("playbooks", TOGETHER, ids=" ".join)
def test_a_task_that_is_read_is_there_once_in_all_that_run_together(names, playbooks):
    together = [name for playbook in playbooks for name in names[playbook]]
    read = [task for playbook, task in TASKS if playbook in playbooks]
    assert {task: together.count(task) for task in read} == dict.fromkeys(read, 1)


def test_no_name_of_a_task_stands_where_this_test_does_not_see_it(names):
    """It is a constant of its module, and above."""
    known = {task for tasks in names.values() for task in tasks}
    seen = {task for _playbook, task in TASKS}
    hidden = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for path in (ROOT / "src").rglob("*.py")
        for node in hidden_texts(ast.parse(path.read_text()))
        if node.value in known
    ]
    told = {node.value for path in (ROOT / "src").rglob("*.py") for node in texts(ast.parse(path.read_text()))}
    assert hidden == []
    assert told & known == seen


def texts(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def hidden_texts(tree):
    """Texts of a module that are no part of its constants."""
    constants = {id(text) for node in tree.body if isinstance(node, ast.Assign) for text in texts(node)}
    return [text for text in texts(tree) if id(text) not in constants]


@pytest.mark.parametrize("prefix", progress.QUIET)
def test_what_progress_leaves_out_begins_some_task(names, prefix):
    everywhere = {part for tasks in names.values() for task in tasks for part in (task, task.rpartition(" | ")[2])}
    assert any(name.startswith(prefix) for name in everywhere)


def test_what_progress_leaves_out_does_nothing_on_a_machine(loaded):
    quiet = [
        task
        for playbook in (*operation.APPLY, operation.ACCESS, operation.VERIFY, operation.TRASH)
        for task in loaded[playbook]["tasks"]
        if progress.is_quiet(task["name"])
    ]
    assert quiet
    assert {task["action"] for task in quiet} <= HARMLESS


def test_the_scope_is_found_once_and_known_to_all_tenants(loaded):
    """A tenant of each server reads it in a play of its own, so it is registered on all of them."""
    found = [
        task["run_once"]
        for book in loaded.values()
        for task in book["tasks"]
        if task["action"] == "swissphoto.silo.tenant_scope"
    ]
    assert set(found) == {True}


@pytest.mark.parametrize("name", ACTIONS)
def test_no_plugin_runs_for_one_host_where_its_task_does_not_say_so(name):
    """Its result would be registered on that host alone, as nobody sees who reads the task."""
    module = importlib.import_module(f"ansible_collections.swissphoto.silo.plugins.action.{name}")
    assert not module.ActionModule.BYPASS_HOST_LOOP
