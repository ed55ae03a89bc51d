"""A failed test of the lab is one screen, and a file with everything; other tests keep pytest's own report."""

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.failures import plugin, summary
from tests.tiers import results

ROOT = Path(__file__).parents[3]
LINES, WIDTH = 30, 160
SECRET = "Kx7mQ2vR9tYw4ZpL8sNd3HfJ6bCg5TaE"  # pragma: allowlist secret
CONFTEST = """
import os
import pytest
from tests.failures.plugin import pytest_runtest_makereport, pytest_runtest_setup
from tests.failures.record import LOG

LOG.hide(lambda: {"admin_password of hans": os.environ["SECRET"]})

@pytest.fixture
def broken():
    with LOG.action("server", "mount /instances") as action:
        action.end(32, "mount: it is busy")
    assert "busy" == "mounted"

@pytest.fixture
def messy():
    yield
    raise OSError("it could not be restored")
"""
TESTS = r"""
import os, subprocess, sys
import pytest
from tests.failures.record import LOG

def act(number, what="look", result=0, output="", note=""):
    with LOG.action("server", f"{what} {number}") as action:
        action.end(result, output, note=note)

def test_assert():
    '''Looks at numbers.

    In detail.
    '''
    print("what pytest captured")
    for number in range(25):
        act(number, output=f"output of {number}")
    act(1, "stop", 3, note="hans: it is in use")
    answer = {"status": 500}
    assert answer["status"] == 201

def test_after_another():
    assert not "begun anew"

def test_fixture(broken):
    pass

def test_teardown(messy):
    pass

def test_both(messy):
    assert 1 == 2

def test_no_such_fixture(nothing):
    pass

def test_fail_with_many_lines():
    pytest.fail("\n".join(f"line {number} {'x' * 300}" for number in range(500)))

ANSIBLE = '''
PLAY [tenants] *****

TASK [Bring them] ***
[ERROR]: Task failed: Action failed: hans: it is in use
Origin: somewhere
fatal: [hans]: FAILED! => 
    changed: false
    msg: 'hans: it is
        in use'
fatal: [maria]: FAILED! => 
    msg: 'maria: it is full'

PLAY RECAP ****
hans : ok=1 failed=1
'''

@pytest.mark.fault(6)
def test_ansible():
    pytest.fail(f"apply.yml --limit hans ended with 2:\n{ANSIBLE}")

def test_hostile():
    evil = "\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202eevil\u2066\x00\ud800"
    act(evil, output=evil, note=evil)
    print(evil)
    assert evil == "good\x1b[0m", evil

def test_huge():
    found = "".join(f"line {number} of what was found\n" for number in range(3000))
    act("x" * 100_000)
    assert found == found.replace("line 1500 ", "line 1501 ") + "y" * 100_000

def test_huge_in():
    assert "needle" in " ".join(["hay"] * 1_000_000)

def test_secret():
    secret = os.environ["SECRET"]
    act(f"echo {secret}", output=secret)
    print(secret)
    assert secret == "x" * 400 + secret

def test_command():
    subprocess.run([sys.executable, "-c", "import sys; print('out'); sys.exit('err')"], check=True, capture_output=True)

@pytest.mark.parametrize("value", ["a/b c", pytest.param("x", id="x" * 300)])
def test_names(value):
    assert not value

@pytest.mark.xfail
def test_expected():
    assert False

def test_skipped():
    pytest.skip("not here")

def helper():
    raise KeyError("which")

def test_helper():
    helper()
"""
UNIT = """
def test_unit():
    assert [1, 2] == [1, 3]
"""


def run(folder, *arguments, **environment):
    for path, text in {
        "lab/conftest.py": CONFTEST,
        "lab/test_lab.py": TESTS,
        "unit/test_unit.py": UNIT,
    }.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-c", "pyproject.toml", "-p", "no:cacheprovider"]
    command += [
        "-p",
        "tests.faults.plugin",
        "-p",
        "tests.tiers.results",
        "--rootdir",
        str(folder),
        *arguments,
        str(folder),
    ]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "COLUMNS": "300", "SECRET": SECRET, **environment}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 1, done.stdout.decode()
    return done.stdout.decode()


