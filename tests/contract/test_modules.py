"""The stand-ins of the modules are held against the documentation of these, and what is unlike it is found."""

import pytest

from . import modules, stand_ins
from .world import ROOT

SCOPE = {"root": "/instances", "tenants": [{"name": "anna", "id": 1, "uid": 2, "gid": 3, "limit": "1G"}]}
OUTCOME = {
    "path": "/instances/anna",
    "limit": 1,
    "used": 0,
    "inodes": None,
    "inode_limit": None,
    "changed": True,
    "changes": [],
    "failed": False,
    "found": None,
}
ANSWER = {"backend": "xfs", "changed": True, "tenants": {"anna": OUTCOME}}


def found(parameters=SCOPE, answer=ANSWER):
    return list(modules.problems("storage_quota", parameters, answer))


def test_what_is_as_documented_is_no_problem():
    assert found() == []


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({**SCOPE, "rooot": "/"}, "rooot"),
        ({"tenants": []}, "missing required arguments: root"),
        ({**SCOPE, "tenants": [{"name": "anna"}]}, "missing required arguments: gid, id, limit, uid found in tenants"),
        ({**SCOPE, "overcommit": "much"}, "overcommit"),
    ],
)
def test_what_a_module_would_not_take_is_a_problem(parameters, told):
    (problem,) = found(parameters)
    assert told in problem


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ({**ANSWER, "pool": 1}, "the answer has pool, which is not documented"),
        ({"changed": True, "tenants": {}}, "the answer has no backend"),
        (
            {**ANSWER, "tenants": {"anna": {**OUTCOME, "size": 1}}},
            "the answer: tenants has size, which is not documented",
        ),
        (
            {**ANSWER, "tenants": {"anna": {key: OUTCOME[key] for key in OUTCOME if key != "used"}}},
            "the answer: tenants has no used",
        ),
    ],
)
def test_what_a_module_would_not_answer_is_a_problem(answer, problem):
    assert found(answer=answer) == [problem]


def test_every_module_that_works_on_a_machine_has_a_stand_in():
    """The others have an action plugin alone, and run on the controller; or belong to roles that set a server up."""
    names = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    documented_alone = {name for name in names if not hasattr(modules.module(name), "main")}
    assert names - documented_alone - {"files", "learning_models", "seccomp_profile", "ssh_info"} == set(
        stand_ins.ANSWERS
    )
