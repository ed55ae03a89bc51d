from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import Completed
from ansible_collections.swissphoto.silo.plugins.modules import seccomp_profile as module

from .conftest import Run

PROFILE = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["ioctl", "read"], "action": "SCMP_ACT_ALLOW"}]}


class Engine:
    """Answers as Docker and containerd do, and keeps what it was asked."""

    def __init__(self) -> None:
        self.version = "26.1.5"
        self.profile: Any = PROFILE
        self.asked: list[str] = []
        self.running: list[str] = []

    def __call__(self, argv: Sequence[str]) -> Completed:
        self.asked.append(" ".join(argv))
        if argv[:2] == ["docker", "version"]:
            parts = [{"Name": "Engine", "Version": self.version}, {"Name": "docker-init", "Version": "0.19"}]
            return Completed(0, json.dumps(parts))
        if argv[:2] == ["docker", "run"]:
            self.running.append("c0ffee")
            return Completed(0, "c0ffee\n")
        if argv[:2] == ["docker", "rm"]:
            self.running.remove(argv[-1])
            return Completed(0)
        return Completed(0, json.dumps({"linux": {"seccomp": self.profile}}))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine()
    monkeypatch.setattr(module, "module_runner", lambda _: engine)
    return engine


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "seccomp-1.json"


@pytest.fixture
def call(run: Run, path: Path) -> Run:
    return lambda check=False: run(module, check=check, path=str(path), image="valkey")


def test_it_is_made_once_for_an_engine_and_without_a_trace(call: Run, engine: Engine, path: Path) -> None:
    made = call()
    assert made["changed"]
    assert made["made_of"].startswith("Engine 26.1.5, rules ")
    assert path.stat().st_mode & 0o777 == 0o644
    assert json.loads(path.read_text())["defaultAction"] == "SCMP_ACT_ERRNO"
    assert engine.running == []
    engine.asked.clear()
    assert not call()["changed"]
    assert len(engine.asked) == 1


def test_check_mode_starts_nothing_and_writes_nothing(call: Run, engine: Engine, path: Path) -> None:
    assert call(check=True)["changed"]
    assert len(engine.asked) == 1
    assert list(path.parent.iterdir()) == []
    call()
    assert not call(check=True)["changed"]


def test_another_engine_and_other_rules_make_it_anew(
    call: Run, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    call()
    engine.version = "27.0.0"
    assert call()["diff"]["before"].startswith("Engine 26.1.5")
    monkeypatch.setattr(module, "fingerprint", lambda: "00000000")
    assert call()["changed"]


def test_a_run_that_was_cut_off_before_its_record_begins_anew(call: Run, engine: Engine, path: Path) -> None:
    call()
    Path(f"{path}.made-of").unlink()
    assert call()["changed"]
    path.unlink()
    assert call()["changed"]


@pytest.mark.parametrize(
    ("profile", "sentence"),
    [
        (None, "this engine runs containers without seccomp"),
        ({"defaultAction": "SCMP_ACT_ALLOW"}, "its default action is 'SCMP_ACT_ALLOW'"),
    ],
)
def test_what_cannot_be_narrowed_is_a_sentence_and_leaves_no_container(
    call: Run, engine: Engine, path: Path, profile: Any, sentence: str
) -> None:
    engine.profile = profile
    failed = call()
    assert failed["failed"]
    assert f"the seccomp profile cannot be created: {sentence}" in failed["msg"]
    assert engine.running == []
    assert not path.exists()
