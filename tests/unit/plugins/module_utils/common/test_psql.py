"""A tenant's database is asked in its own container; values are psql's to quote."""

import os
import time

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import process, psql
from ansible_collections.swissphoto.silo.plugins.module_utils.common.process import Completed

from tests.unit.patience import PATIENCE


def test_what_is_asked_is_never_put_together():
    asked = []

    def answer(command, text):
        asked.append((command, text))
        return Completed(0, " 1\n", "")

    assert psql.ask("hans", "SELECT :'name';", {"name": "x'; DROP", "number": 7}, answer) == "1"
    container = ("docker", "exec", "--interactive", "silo-hans-database-1")
    values = ("-v", "ON_ERROR_STOP=1", "-v", "name=x'; DROP", "-v", "number=7")
    assert asked == [((*container, "psql", "-XqAt", *values, "-U", "immich", "-d", "immich"), "SELECT :'name';")]


def test_a_session_has_its_limits_inside_of_the_container_too():
    assert psql.command("hans", options="-cstatement_timeout=5", within_seconds=3) == (
        *("docker", "exec", "--interactive", "--env", "PGOPTIONS=-cstatement_timeout=5", "silo-hans-database-1"),
        *("timeout", "--signal=KILL", "3", "psql", "-XqAt", "-U", "immich", "-d", "immich"),
    )


def test_a_database_that_starts_is_waited_for_inside_of_its_container(tmp_path):
    """One question by Docker's command, not one each moment."""
    asked = []

    def answer(command, text):
        asked.append(command)
        return Completed(0, "1\n", "")

    assert psql.ask_when_ready("hans", "SELECT 1;", {"quota": 7}, answer) == "1"
    (command,) = asked
    assert command[:4] == ("docker", "exec", "--interactive", "silo-hans-database-1")
    assert command[4:8] == ("timeout", "--signal=KILL", "50", "sh")
    # As the container would run it: the first two look too early, and psql gets what is asked.
    programs = {
        "pg_isready": f'echo "$@" >> {tmp_path}/looks; [ "$(wc -l < {tmp_path}/looks)" -gt 2 ]',
        "psql": 'echo "$@"; cat',
    }
    for name, script in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = process.run(command[4:], seconds=30, environment=environment, text="SELECT 1;\n")
    assert (tmp_path / "looks").read_text() == "-q -U immich -d immich\n" * 3
    assert ended.out == "-XqAt -v ON_ERROR_STOP=1 -v quota=7 -U immich -d immich\nSELECT 1;\n"


def test_a_refusal_is_one_line():
    def answer(command, _text):
        return Completed(3, "", f"ERROR:\n  no {'x' * 500}\n")

    with pytest.raises(psql.PsqlError, match=r"^silo-hans-database-1 ends with code 3: ERROR: no x{150}"):
        psql.ask("hans", "SELECT 1;", {}, answer)


@pytest.mark.parametrize("command", ["yes", "yes >&2", "sleep 600 & sleep 600"])
def test_a_database_that_floods_or_hangs_is_told_in_time(command, monkeypatch):
    monkeypatch.setattr(psql, "SECONDS", 1)
    begin = time.monotonic()
    with pytest.raises(psql.PsqlError, match="does not answer within 1 s, or with more than 65536 bytes"):
        psql.feed(("sh", "-c", command), "SELECT 1;")
    assert time.monotonic() - begin < PATIENCE