def screens(output):
    """The screen of each failure by the title that pytest gives it."""
    body = re.split(r"^=+ short test summary info =+$|^(?:=+ )?\d+ failed", output, flags=re.MULTILINE)[0]
    parts = re.split(r"^_+ (.+?) _+$", re.sub(r"^=+ (ERRORS|FAILURES) =+$", "", body, flags=re.MULTILINE), flags=re.M)
    return {title: text.strip("\n") for title, text in zip(parts[1::2], parts[2::2], strict=True)}


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture(scope="module")
def output(tmp_path_factory, reports):
    return run(tmp_path_factory.mktemp("tests"), "-n0", SILO_TEST_REPORTS=str(reports))


@pytest.fixture(scope="module")
def found(output):
    return screens(output)


def block(screen, title):
    """The lines of a part of a screen."""
    lines = iter(screen.splitlines())
    first = next(line for line in lines if line.startswith(f"{title:<10}"))
    taken = [first]
    for line in lines:
        if not line.startswith(" " * 10):
            break
        taken.append(line)
    return [line[10:] for line in taken]


def kept(screen):
    (path,) = block(screen, "all of it")
    return Path(path)


LAB = [
    *("test_assert", "test_after_another", "ERROR at setup of test_fixture", "ERROR at teardown of test_teardown"),
    *("test_both", "ERROR at teardown of test_both", "ERROR at setup of test_no_such_fixture"),
    *("test_fail_with_many_lines", "test_ansible", "test_hostile", "test_huge", "test_huge_in", "test_secret"),
    *("test_command", "test_names[a/b c]", f"test_names[{'x' * 300}]", "test_helper"),
]


def test_each_failure_of_the_lab_is_one_screen(found):
    assert set(found) == {*LAB, "test_unit"}
    for title in LAB:
        lines = found[title].splitlines()
        assert len(lines) <= LINES, title
        assert all(line.isprintable() for line in lines), title
        # The last is a path, which is not cut.
        assert all(len(line) <= WIDTH for line in lines[:-1]), title


def test_done_expected_seen_and_where(found):
    screen = found["test_assert"]
    assert screen.splitlines()[:2] == ["lab/test_lab.py::test_assert (call)", "    Looks at numbers."]
    first, *done, last = block(screen, "done")
    assert first == "(16 more before)"
    assert [line.split(maxsplit=2)[2] for line in done] == [f"0    server: look {number}" for number in range(16, 25)]
    assert re.fullmatch(r" +0\.0 s  3    server: stop 1 \| hans: it is in use", last)
    assert block(screen, "expected") == ['assert answer["status"] == 201']
    assert block(screen, "seen") == ["assert 500 == 201"]
    number = 1 + TESTS.splitlines().index('    assert answer["status"] == 201')
    assert block(screen, "where") == [f"lab/test_lab.py:{number}"]
    # What others did is theirs.
    assert block(found["test_after_another"], "done") == ["nothing that is recorded"]


def test_the_file_has_everything(found, reports):
    path = kept(found["test_assert"])
    assert path == reports / "lab-test_lab.py-test_assert.txt"
    text = path.read_text()
    assert [f"output of {number}" in text for number in range(25)] == [True] * 25
    assert ">       assert answer" in text
    assert "what pytest captured" in text
    assert "Captured" not in "".join(found[title] for title in LAB)


