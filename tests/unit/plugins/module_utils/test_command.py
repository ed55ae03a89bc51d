from __future__ import annotations

import pytest
from ansible_collections.swissphoto.silo.plugins.module_utils.command import (
    CommandError,
    Completed,
    module_runner,
    run,
    run_json,
)


class FakeModule:
    """The two methods of AnsibleModule that a runner uses."""

    def __init__(self, tool: str | None) -> None:
        self.tool = tool
        self.ran: list[tuple[list[str], dict[str, str]]] = []

    def get_bin_path(self, name: str) -> str | None:
        return self.tool

    def run_command(self, argv: list[str], environ_update: dict[str, str]) -> tuple[int, str, str]:
        self.ran.append((argv, environ_update))
        return 0, "out", ""


def test_runs_the_found_tool_in_the_language_of_machines() -> None:
    module = FakeModule("/usr/sbin/btrfs")
    assert run(module_runner(module), ["btrfs", "version"]) == "out"
    assert module.ran == [(["/usr/sbin/btrfs", "version"], {"LC_ALL": "C"})]


def test_a_missing_tool_is_named() -> None:
    with pytest.raises(CommandError, match="btrfs is not installed on this host"):
        run(module_runner(FakeModule(None)), ["btrfs", "version"])


def test_a_failure_shows_command_code_and_text() -> None:
    with pytest.raises(CommandError) as caught:
        run(lambda _: Completed(3, err="no such file\n"), ["ls", "a b"])
    assert str(caught.value) == "'ls 'a b'' failed (code 3): no such file"


def test_text_that_is_no_json_is_shown() -> None:
    with pytest.raises(CommandError, match=r"printed no JSON \(code 0\): oops"):
        run_json(lambda _: Completed(0, "oops"), ["x"])
    assert run_json(lambda _: Completed(0, "[1]"), ["x"]) == [1]
