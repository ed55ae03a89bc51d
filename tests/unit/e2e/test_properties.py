"""A test that needs a property of the images is skipped, with the reason, where the lab's images lack it."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e import properties

ROOT = Path(__file__).parents[3]
MODELS = properties.DESCRIPTIONS["models"]
PYTHON = properties.DESCRIPTIONS["python"]
TESTS = """
import pytest

@pytest.mark.needs_property("models", "python")
def test_both():
    pass

@pytest.mark.needs_property("models")
class TestOfAClass:
    @pytest.mark.needs_property("python")
    def test_inside(self):
        pass

def test_neither():
    pass
"""


def run(folder, lab, tests=TESTS):
    """What pytest says of `tests` with a lab.json of this content; with None there is no lab yet."""
    (folder / "conftest.py").write_text("from tests.e2e.conftest import pytest_collection_modifyitems\n")
    (folder / "test_some.py").write_text(tests)
    if lab is not None:
        (folder / "lab.json").write_text(json.dumps(lab))
    command = [sys.executable, "-m", "pytest", "-q", "-c", "pyproject.toml", "-p", "no:cacheprovider", str(folder)]
    environment = {"PATH": "/usr/bin:/bin", "SILO_LAB_FILE": str(folder / "lab.json"), "COLUMNS": "300"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("needed", "has", "reason"),
    [
        ([], [], ""),
        (["models"], ["models"], ""),
        (["models"], properties.DESCRIPTIONS, ""),
        (["models"], ["python"], f"the images of this lab have no models: {MODELS}"),
        (["models", "python"], [], f"the images of this lab have no models: {MODELS}, and no python: {PYTHON}"),
    ],
)
def test_the_reason_names_each_property_that_is_missing(needed, has, reason):
    assert properties.missing(needed, has) == reason


def test_a_test_is_skipped_where_a_property_is_missing(tmp_path):
    output = run(tmp_path, {"properties": ["python"]}).stdout
    assert "1 passed, 2 skipped" in output
    assert f"the images of this lab have no models: {MODELS}\n" in output


@pytest.mark.parametrize("lab", [None, {}, {"properties": sorted(properties.DESCRIPTIONS)}])
def test_all_run_where_nothing_is_missing(tmp_path, lab):
    assert "3 passed" in run(tmp_path, lab).stdout


def test_a_property_that_is_unknown_is_an_error(tmp_path):
    ended = run(tmp_path, {}, TESTS.replace('"python"', '"modles"'))
    assert ended.returncode == 4
    assert "::test_both: needs_property: modles is unknown; tests/lab/image_set.py has " in ended.stderr


def test_each_property_is_needed_by_a_test():
    needed = {
        argument.value
        for path in (ROOT / "tests" / "e2e").rglob("test_*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.needs_property"
        for argument in call.args
    }
    assert needed == set(properties.DESCRIPTIONS)
