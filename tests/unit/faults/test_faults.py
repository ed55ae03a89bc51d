"""The catalogue of faults: none without a test, and a table that tells what happened and nothing else."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.__main__ import main
from tests.faults.catalogue import catalogue, table

ROOT = Path(__file__).parents[3]
ABSENT = {26, 29}
# A fault that holds, one that does not, one that is not restored, one that cannot be tried here, and no fault.
TESTS = """
import pytest

@pytest.mark.fault(2, 5)
@pytest.mark.parametrize("number", [1, 2])
def test_holds(seen, number):
    seen(f"{number} of 2")

@pytest.mark.fault(6)
def test_breaks(seen):
    seen("half of it")
    assert "a|b" == "c"

@pytest.fixture
def away():
    yield
    raise OSError("it could not be restored")

@pytest.mark.fault(7)
def test_leaves_it_broken(away):
    pass

@pytest.mark.fault(8)
def test_elsewhere():
    pytest.skip("no quota here")

def test_else():
    assert False
"""


def marked(tree):
    """The numbers of faults that tests of a module are marked with."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and function.name.startswith("test_"):
            for mark in function.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
                    yield from (ast.literal_eval(number) for number in mark.args)


def run(directory, *arguments):
    (directory / "test_some.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.faults.plugin", "-c", "pyproject.toml"]
    command += ["-p", "no:cacheprovider", str(directory / "test_some.py"), *arguments]
    # The options of the run in which this test is are not those of the run that it looks at.
    env = {**os.environ, "PYTEST_ADDOPTS": ""}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False).stdout


def test_each_fault_of_this_version_has_a_test_and_no_test_is_of_none():
    found = {
        number
        for file in (ROOT / "tests").rglob("test_*.py")
        for number in marked(ast.parse(file.read_text(encoding="utf-8")))
    }
    assert list(catalogue()) == list(range(1, len(catalogue()) + 1))
    assert {number for number, fault in catalogue().items() if fault.absent} == ABSENT
    assert found == set(catalogue()) - ABSENT


def test_the_document_has_the_catalogue():
    assert table() in (ROOT / "docs" / "contribute" / "faults.md").read_text(encoding="utf-8")


def test_numbers_are_in_order(tmp_path):
    file = tmp_path / "catalogue.yml"
    entry = "- {number: 2, fault: a, holds: b, mechanism: c, broken: d}\n"
    file.write_text(entry * 2)
    with pytest.raises(ValueError, match=r"its numbers are \[2, 2\]; each must be there once, in order"):
        catalogue(file)


@pytest.mark.long("runs of pytest in a run of pytest")
@pytest.mark.parametrize("processes", ["0", "2"])
def test_the_table_tells_what_held_what_did_not_and_what_was_not_tried(tmp_path, capsys, processes):
    directory = tmp_path / "results"
    run(tmp_path, "-n", processes, "--faults", str(directory))
    assert main(["report", str(directory)]) == 1
    assert "a|b" in capsys.readouterr().out
    found = {line["number"]: line for line in json.loads((directory / "faults.json").read_text())["faults"]}
    assert (found[2]["result"], found[2]["seen"]) == ("held", "1 of 2; 2 of 2")
    assert found[5]["result"] == "held"
    assert (found[6]["result"], found[6]["seen"]) == ("FAILED", "half of it")
    assert "test_breaks: call: AssertionError: assert 'a|b' == 'c'" in found[6]["reason"]
    # What was not restored has not held.
    assert found[7]["result"] == "FAILED"
    assert "teardown: OSError: it could not be restored" in found[7]["reason"]
    assert (found[8]["result"], found[8]["reason"]) == ("not tried", "no quota here")
    assert (found[9]["result"], found[9]["reason"]) == ("not tried", "no test of it was run")
    assert found[26]["reason"] == catalogue()[26].absent
    text = (directory / "faults.md").read_text()
    assert len(text.splitlines()) == 2 + len(catalogue())
    assert r"assert 'a\|b' == 'c'" in text


def test_all_held_is_code_0(tmp_path):
    tried = [{"test": "test_all", "faults": [number for number in catalogue() if number not in ABSENT]}]
    (tmp_path / "1.tried.json").write_text(json.dumps(tried))
    assert main(["report", str(tmp_path)]) == 0


def test_a_fault_that_is_none_is_refused(tmp_path):
    (tmp_path / "1.tried.json").write_text(json.dumps([{"test": "test_x", "faults": [99]}]))
    with pytest.raises(ValueError, match="test_x: there is no fault 99 in the catalogue"):
        main(["report", str(tmp_path)])
