"""The start of the stand-in for the photo server: what its process has in its environment, as the real one has."""

import subprocess
from pathlib import Path

import pytest

IMAGE = Path(__file__).parents[3] / "lab" / "images" / "immich-server"
SECRETS = ("DB_URL", "DB_HOSTNAME", "DB_DATABASE_NAME", "DB_USERNAME", "DB_PASSWORD", "REDIS_PASSWORD")
# In place of Python: its arguments, its number, and its environment as the kernel has it.
PYTHON = """#!/bin/sh
echo "$*"
echo $$
tr '\\0' '\\n' </proc/$$/environ
"""


@pytest.fixture
def start(tmp_path):
    """Gives a function that runs a script of the image; returns arguments and environment of what it becomes."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").write_text(PYTHON)
    (tmp_path / "bin" / "python3").chmod(0o755)

    def run(*command, **environment):
        path = f"{tmp_path / 'bin'}:{IMAGE}:/usr/bin:/bin"
        with subprocess.Popen(command, env=environment | {"PATH": path}, stdout=subprocess.PIPE, text=True) as process:
            said, _none = process.communicate(timeout=60)
        arguments, number, *variables = said.splitlines()
        assert int(number) == process.pid
        return arguments, dict(variable.split("=", 1) for variable in variables)

    return run


def test_every_secret_of_a_file_is_in_the_environment_of_the_process(start, tmp_path):
    for name in SECRETS:
        (tmp_path / name).write_text(f"the {name}\n")
    arguments, found = start(IMAGE / "start.sh", **{f"{name}_FILE": str(tmp_path / name) for name in SECRETS})
    assert arguments == "-m photo_server"
    assert {name: found.get(name) for name in SECRETS} == {name: f"the {name}" for name in SECRETS}
    assert not [name for name in found if name.endswith("_FILE")]


def test_other_files_are_left_alone(start, tmp_path):
    (tmp_path / "file").write_text("content")
    _arguments, found = start(IMAGE / "start.sh", IMMICH_CONFIG_FILE=str(tmp_path / "file"), DB_PORT="5433")
    assert (found["IMMICH_CONFIG_FILE"], found["DB_PORT"]) == (str(tmp_path / "file"), "5433")
    assert "IMMICH_CONFIG" not in found


def test_a_secret_comes_from_the_credentials_directory(start, tmp_path):
    (tmp_path / "DB_PASSWORD").write_text("geheim")
    _arguments, found = start(IMAGE / "start.sh", CREDENTIALS_DIRECTORY=str(tmp_path), DB_USERNAME="hans")
    assert (found["DB_PASSWORD"], found["DB_USERNAME"]) == ("geheim", "hans")


def test_a_file_that_cannot_be_read_leaves_the_secret_empty(start):
    """The database refuses it then."""
    _arguments, found = start(IMAGE / "start.sh", DB_PASSWORD_FILE="/nowhere/at/all")
    assert found["DB_PASSWORD"] == ""


def test_the_command_of_an_operator_has_the_same_environment(start, tmp_path):
    (tmp_path / "secret").write_text("geheim")
    arguments, found = start("immich-admin", "reset-admin-password", DB_PASSWORD_FILE=str(tmp_path / "secret"))
    assert arguments == "-m photo_server.admin reset-admin-password"
    assert found["DB_PASSWORD"] == "geheim"