def test_set_up_and_tear_down(found):
    screen = found["ERROR at setup of test_fixture"]
    assert screen.startswith("lab/test_lab.py::test_fixture (setup)\n")
    assert "32   server: mount /instances" in block(screen, "done")[0]
    assert block(screen, "expected") == ['assert "busy" == "mounted"']
    assert block(screen, "seen")[0] == "AssertionError: assert 'busy' == 'mounted'"[16:]
    assert block(screen, "where")[0].startswith("lab/conftest.py:")
    screen = found["ERROR at teardown of test_teardown"]
    assert block(screen, "seen") == ["OSError: it could not be restored"]
    assert "fixture 'nothing' not found" in block(found["ERROR at setup of test_no_such_fixture"], "seen")
    both = {kept(found[title]) for title in ("test_both", "ERROR at teardown of test_both")}
    assert sorted(path.name for path in both) == [
        "lab-test_lab.py-test_both-teardown.txt",
        "lab-test_lab.py-test_both.txt",
    ]


def test_a_long_text_keeps_its_ends(found):
    screen = found["test_fail_with_many_lines"]
    seen = block(screen, "seen")
    assert [line.split(" x")[0] for line in seen] == [
        *(f"line {number}" for number in range(6)),
        "(491 lines are left out)",
        *(f"line {number}" for number in range(497, 500)),
    ]
    assert "line 250 " in kept(screen).read_text()


def test_of_a_run_of_ansible_the_errors_are_seen(found):
    screen = found["test_ansible"]
    assert block(screen, "seen") == [
        "apply.yml --limit hans ended with 2:",
        "fatal: [hans, Bring them]: hans: it is in use",
        "fatal: [maria, Bring them]: maria: it is full",
    ]
    assert block(screen, "expected") == ["no error"]
    assert "PLAY RECAP" in kept(screen).read_text()


def test_what_is_hostile_reaches_neither_the_terminal_nor_the_file(output, found):
    assert "\x1b" not in output
    screen = found["test_hostile"]
    assert r"\x1b]0;owned\x07\x1b[2J" in screen
    text = kept(screen).read_text()
    assert "066\\x00\\ud800 | \\x1b]0;owned" in text
    assert all(line.isprintable() for line in text.splitlines())
    assert text.count(r"\u202eevil") > 3


def test_huge_values_are_cut(found):
    assert block(found["test_huge"], "seen")
    assert block(found["test_huge_in"], "seen")[0].startswith("assert 'needle' in ")


def test_no_secret_is_shown_or_kept(output, found):
    assert SECRET not in output
    screen, text = found["test_secret"], kept(found["test_secret"]).read_text()
    for shown in (screen, text):
        assert "<admin_password of hans>" in shown
        assert not re.search(rf"{SECRET[:8]}|{SECRET[-8:]}", shown)


def test_a_command_that_failed_says_what_it_wrote(found):
    assert block(found["test_command"], "seen")[1:] == ["out", "err"]


def test_a_name_is_a_file_of_its_own(found):
    paths = {kept(found[title]) for title in LAB if title.startswith("test_names")}
    assert len(paths) == 2
    assert all(path.exists() and len(path.name) < 200 for path in paths)


def test_where_it_was_raised_is_told_too(found):
    called, raised = (1 + TESTS.splitlines().index(line) for line in ("    helper()", '    raise KeyError("which")'))
    (where,) = block(found["test_helper"], "where")
    assert where == f"lab/test_lab.py:{called}, raised in lab/test_lab.py:{raised}"
    assert block(found["test_helper"], "expected") == ["no error from", "helper()"]
    assert block(found["test_helper"], "seen") == ["KeyError: 'which'"]


def test_others_keep_the_report_of_pytest(found):
    assert "E       assert [1, 2] == [1, 3]" in found["test_unit"]
    assert ">       assert" in found["test_unit"]


