"""The directory of templates, made by the one call of a NAS; the back ends and the tenants have tests of their own."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota import allotment
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.manual import Manual
from ansible_collections.swissphoto.silo.plugins.modules import storage_quota

GROUP = 200000
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """To whom a directory was given; who runs the tests may be anybody."""
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fchown", lambda _descriptor, uid, gid: found.append((uid, gid)))
    return found


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], given: list[tuple[int, int]]
) -> Call:
    def opened(_values: Any, _check_mode: bool, run: Any) -> Manual:
        return Manual(Mount(str(tmp_path), "nfs4", "nas:/instances", "/", frozenset({"rw"})), run)

    monkeypatch.setattr(allotment, "open_root", opened)

    def run(check: bool = False) -> dict[str, Any]:
        arguments = {"root": str(tmp_path), "backend": "manual", "templates_group": GROUP, "tenants": []}
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            storage_quota.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        return answer

    return run


def test_it_is_for_root_and_the_group_of_servers_alone(
    call: Call, tmp_path: Path, given: list[tuple[int, int]]
) -> None:
    assert call(check=True)["changed"] is True
    assert not (tmp_path / ".templates").exists()
    assert call()["changed"] is True
    assert stat.S_IMODE((tmp_path / ".templates").stat().st_mode) == 0o2770
    assert given == [(0, GROUP)]


def test_it_is_no_tenants_directory(call: Call, tmp_path: Path) -> None:
    call()
    (tmp_path / "hans").mkdir()
    assert Manual(Mount(str(tmp_path), "nfs4", "nas", "/", frozenset()), lambda _argv: None).names() == ["hans"]


def test_where_it_cannot_be_made_births_alone_miss_it(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(storage_quota.AnsibleModule, "warn", lambda _module, text: warnings.append(text))
    (tmp_path / ".templates").symlink_to("/tmp")
    answer = call()
    assert (answer["changed"], answer.get("failed", False)) == (False, False)
    assert ".templates cannot be made, owned by root and the group 200000, mode 2770" in warnings[0]
