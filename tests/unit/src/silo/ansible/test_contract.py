"""The names of tasks: their ids, and which are quiet."""

import pytest

from silo.ansible import runner
from silo.ansible.contract import TaskId, is_quiet, sentence, task_id
from silo.ansible.results import add


@pytest.mark.parametrize(
    ("name", "task", "quiet", "text"),
    [
        ("silo:quotas | Read the quotas", TaskId.QUOTAS, False, "Read the quotas"),
        ("swissphoto.silo.tenant : silo:scope quiet | Check every tenant", TaskId.SCOPE, True, "Check every tenant"),
        ("quiet | Choose a tenant", None, True, "Choose a tenant"),
        ("Stacks | Converge the stacks", None, False, "Converge the stacks"),
        ("Read the quotas", None, False, "Read the quotas"),
        ("silo:qoutas | Read the quotas", None, False, "Read the quotas"),
        ("silo:quotas", None, False, "silo:quotas"),
        ("quiet please", None, False, "quiet please"),
        ("", None, False, ""),
    ],
)
def test_the_name_of_a_task(name, task, quiet, text):
    assert (task_id(name), is_quiet(name), sentence(name)) == (task, quiet, text)


def event(name, **more):
    when = {"start": "2026-11-24T12:00:00+00:00", "end": "2026-11-24T12:00:01+00:00"}
    hosts = {"silo1": {"msg": "hans", **more}}
    return {"_event": "v2_runner_on_ok", "task": {"name": name, "duration": when}, "hosts": hosts}


@pytest.mark.parametrize("name", ["silo:policy | Read the policy", "swissphoto.silo.host : silo:policy quiet | It"])
def test_a_result_is_found_by_the_id_of_its_task_whatever_the_sentence(name):
    found, book = {}, {}
    runner.collect(event(name), found)
    add(event(name), book)
    assert found == {TaskId.POLICY: {"silo1": {"msg": "hans"}}}
    assert book[TaskId.POLICY]["silo1"].values == {"msg": "hans"}


def test_a_task_without_an_id_has_no_result():
    found, book = {}, {}
    runner.collect(event("Read the policy"), found)
    add(event("Read the policy"), book)
    add({"_event": "v2_playbook_on_stats", "stats": {}}, book)
    assert (found, book) == ({}, {})


def test_what_a_call_did_for_other_tasks_is_their_result():
    found, book = {}, {}
    away = {"failed": True, "msg": "nothing is mounted"}
    done = event("Converge the stacks", parts={"storage": {"tenants": {}}, "disk": away, "verdict": {}, "mine": {}})
    runner.collect(done, found)
    add(done, book)
    # Not of what failed, nor of what no call does for another.
    assert found == {TaskId.STORAGE: {"silo1": {"tenants": {}}}}
    assert {task: one["silo1"].problem for task, one in book.items()} == {
        TaskId.STORAGE: "",
        TaskId.DISK: "nothing is mounted",
    }