@pytest.mark.long("a run of pytest with workers in a run of pytest")
def test_workers_report_the_same(tmp_path, found):
    reports = tmp_path / "reports"
    names = {"SILO_TEST_REPORTS": str(reports), results.VARIABLE: str(tmp_path / results.FILE)}
    there = screens(run(tmp_path, "-n2", "-k", "assert or teardown or ansible or unit", **names))
    place = re.compile(r"^(all of it|where) .*|\d+\.\d s|\[gw\d\].*\n+", re.MULTILINE)
    for title in ("test_assert", "ERROR at teardown of test_teardown", "test_ansible"):
        assert place.sub("", there[title]).strip() == place.sub("", found[title]).strip()
    assert len(list(reports.iterdir())) == 3
    assert {one.test: one.reason for one in results.read(tmp_path) if one.outcome == "failed"} == {
        "lab/test_lab.py::test_ansible": (
            "apply.yml --limit hans ended with 2: fatal: [hans, Bring them]: hans: it is in use"
        ),
        "lab/test_lab.py::test_assert": "assert 500 == 201",
        "lab/test_lab.py::test_teardown": "OSError: it could not be restored",
        "unit/test_unit.py::test_unit": "assert [1, 2] == [1, 3]",
    }


def test_a_file_that_cannot_be_read_is_told_last_too(tmp_path):
    (tmp_path / "test_wrong.py").write_text("import nothing_of_this_name\n")
    names = {results.VARIABLE: str(tmp_path / results.FILE)}
    run(tmp_path, "-n0", "-k", "fixture", "--continue-on-collection-errors", **names)
    told = {one.test: one.reason for one in results.read(tmp_path) if one.outcome == "failed"}
    assert told["test_wrong.py"].startswith("ImportError while importing test module")
    assert told["lab/test_lab.py::test_no_such_fixture"] == "fixture 'nothing' not found"


def test_where_nothing_is_said_the_cache_has_the_file_and_keeps_that_of_another_run(tmp_path):
    (path, other) = (kept(screens(run(tmp_path, "-n0", "-k", "test_assert"))["test_assert"]) for _run in range(2))
    assert path == tmp_path / ".cache" / "tests" / "lab-test_lab.py-test_assert.txt"
    assert other == path.with_name("lab-test_lab.py-test_assert-2.txt")
    assert "output of 3" in path.read_text()
    assert "output of 3" in other.read_text()


def test_the_table_of_faults_has_the_reason(tmp_path):
    run(tmp_path, "-n0", "-k", "test_ansible", "--faults", str(tmp_path / "faults"))
    (path,) = (tmp_path / "faults").glob("*.tried.json")
    (tried,) = json.loads(path.read_text())
    assert tried["reason"] == (
        "call: apply.yml --limit hans ended with 2: fatal: [hans, Bring them]: hans: it is in use"
    )


def test_the_reason_of_a_command_that_failed_is_the_end_of_its_output():
    output = "\n".join(f"line {number}" for number in range(20))
    message = f"silo apply nora ended with 1:\n{output}\nwrong  tls, nora.swissphoto.ch"
    told = summary.Failure("test_nora", "", 0, [], "silo.run(...)", message, "test_nora.py:1").reason
    assert told.startswith("silo apply nora ended with 1: line 15 line 16 ")
    assert told.endswith("line 19 wrong tls, nora.swissphoto.ch")


def test_a_file_that_cannot_be_written_costs_no_screen(tmp_path):
    (tmp_path / "file").touch()
    screen = screens(run(tmp_path, "-n0", "-k", "test_assert", SILO_TEST_REPORTS=str(tmp_path / "file")))["test_assert"]
    assert block(screen, "seen") == ["assert 500 == 201"]
    assert block(screen, "all of it")[0].startswith("not written: ")


@pytest.mark.parametrize("folder", ["e2e", "fresh", "integration.storage_quota", "last", "vm"])
def test_all_tests_that_need_machines_are_shown_so(folder):
    conftest = importlib.import_module(f"tests.{folder}.conftest")
    for hook in ("pytest_runtest_setup", "pytest_runtest_makereport"):
        assert getattr(conftest, hook) is getattr(plugin, hook)
