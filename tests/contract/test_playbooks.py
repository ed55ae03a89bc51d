"""The playbooks as Ansible loads them, and the names of their tasks, by which silo finds results and shows progress."""

import ast
import collections
import importlib
import json
import os
import subprocess
import sys

import pytest

from silo.ansible.contract import PREFIX, READ, ReadTag, TaskId, is_quiet, marks, sentence, task_id
from silo.ansible.playbooks import ACCESS, APPLY, LETTERS, TRASH, VERIFY

from . import load_playbooks
from .world import ROOT

NAMES = sorted(path.name for path in (ROOT / "playbooks").glob("*.yml"))
ACTIONS = sorted(path.stem for path in (ROOT / "plugins" / "action").glob("*.py"))
# Tag of read.yml to the tasks that run with it, all of them: each costs the command that waits for it.
OF_TAG = {
    ReadTag.LIST: {TaskId.TENANTS, TaskId.QUOTAS, TaskId.DISKS, TaskId.POLICY, TaskId.STACKS},
    ReadTag.STORAGE: {TaskId.QUOTAS, TaskId.DISKS},
    ReadTag.STATS: {TaskId.TENANTS, TaskId.QUOTAS, TaskId.DISKS, TaskId.USAGE},
    # The call of PREFLIGHT reads the disk as well.
    ReadTag.CHECK: {TaskId.TENANTS, TaskId.QUOTAS, TaskId.POLICY, TaskId.PREFLIGHT},
    ReadTag.VERIFY: {TaskId.TENANTS, TaskId.QUOTAS, TaskId.DISKS, TaskId.POLICY, TaskId.CHECKS},
    ReadTag.IMAGES: {TaskId.IMAGE_POLICY, TaskId.IMAGES, TaskId.TEMPLATES},
    ReadTag.LEDGER: {TaskId.LEDGER},
    ReadTag.ALERTS: {TaskId.MONITORED, TaskId.ALERTS},
    ReadTag.LOG: {TaskId.RECORDS},
}
OF_SCOPE = {TaskId.SCOPE}
OF_APPLY = {TaskId.SCOPE, TaskId.STORAGE, TaskId.DISK, TaskId.VERDICT, TaskId.LEFT_ALONE, TaskId.ORPHANS}
OF_TRASH = {TaskId.TRASH_FILES, TaskId.TRASH_DATABASES, TaskId.TRASH_UPLOADS}
# Playbook to the ids that are in it, with what it imports; in all others there is none.
IDS = {
    READ: set().union(*OF_TAG.values()),
    "apply.yml": OF_APPLY,
    "plan.yml": OF_APPLY,
    "site.yml": OF_APPLY,
    "tenant-access.yml": OF_SCOPE,
    "tenant-create.yml": OF_APPLY,
    "tenant-delete.yml": OF_APPLY | OF_TRASH,
    "tenant-start.yml": OF_APPLY,
    "tenant-stop.yml": OF_APPLY,
    TRASH: OF_TRASH,
    VERIFY: {TaskId.CHANGED, TaskId.CHANGED_CHECKS},
}
# What runs in one process, where an id that is in two playbooks means both. The links of tenant-access.yml come between
# these without a relay; it checks the same tenants again, with the same result.
TOGETHER = (APPLY, LETTERS, VERIFY)
# Of which silo shows the progress.
SHOWN = ("plan.yml", APPLY, LETTERS, ACCESS, VERIFY, TRASH)
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
WRONG = {
    "twice_and_unknown.yml": "- hosts: all\n  tasks:\n"
    + "".join(f"    - name: silo:{one} | It\n      ansible.builtin.debug:\n" for one in ("quotas", "quotas", "qoutas"))
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    """Name of a playbook, of ours or a broken one, to what is in it; by one process, since each takes a second."""
    folder = tmp_path_factory.mktemp("broken")
    for name, text in (BROKEN | WRONG).items():
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
def ids(loaded):
    """Playbook to the ids in the names of its tasks, as they stand there, with those that silo does not know."""
    return {
        playbook: [
            mark.removeprefix(PREFIX) for task in found["tasks"] for mark in marks(task["name"]) if PREFIX in mark
        ]
        for playbook, found in loaded.items()
    }


@pytest.mark.parametrize("name", NAMES)
def test_ansible_can_load_it(loaded, name):
    assert loaded[name]["error"] == ""
    assert loaded[name]["tasks"]


@pytest.mark.parametrize("name", BROKEN)
def test_what_ansible_cannot_load_would_be_seen(loaded, name):
    assert "no_such" in loaded[name]["error"] or "run_one" in loaded[name]["error"]


@pytest.mark.parametrize("name", NAMES)
def test_each_id_is_once_where_it_is_expected_and_nowhere_else(ids, name):
    assert collections.Counter(ids[name]) == collections.Counter(IDS.get(name, set()))


def test_an_id_that_is_there_twice_or_that_nobody_knows_would_be_seen(ids):
    assert ids["twice_and_unknown.yml"] == ["quotas", "quotas", "qoutas"]


def test_no_id_is_without_a_task():
    assert set().union(*IDS.values()) == set(TaskId)


def test_an_id_in_what_runs_in_one_process_means_one_task(ids):
    together = collections.Counter(one for playbook in TOGETHER for one in ids[playbook])
    assert set(together.values()) == {1}


def test_a_task_has_at_most_one_id_and_no_mark_is_misspelt(loaded):
    """A word in lower case before a sentence is a mark; the name of a file, which may stand there too, is not."""
    for task in (task for playbook in NAMES for task in loaded[playbook]["tasks"]):
        found = [mark for mark in marks(task["name"]) if mark.startswith(PREFIX)]
        assert len(found) == (task_id(task["name"]) is not None), task["name"]
        if found or is_quiet(task["name"]):
            assert set(marks(task["name"])) <= {*found, "quiet"}, task["name"]
        else:
            assert not task["name"].startswith((PREFIX, "quiet")), task["name"]


def test_a_sentence_begins_with_a_capital(loaded):
    """In place of name[casing] of ansible-lint, which takes a mark for a sentence."""
    sentences = [sentence(task["name"]) for playbook in NAMES for task in loaded[playbook]["tasks"]]
    assert [text for text in sentences if not text[:1].isupper()] == []


@pytest.mark.parametrize("tag", ReadTag)
def test_a_tag_of_what_reads_runs_only_what_its_command_needs(loaded, tag):
    run = [task["name"] for task in loaded[READ]["tasks"] if tag in task["tags"]]
    assert collections.Counter(map(task_id, run)) == collections.Counter(OF_TAG[tag])


def test_what_reads_has_no_tag_that_silo_does_not_know(loaded):
    assert {tag for task in loaded[READ]["tasks"] for tag in task["tags"]} == set(ReadTag)


def test_no_sentence_of_a_task_stands_in_the_code(loaded):
    """A result is found by its id."""
    names = {task["name"] for playbook in NAMES for task in loaded[playbook]["tasks"]}
    known = names | {sentence(name) for name in names}
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value}"
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in known
    ]
    assert found == []


def test_every_id_has_a_reader():
    used = {
        node.attr
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "TaskId"
    }
    assert used == {one.name for one in TaskId}


@pytest.mark.parametrize("playbook", SHOWN)
def test_what_does_nothing_on_a_machine_is_quiet_and_nothing_else(loaded, playbook):
    tasks = loaded[playbook]["tasks"]
    quiet = {task["name"] for task in tasks if is_quiet(task["name"])}
    assert quiet == {task["name"] for task in tasks if task["action"] in HARMLESS}


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
