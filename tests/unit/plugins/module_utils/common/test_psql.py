"""A tenant's database is asked in its own container; values are psql's to quote."""

import time

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.common import psql
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
