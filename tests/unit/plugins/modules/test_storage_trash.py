"""The module from its arguments to its answer, on plain directories; the back ends have tests of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.swissphoto.silo.plugins.module_utils.common.mounts import Mount
from ansible_collections.swissphoto.silo.plugins.module_utils.quota import inspection
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.base import QuotaError
from ansible_collections.swissphoto.silo.plugins.module_utils.quota.manual import Manual
from ansible_collections.swissphoto.silo.plugins.modules import storage_quota_info, storage_trash

WHEN = "2026-11-23T16:57:05+00:00"
HANS = {"name": "hans", "id": 1, "when": WHEN}
MARIA = {"name": "maria", "id": 2, "when": WHEN}
Call = Callable[..., dict[str, Any]]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "instances"
    for name in ("hans", "maria"):
        (root / name).mkdir(parents=True)
        (root / name / "photo").touch()

    def opened(path: str, sentinel: str, backend: str, run: Any, table: str = "") -> Manual:
        if not Path(path).is_dir():
            raise QuotaError(f"nothing is mounted at {path}")
        assert (sentinel, backend) == (".silo-nas", "manual")
        return Manual(Mount(path, "nfs4", "nas:/instances", "/", frozenset({"rw"})), run)

    for module in (storage_trash, inspection):
        monkeypatch.setattr(module, "open_backend", opened)
    # Who runs the tests may be anybody.
    monkeypatch.setattr(os, "fchown", lambda descriptor, uid, gid: None)
    return root


@pytest.fixture
def call(root: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(module: Any, check: bool = False, **values: Any) -> dict[str, Any]:
        arguments = {"root": str(root), "backend": "manual", **values, "_ansible_check_mode": check}
        with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
            module.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert bool(ended.value.code) == bool(answer.get("failed"))
        return answer

    return run


def test_says_what_moved_and_where_to(call: Call, root: Path) -> None:
    place = f"{root}/.trash/20261123T165705Z-hans-1"
    planned = call(storage_trash, check=True, state="trashed", tenants=[HANS])
    assert (root / "hans" / "photo").exists()
    done = call(storage_trash, state="trashed", tenants=[HANS])
    assert (
        done["diff"]
        == planned["diff"]
        == [
            {
                "before_header": "hans (1)",
                "after_header": "hans (1)",
                "before": f"path: {root}/hans\n",
                "after": f"path: {place}\n",
            }
        ]
    )
    assert (done["backend"], done["changed"]) == ("manual", True)
    (tenant,) = done["tenants"]
    assert {key: tenant[key] for key in ("name", "id", "when", "path", "files", "failed")} == {
        **HANS,
        "path": place,
        "files": 2,
        "failed": False,
    }
    again = call(storage_trash, state="trashed", tenants=[HANS])
    assert (again["changed"], again["diff"]) == (False, [])


def test_one_that_is_refused_does_not_hold_up_the_other_and_is_named(call: Call, root: Path) -> None:
    result = call(storage_trash, state="trashed", tenants=[HANS | {"when": "today"}, MARIA])
    sentence = "the time of deletion 'today' must be UTC in ISO 8601, such as 2026-11-23T16:57:05+00:00"
    assert result["msg"] == f"hans: {sentence}"
    assert result["changed"]
    assert [(row["failed"], row.get("msg")) for row in result["tenants"]] == [(True, sentence), (False, None)]
    assert sorted(path.name for path in root.iterdir()) == [".trash", "hans"]


def test_a_purge_has_no_place_afterwards_and_keeps_to_the_policy(call: Call, root: Path) -> None:
    call(storage_trash, state="trashed", tenants=[HANS, MARIA])
    result = call(storage_trash, state="purged", max_purges=1, tenants=[HANS, MARIA])
    assert result["msg"].startswith("maria: no more than 1 are removed for good in one call (max_purges); ")
    assert [row["path"] for row in result["tenants"]] == ["", ""]
    assert result["diff"][0]["after"] == ""
    assert [path.name for path in (root / ".trash").iterdir()] == ["20261123T165705Z-maria-2"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"state": "purged", "max_purges": 0}, "max_purges is 0; it must be 1 or more"),
        ({"state": "trashed", "root": "/no/such/root"}, "nothing is mounted at /no/such/root"),
        ({"state": "absent"}, "value of state must be one of: purged, restored, trashed, got: absent"),
        ({}, "missing required arguments: state"),
    ],
)
def test_a_call_that_makes_no_sense_touches_nothing(
    call: Call, root: Path, values: dict[str, Any], sentence: str
) -> None:
    result = call(storage_trash, tenants=[HANS], **values)
    assert (result["failed"], result["msg"]) == (True, sentence)
    assert sorted(path.name for path in root.iterdir()) == ["hans", "maria"]


def test_the_trash_is_read_apart_from_the_tenants(call: Call, root: Path) -> None:
    assert call(storage_quota_info)["trash"] == []
    call(storage_trash, state="trashed", tenants=[HANS])
    place = root / ".trash" / "20261123T165705Z-hans-1"
    (root / ".trash" / "notes").mkdir()
    info = call(storage_quota_info)
    assert list(info["tenants"]) == ["maria"]
    (entry,) = info["trash"]
    assert entry.keys() == {"name", "id", "when", "path", "limit", "used", "inodes", "purging"}
    assert {key: entry[key] for key in ("name", "id", "when", "path", "purging")} == {
        **HANS,
        "path": str(place),
        "purging": False,
    }
    place.rename(f"{place}.purging")
    assert call(storage_quota_info)["trash"][0]["purging"]
