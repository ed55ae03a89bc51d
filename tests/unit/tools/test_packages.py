"""uv installs where it can be told what pip knows; pip does where it cannot, or where uv fails."""

import ast
import subprocess
from pathlib import Path

import pytest

from tools import packages

LISTED = """:env:.cert='/etc/ssl/ours.crt'
:env:.disable-pip-version-check='1'
download.index-url='https://download.example/simple'
global.cert='/etc/ssl/theirs.crt'
global.extra-index-url='https://more.example/simple'
global.index-url='https://global.example/simple'
install.index-url='https://o\\'neill:secret@install.example/simple'
"""


def test_what_counts_for_an_install_wins():
    assert packages.pip_settings(LISTED) == {
        "cert": "/etc/ssl/ours.crt",
        "disable-pip-version-check": "1",
        "extra-index-url": "https://more.example/simple",
        "index-url": "https://o'neill:secret@install.example/simple",
    }
    assert packages.pip_settings("") == {}


def test_uv_is_told_the_index_and_the_certificates():
    assert packages.uv_environment(packages.pip_settings(LISTED)) == {
        "SSL_CERT_FILE": "/etc/ssl/ours.crt",
        "UV_DEFAULT_INDEX": "https://o'neill:secret@install.example/simple",
    }
    assert packages.uv_environment({}) == {}


@pytest.mark.parametrize("name", ["no-index", "proxy", "client-cert", "keyring-provider", "something-new"])
def test_where_uv_cannot_be_told_a_setting_pip_installs(name):
    assert packages.uv_environment({"index-url": "https://x.example/simple", name: "1"}) is None


@pytest.fixture
def calls(monkeypatch):
    made = []

    def run(what, command, environment=None):
        made.append((what, command, environment))
        return what not in calls.fail

    calls = type("Calls", (), {"made": made, "fail": (), "listed": ""})()
    listed = lambda *_arguments, **_options: subprocess.CompletedProcess((), 0, calls.listed)  # noqa: E731
    monkeypatch.setattr(packages.subprocess, "run", listed)
    monkeypatch.setattr(packages, "run", run)
    return calls


BY_UV, BY_PIP = "Python packages, by uv", "Python packages, by pip"


@pytest.mark.parametrize(
    ("listed", "fail", "done", "code"),
    [
        (LISTED, (), ["uv", BY_UV], 0),
        (LISTED, ("uv",), ["uv", BY_PIP], 0),
        (LISTED, (BY_UV,), ["uv", BY_UV, BY_PIP], 0),
        (LISTED, (BY_UV, BY_PIP), ["uv", BY_UV, BY_PIP], 1),
        ("global.no-index='true'\n", (), [BY_PIP], 0),
    ],
)
def test_pip_installs_where_uv_does_not(calls, listed, fail, done, code):
    calls.listed, calls.fail = listed, fail
    assert packages.main() == code
    assert [what for what, _command, _environment in calls.made] == done
    assert all("constraints.txt" in command for _what, command, _environment in calls.made)


def test_a_long_step_gives_signs_of_life(monkeypatch, capfd):
    monkeypatch.setattr(packages, "SECONDS_BETWEEN_SIGNS", 0.1)
    assert packages.run("a step", ["sh", "-c", "sleep 0.5; exit $CODE"], {"CODE": "0"})
    lines = capfd.readouterr().out.splitlines()
    # From the first second on.
    assert lines[:2] == ["setup  a step ...", "setup  a step ... 0 s so far"]
    assert lines[-1] in ("setup  a step ... installed (0 s)", "setup  a step ... installed (1 s)")
    assert not packages.run("a step", ["sh", "-c", "exit 3"])
    assert "setup  a step ... failed with code 3 (0 s)" in capfd.readouterr().out


def test_uv_is_pinned_as_all_else_is():
    constraints = (Path(__file__).parents[3] / "constraints.txt").read_text()
    assert "\nuv==" in constraints


@pytest.mark.parametrize(("purpose", "project"), [((), "."), (("tests",), ".[dev]")])
def test_a_controller_gets_no_tools_of_tests(calls, purpose, project):
    assert packages.main(*purpose) == 0
    _what, command, _environment = calls.made[-1]
    assert command[command.index("--editable") + 1] == project


def test_what_runs_without_the_tools_of_tests_imports_none_of_them():
    """Their names by which they are imported; those that silo itself needs too are left out."""
    of_tests = {"aiosmtpd", "detect_secrets", "hatchling", "httpx2", "hypothesis", "molecule", "mypy", "PIL", "pytest"}
    root = Path(__file__).parents[3]
    for folder in ("src/silo", "plugins", "tests/lab"):
        for path in (root / folder).rglob("*.py"):
            if "images" in path.relative_to(root).parts or "vm" in path.relative_to(root).parts:
                continue  # they run in images, and by test-all
            imported = {
                name.split(".")[0]
                for node in ast.walk(ast.parse(path.read_text()))
                for name in (
                    [alias.name for alias in node.names]
                    if isinstance(node, ast.Import)
                    else [node.module or ""]
                    if isinstance(node, ast.ImportFrom)
                    else []
                )
            }
            assert not imported & of_tests, path
