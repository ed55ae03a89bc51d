"""What the end of a run tells of the tenants that it changed, and what their addresses say."""

import types

import pytest

from silo.diagnostics import Finding, address, changed, engine

from .facts import HANS, told

FACTS = {"hans": HANS, "maria": {**HANS, "host_name": "maria.swissphoto.ch", "desired": "absent", "index": 2}}
MEMORY = Finding("memory", "hans/server", "wrong", "2G; expected: 1G", "run 'silo apply hans'", "1G", "2G").as_dict()
LIMIT = {"limit": 1024, "id": 1, "problem": "", "inode_limit": None}


def stored(**found):
    """Tenant to what was read back; who has None was not changed."""
    tenants = {name: {"changed": bool(limit), "failed": False, "found": limit} for name, limit in found.items()}
    return {"hans": told(tenants=tenants, backend="btrfs")}


@pytest.fixture
def looks(monkeypatch):
    """Whose address was looked at; each is as it should be."""
    seen = []

    def answers(name, at, state):
        seen.append((name, at, state))
        return Finding("", name, "ok")

    def trusted(name, at, file):
        seen.append((name, at, file))
        return Finding("", name, "ok")

    monkeypatch.setattr(address, "check_answer", answers)
    monkeypatch.setattr(address, "check_certificate", trusted)
    return seen


@pytest.fixture
def book(looks):
    """A run that changed hans and removed maria, of whom all holds."""
    place = {"tenants": ["hans", "maria"], "address": "192.0.2.1", "ca_file": "/ca"}
    return {
        changed.TENANTS: {"hans": told(tenants=FACTS)},
        changed.STORED: stored(hans=LIMIT, maria=None),
        changed.NAMED: {"hans": told(msg=place)},
        changed.SERVER: {"hans": told(findings=[{**MEMORY, "state": "ok"}])},
    }


def broken(book):
    return [(one.id, one.subject) for one in changed.broken(book)]


def test_each_who_changed_is_looked_at_where_it_should_answer(book, looks):
    assert broken(book) == []
    assert sorted(looks) == [
        ("hans.swissphoto.ch", "192.0.2.1", "/ca"),
        ("hans.swissphoto.ch", "192.0.2.1", "running"),
        ("maria.swissphoto.ch", "192.0.2.1", "absent"),
    ]


def test_what_a_server_found_is_told(book):
    book[changed.SERVER]["hans"] = told(findings=[MEMORY, {**MEMORY, "state": "ok", "subject": "hans/cache"}])
    assert broken(book) == [("memory", "hans/server")]


def test_a_quota_that_is_not_there_after_all_is_told_of_who_changed(book):
    book[changed.STORED] = stored(hans={**LIMIT, "limit": None}, maria=None)
    assert broken(book) == [("quota", "hans")]


def test_a_quota_of_which_nothing_was_read_back_is_told(book):
    book[changed.STORED]["hans"].values["tenants"]["hans"]["found"] = None
    assert broken(book) == [("quota", "hans")]


def test_a_tenant_that_failed_is_told_by_the_apply_and_the_others_are_compared(book):
    tenants = {
        "hans": {"changed": True, "failed": False, "found": {**LIMIT, "limit": 1}},
        "maria": {"changed": False, "failed": True, "found": None, "msg": "its limit is less than it uses"},
    }
    book[changed.STORED] = {"hans": told(failed=True, msg="maria: ...", tenants=tenants, backend="btrfs")}
    assert broken(book) == [("quota", "hans")]


def test_a_limit_on_a_disk_that_is_not_there_after_all_is_told_of_who_changed(book):
    held = {**LIMIT, "limit": 20 << 30}
    book[changed.LIMITED] = stored(hans=held, maria=None)
    assert broken(book) == []
    book[changed.LIMITED] = stored(hans={**held, "id": 7}, maria=None)
    assert broken(book) == [("disk_quota", "hans")]


@pytest.mark.parametrize("answer", [{"unreachable": True, "msg": "no route"}, {"failed": True, "msg": "it hangs"}])
def test_a_machine_that_does_not_answer_is_told_by_its_name(book, answer):
    book[changed.SERVER]["hans"] = told(**answer)
    assert broken(book) == [("server", "silo1")]


def test_where_nothing_changed_nobody_is_looked_at(book, looks):
    book[changed.STORED] = stored(hans=None, maria=None)
    for task in (changed.SERVER, changed.LIMITED, changed.NAMED):
        book[task] = {"hans": told(skipped=True, skip_reason="Conditional result was False", msg="skipped")}
    assert broken(book) == []
    assert looks == []


def test_a_run_that_was_not_to_be_verified_tells_nothing():
    assert changed.broken({}) == []


def test_an_address_is_given_the_time_that_traefik_takes(book, monkeypatch):
    asked = []

    def answers(name, _at, state):
        asked.append(name)
        return Finding("", name, "ok" if asked.count(name) > 2 else "wrong")

    monkeypatch.setattr(address, "check_answer", answers)
    assert broken(book) == []
    assert asked.count("hans.swissphoto.ch") == 3


def test_a_certificate_that_takes_its_time_is_no_failure(book, monkeypatch):
    """An authority on the internet takes seconds; a busy lab's as well."""
    passed = [0.0]

    def sleep(seconds):
        passed[0] += seconds

    monkeypatch.setattr(engine, "time", types.SimpleNamespace(monotonic=lambda: passed[0], sleep=sleep))
    monkeypatch.setattr(
        address, "check_certificate", lambda name, _at, _file: Finding("", name, "ok" if passed[0] > 20 else "wrong")
    )
    assert broken(book) == []
    assert 20 < passed[0] < 21


def test_an_address_that_does_not_answer_is_told(book, monkeypatch):
    monkeypatch.setattr(address, "check_certificate", lambda name, _at, _file: Finding("", name, "wrong"))
    monkeypatch.setattr(changed, "PATIENCE_SECONDS", 0.2)
    assert broken(book) == [("tls", "hans.swissphoto.ch")]
