from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import CommandError, Completed
from ansible_collections.swissphoto.silo.plugins.module_utils.quota import converge as module
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import (
    Backend,
    Mount,
    State,
    Survey,
    Tenant,
    Usage,
)
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.converge import Outcome, converge
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.folder import Folder

GIB = 2**30
SELF = os.getuid(), os.getgid()


class Memory(Backend):
    """A back end that keeps its quotas in memory, and counts how often it is read."""

    name = "memory"

    def __init__(self, root: Path) -> None:
        super().__init__(Mount(str(root), "memory", "none", "/", frozenset()), lambda _: Completed(0))
        self.states: dict[str, State] = {}
        self.reads = 0
        self.broken = ""

    def check(self) -> None: ...

    def read(self) -> Survey:
        self.reads += 1
        return Survey(dict(self.states), {state.id: name for name, state in self.states.items() if state.id})

    def apply(self, tenant: Tenant, survey: Survey) -> None:
        if self.broken == tenant.name:
            raise CommandError(["btrfs", "subvolume", "create"], Completed(1, err="ERROR: no space left"))
        (self.root / tenant.name).mkdir(exist_ok=True)
        self.states[tenant.name] = replace(self.states.get(tenant.name, State()), id=tenant.id, limit=tenant.limit)


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Memory:
    # Whoever runs the tests owns what they make.
    monkeypatch.setattr(module, "SHELL", Folder(*SELF, 0o711))
    monkeypatch.setattr(os, "fchown", lambda *_: None)
    return Memory(tmp_path)


def wanted(name: str, number: int, limit: str | int = "100G") -> dict[str, Any]:
    return {"name": name, "id": number, "uid": SELF[0] or 1, "gid": SELF[1] or 1, "limit": str(limit)}


def run(backend: Memory, *tenants: Mapping[str, Any], check: bool = False, force: bool = False) -> dict[str, Outcome]:
    return {outcome.name: outcome for outcome in converge(backend, tenants, check, force)}


def owned(monkeypatch: pytest.MonkeyPatch, backend: Memory, *tenants: Mapping[str, Any]) -> None:
    """Make tenants, and let their uploads look as if they were theirs."""
    run(backend, *tenants)
    read = module.read_folder
    theirs = Folder(SELF[0] or 1, SELF[1] or 1, 0o700)
    monkeypatch.setattr(module, "read_folder", lambda path: theirs if path.name == "uploads" else read(path))


def test_a_new_tenant_has_directories_and_a_limit(backend: Memory) -> None:
    outcome = run(backend, wanted("hans", 1))["hans"]
    assert outcome.changed
    assert outcome.changes() == ["new, with a limit of 100G"]
    assert (backend.root / "hans").stat().st_mode & 0o777 == 0o711
    assert (backend.root / "hans" / "uploads").stat().st_mode & 0o777 == 0o700
    assert backend.states["hans"] == State(1, 100 * GIB)


def test_check_mode_says_the_same_and_does_nothing(backend: Memory) -> None:
    outcome = run(backend, wanted("hans", 1), check=True)["hans"]
    assert outcome.changes() == ["new, with a limit of 100G"]
    assert list(backend.root.iterdir()) == []


def test_nothing_to_do_is_one_reading(backend: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    tenants = [wanted(f"tenant{number}", number) for number in range(1, 11)]
    owned(monkeypatch, backend, *tenants)
    backend.reads = 0
    assert not any(outcome.changed for outcome in run(backend, *tenants).values())
    assert backend.reads == 1


def test_a_new_limit_is_shown_before_and_after(backend: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    owned(monkeypatch, backend, wanted("hans", 1))
    assert run(backend, wanted("hans", 1, "200G"), check=True)["hans"].changes() == ["limit 100G -> 200G"]
    difference = run(backend, wanted("hans", 1, 100 * GIB + 1), check=True)["hans"].changes()
    assert difference == ["limit 100G -> 100.0G (107374182401 bytes)"]


def test_a_limit_below_what_is_used_is_refused_unless_forced(backend: Memory) -> None:
    run(backend, wanted("hans", 1))
    backend.states["hans"] = replace(backend.states["hans"], usage=Usage(60 * GIB))
    refused = run(backend, wanted("hans", 1, "50G"))["hans"]
    assert refused.error == "60G are in use, more than the new limit of 50G; nothing was changed"
    assert backend.states["hans"].limit == 100 * GIB
    assert run(backend, wanted("hans", 1, "50G"), force=True)["hans"].limit == 50 * GIB
    assert not run(backend, wanted("hans", 1, "50G"))["hans"].error


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "../etc"}, "the name must be"),
        ({"name": "Hans"}, "the name must be"),
        ({"limit": "lots"}, "the limit 'lots' is not a size"),
        ({"limit": "0"}, "the limit is 0"),
        ({"id": 0}, "the id is 0; it must be 1 or more"),
        ({"uid": 0}, "the uid is 0; it must be 1 or more"),
        ({"id": 2}, "its quota id 2 already counts maria"),
        ({"name": "maria", "id": 9}, "is already counted under the quota id 2, not 9"),
    ],
)
def test_refuses_with_a_sentence_and_serves_the_others(backend: Memory, change: dict[str, Any], sentence: str) -> None:
    run(backend, wanted("maria", 2))
    outcomes = converge(backend, [wanted("hans", 1) | change, wanted("peter", 3)], False, False)
    assert sentence in outcomes[0].error
    assert not outcomes[0].changed
    assert outcomes[1].changed
    assert sorted(backend.states) == ["maria", "peter"]


def test_refuses_all_that_share_an_id(backend: Memory) -> None:
    outcomes = run(backend, wanted("hans", 1), wanted("maria", 1), wanted("peter", 3))
    assert outcomes["hans"].error == outcomes["maria"].error == "the id 1 was given to 2 tenants"
    assert list(backend.states) == ["peter"]


def test_refuses_a_symbolic_link_and_a_file(backend: Memory, tmp_path: Path) -> None:
    (tmp_path / "hans").symlink_to("/etc")
    (tmp_path / "maria").touch()
    outcomes = run(backend, wanted("hans", 1), wanted("maria", 2))
    assert outcomes["hans"].error.endswith("hans is a symbolic link")
    assert outcomes["maria"].error.endswith("maria is not a directory")


def test_a_command_that_fails_is_one_tenants_failure(backend: Memory) -> None:
    backend.broken = "hans"
    outcomes = run(backend, wanted("hans", 1), wanted("maria", 2))
    assert outcomes["hans"].error == "'btrfs subvolume create' failed (code 1): ERROR: no space left"
    assert outcomes["hans"].result()["failed"]
    assert outcomes["maria"].changed


def test_a_limit_that_did_not_take_is_an_error(backend: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(tenant: Tenant, survey: Survey) -> None:
        (backend.root / tenant.name).mkdir()
        backend.states[tenant.name] = State(tenant.id, None)

    monkeypatch.setattr(backend, "apply", forget)
    assert "not there when read again" in run(backend, wanted("hans", 1))["hans"].error
