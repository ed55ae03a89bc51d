"""An inventory with a relay, and runs of Ansible that are written down and not made."""

import contextlib
import json
import os
import shutil
import socket
from pathlib import Path

import pytest
import yaml

from silo.ansible import runner
from silo.ansible.contract import TaskId
from silo.capacity import GIB
from silo.inventory import reader
from silo.tenants import TenantService

ROOT = Path(__file__).parents[4]
RELAY = {"letters_relay_host": "127.0.0.1", "letters_relay_security": "none", "letters_sender": "p@example.ch"}

START = reader.Reader._start

ANNA = {"server": "silo1", "nas": "silo1", "desired": "running"}
DATABASE = {"size_bytes": 8_000_000, "photos": 12, "videos": 1, "users": 1, "last_login": 1795456800}
USED = {"anna": {"services": {}, "database": DATABASE, "disk": {"database": 9_000_000}}}


@pytest.fixture(scope="session", autouse=True)
def forked(ansible):
    """What Ansible makes of an inventory is asked of a fork, in place of a process that reads its modules first."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader.Reader, "_start", lambda reader: ansible.talk(["merge"], reader._said))
        yield


@pytest.fixture
def forked_playbooks(ansible, monkeypatch):
    """Playbooks are run by forks; all else of their process is as it is outside of tests."""

    def begin(process):
        process._mouth, ear = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        source, sink = os.pipe()
        with ear, open(sink, "wb") as told:  # noqa: PTH123  # it is open already
            process._process = ansible.start(["playbook"], told, told, ear, runner._environment())
        process._process.stdout = os.fdopen(source)

    monkeypatch.setattr(runner._Process, "__init__", begin)


@pytest.fixture
def unforked(monkeypatch):
    """Ansible is asked as outside of tests: by a process that starts for it."""
    monkeypatch.setattr(reader.Reader, "_start", START)


@pytest.fixture
def path(tmp_path):
    shutil.copytree(ROOT / "tests" / "inventory", tmp_path / "inv")
    settings = tmp_path / "inv" / "group_vars" / "all" / "relay.yml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(yaml.safe_dump(RELAY))
    return tmp_path / "inv"


@pytest.fixture
def runs(monkeypatch):
    """The runs of Ansible: their playbooks, what --limit names, the facts given; none is made."""
    seen = []

    def events(playbooks, _inventory, arguments=(), lock=None):
        names = [playbooks] if isinstance(playbooks, str) else list(playbooks)
        given = {arguments[place]: arguments[place + 1] for place in range(0, len(arguments) - 1, 2)}
        if names == ["read.yml"]:
            names = [f"read.yml {given['--tags']}"]
        # What changes something takes its turn; what an edit asks while it holds the inventory does not.
        assert (lock is None) == (names == ["read.yml storage"])
        facts = json.loads(Path(given["-e"].removeprefix("@")).read_text()) if "-e" in given else {}
        if runs.fails in names:
            raise runner.RunError("the cable is out")
        seen.append((names, given.get("--limit", ""), facts))
        if "read.yml storage" in names:
            anna = {} if runs.purged else {"anna": {"inodes": 7, "used": runs.used}}
            hosts = {"silo1": {"pool": {"size": runs.pool}, "tenants": {**anna, **runs.strays}}}
            yield event(TaskId.QUOTAS, hosts)
            if runs.disk:
                pool = {"size": runs.disk, "free": runs.disk}
                yield event(TaskId.DISKS, {"silo1": {"pool": pool, "backend": runs.backend, "tenants": {}}})
        if "read.yml stats" in names:
            yield event(TaskId.TENANTS, {"anna": {"tenants": {"anna": ANNA}}})
            yield event(TaskId.USAGE, {"silo1": {"metrics": None, "metrics_problem": "none", "tenants": USED}})
            yield event(TaskId.QUOTAS, {"silo1": {"tenants": {"anna": {"used": 9000, "limit": 1, "inodes": 7}}}})
        if "apply.yml" in names and runs.left_alone:
            yield event(TaskId.LEFT_ALONE, {"anna": {"msg": runs.left_alone}})
        if "verify-changed.yml" in names:
            yield from runs.verified
        if "trash.yml" in names:
            for server in facts["trash_databases"]:
                yield event(TaskId.TRASH_FILES, {server: {"tenants": {}}})
                yield event(TaskId.TRASH_DATABASES, {server: {"tenants": []}})
            for nas, tenants in facts["trash_uploads"].items():
                moved = [{"name": tenant["name"], "files": 7, "bytes": 9000} for tenant in tenants]
                yield event(TaskId.TRASH_UPLOADS, {nas: {"tenants": moved}})

    monkeypatch.setattr(runner, "events", events)
    monkeypatch.setattr(runner, "ahead", lambda _runs: contextlib.nullcontext())
    # Of each server's disk the size, 0 where it cannot be read.
    values = {"seen": seen, "fails": "", "pool": 10 * 1024 * GIB, "disk": 1024 * GIB, "backend": "xfs", "verified": []}
    values |= {"left_alone": [], "used": 9000, "strays": {}, "purged": False}
    runs = type("Runs", (), values)()
    return runs


def playbooks(runs):
    """Return the playbooks of each run."""
    return [names for names, _limit, _facts in runs.seen]


def queued(path):
    """Return the tenant and the kind of each letter that is due."""
    return [(one.tenant, one.kind) for one in TenantService(path).outbox.pending_notifications()]


def event(task, hosts):
    when = "2026-11-24T12:00:00+00:00"
    lasted = {"start": when, "end": when}
    return {
        "_event": "v2_runner_on_ok",
        "task": {"name": f"silo:{task} | Sentence", "duration": lasted},
        "hosts": hosts,
    }
