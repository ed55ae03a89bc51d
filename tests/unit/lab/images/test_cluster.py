"""PostgreSQL's own entry point in the stand-in for the database: the steps of the official one, in their order."""

import os
import subprocess
from pathlib import Path

import pytest

IMAGE = Path(__file__).parents[3] / "lab" / "images" / "postgres"
# Each program says that it was called; initdb writes PG_VERSION first, as the real one.
PROGRAMS = {
    "initdb": 'echo 17 >"$PGDATA/PG_VERSION"; touch "$PGDATA/pg_hba.conf"; [ -z "$CUT_OFF" ] || exit 9',
    "pg_ctl": ":",
    "psql": "cat >/dev/null",
    "postgres": 'case "$*" in *"-C password_encryption"*) echo scram-sha-256 ;; esac',
    "mkdir": 'case "$*" in */var/run/postgresql) ;; *) exec /bin/mkdir "$@" ;; esac',
    "chmod": 'case "$*" in */var/run/postgresql) ;; *) exec /bin/chmod "$@" ;; esac',
    "ls": ":",
    "id": "echo 200001",
}


@pytest.fixture
def start(tmp_path):
    """Gives a function that runs the entry point; returns how it ended, with the calls as `called`."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in PROGRAMS.items():
        record = f'echo "{name} $*" >>"{tmp_path}/calls"\n' if name in ("initdb", "pg_ctl", "psql", "postgres") else ""
        (programs / name).write_text(f"#!/bin/sh\n{record}{body}\n")
        (programs / name).chmod(0o755)
    data = tmp_path / "data"

    def run(*command, **environment):
        (tmp_path / "calls").write_text("")
        given = {"PATH": f"{programs}:{os.environ['PATH']}", "PGDATA": str(data), "CUT_OFF": "", **environment}
        ended = subprocess.run(
            (IMAGE / "docker-entrypoint.sh", *command), env=given, capture_output=True, text=True, timeout=60
        )
        ended.called = (tmp_path / "calls").read_text().splitlines()
        return ended

    run.data = data
    return run


GIVEN = {"POSTGRES_USER": "immich", "POSTGRES_DB": "immich", "POSTGRES_PASSWORD": "s3cret"}


def test_a_first_start_makes_the_cluster_with_a_server_that_has_no_network(start):
    started = start("postgres", "-cwork_mem=8MB", **GIVEN, POSTGRES_INITDB_ARGS="--data-checksums")
    assert started.returncode == 0, started.stderr
    names = [call.split()[0] for call in started.called]
    assert names == ["initdb", "postgres", "pg_ctl", "psql", "psql", "pg_ctl", "postgres"]
    made, _asked, up, *_sql, down, server = started.called
    assert made.startswith("initdb --username=immich --pwfile=/dev/fd/")
    assert made.endswith(" --data-checksums")
    assert "-cwork_mem=8MB -c listen_addresses= -p 5432" in up
    assert "-m fast -w stop" in down
    assert server == "postgres -cwork_mem=8MB"
    assert (start.data / "pg_hba.conf").read_text() == "\nhost all all all scram-sha-256\n"
    assert "s3cret" not in "".join(started.called)


def test_a_cluster_that_is_there_is_only_started(start):
    start.data.mkdir()
    (start.data / "PG_VERSION").write_text("17\n")
    started = start("-cwork_mem=8MB", **GIVEN)
    assert (started.returncode, started.called) == (0, ["postgres -cwork_mem=8MB"])


def test_a_start_that_is_cut_off_is_not_begun_again(start):
    """So whoever has a first start cut off has to begin with an empty folder."""
    assert start("postgres", **GIVEN, CUT_OFF="yes").returncode == 9
    again = start("postgres", **GIVEN)
    assert (again.returncode, again.called) == (0, ["postgres "])


def test_without_a_password_there_is_no_cluster(start):
    ended = start("postgres", POSTGRES_USER="immich")
    assert (ended.returncode, ended.called) == (1, [])
    assert "superuser password is not specified" in ended.stderr


def test_a_password_that_is_given_twice_is_refused(start, tmp_path):
    (tmp_path / "password").write_text("other")
    ended = start("postgres", **GIVEN, POSTGRES_PASSWORD_FILE=str(tmp_path / "password"))
    assert (ended.returncode, ended.called) == (1, [])
    assert "both POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are set" in ended.stderr


def test_another_command_runs_as_it_is(start):
    ended = start("echo", "hello")
    assert (ended.stdout, ended.called) == ("hello\n", [])
