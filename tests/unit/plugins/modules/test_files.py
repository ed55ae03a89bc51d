"""Directories and files of a role in one call: made, compared, checked, and nothing where nothing differs."""

from __future__ import annotations

import base64
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.swissphoto.silo.plugins.modules import files as module

Call = Callable[..., dict[str, Any]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Call:
    (tmp_path / "scratch").mkdir()

    def run(*entries: dict[str, Any], check: bool = False) -> dict[str, Any]:
        # Who runs the tests may be anybody.
        who = {"owner": str(os.getuid()), "group": str(os.getgid())}
        arguments = {
            "files": [{**who, **entry, "path": str(entry["path"])} for entry in entries],
            "_ansible_check_mode": check,
            "_ansible_remote_tmp": str(tmp_path / "scratch"),
        }
        with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
            module.main()
        answer: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert bool(ended.value.code) == bool(answer.get("failed"))
        return answer

    return run


def mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):04o}"


def test_all_are_made_in_one_call_and_the_next_changes_nothing(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    entries = (
        {"path": folder, "state": "directory", "mode": "0711"},
        {"path": folder / "text", "content": "Zürich\n"},
        {"path": folder / "key", "content": "secret", "mode": "0400"},
        {"path": folder / "program", "content_base64": base64.b64encode(b"\xff\x00").decode(), "mode": "0755"},
        {"path": folder / "old", "state": "absent"},
    )
    planned = call(*entries, check=True)
    assert not (tmp_path / "a").exists()
    done = call(*entries)
    paths = [str(folder.parent), str(folder), *(f"{folder}/{name}" for name in ("text", "key", "program"))]
    assert (done["changed"], done["paths"]) == (planned["changed"], planned["paths"]) == (True, paths)
    assert (folder / "text").read_text() == "Zürich\n"
    assert (folder / "program").read_bytes() == b"\xff\x00"
    modes = [mode(path) for path in (folder.parent, folder, *(folder / name for name in ("text", "key", "program")))]
    assert modes == ["0711", "0711", "0644", "0400", "0755"]
    assert [call(*entries, check=check)["changed"] for check in (False, True)] == [False, False]


def test_directories_are_open_also_where_the_umask_is_not(call: Call, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        call({"path": tmp_path / "a" / "b", "state": "directory"}, {"path": tmp_path / "a" / "c", "content": ""})
    finally:
        os.umask(before)
    assert [mode(tmp_path / "a" / name) for name in (".", "b", "c")] == ["0755", "0755", "0644"]


def test_what_differs_is_shown_and_put_right(call: Call, tmp_path: Path) -> None:
    text, link, folder = tmp_path / "text", tmp_path / "link", tmp_path / "folder"
    text.write_text("old\n")
    (tmp_path / "elsewhere").write_text("same\n")
    link.symlink_to("elsewhere")
    folder.mkdir(mode=0o700)
    answer = call(
        {"path": text, "content": "new\n"},
        {"path": link, "content": "same\n"},
        {"path": folder, "state": "directory"},
    )
    assert answer["paths"] == [str(text), str(link), str(folder)]
    header = {"before_header": str(text), "after_header": str(text)}
    assert answer["diff"][0] == {**header, "before": "old\n", "after": "new\n"}
    assert answer["diff"][2]["before"]["mode"] == "0700"
    assert (text.read_text(), link.is_symlink(), mode(folder)) == ("new\n", False, "0755")


def test_what_is_too_much_is_gone(call: Call, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old\n")
    entry = {"path": tmp_path / "old", "state": "absent"}
    assert call(entry, check=True)["paths"] == [str(tmp_path / "old")]
    assert (tmp_path / "old").exists()
    assert call(entry)["paths"] == [str(tmp_path / "old")]
    assert not (tmp_path / "old").exists()
    assert not call(entry)["changed"]


def test_a_file_that_is_refused_stays_as_it_was(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text("right\n")
    entry = {"path": path, "content": "wrong\n", "validate": "grep --quiet right %s"}
    assert call(entry)["msg"] == f"{path} was not changed, because its new content is invalid: "
    assert path.read_text() == "right\n"
    assert call({**entry, "content": "right as well\n"})["changed"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"path": "{}/folder", "content": "x"}, "{}/folder is a directory, and should be a file"),
        ({"path": "{}/folder", "state": "absent"}, "{}/folder is a directory; this module removes files only"),
        ({"path": "{}/file", "state": "directory"}, "{}/file exists, and is not a directory"),
        ({"path": "{}/file/below", "state": "directory"}, "{}/file/below: not a directory"),
        ({"path": "{}/none", "content": "x", "content_base64": "eA=="}, "parameters are mutually exclusive"),
        ({"path": "{}/none"}, "state is file but any of the following are missing: content, content_base64"),
    ],
)
def test_what_cannot_be_is_a_sentence(call: Call, tmp_path: Path, entry: dict[str, str], said: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("a file\n")
    answer = call({**entry, "path": entry["path"].format(tmp_path)})
    assert answer["msg"].startswith(said.format(tmp_path)), answer["msg"]
    assert (tmp_path / "file").read_text() == "a file\n"


def test_what_is_no_text_or_long_is_not_shown(call: Call, tmp_path: Path) -> None:
    answer = call(
        {"path": tmp_path / "zip", "content_base64": base64.b64encode(b"\xff").decode()},
        {"path": tmp_path / "long", "content": "x" * (module.MAX_SHOWN + 1)},
    )
    assert [diff["after"] for diff in answer["diff"]] == [
        "a binary file of 1 bytes\n",
        f"a file of {module.MAX_SHOWN + 1} bytes\n",
    ]
