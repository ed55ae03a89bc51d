"""The one way to run a tool: arguments in, code and text out. Tests replace it with recorded sessions."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .common import bounded_json
from .common.process import Completed

__all__ = ["CommandError", "Completed", "Runner", "module_runner", "run", "run_json"]

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


Runner = Callable[[Sequence[str]], Completed]
"""Runs a list of arguments with C(LC_ALL=C) and without a shell; raises CommandError if the tool is missing."""


class CommandError(Exception):
    """A command failed, or its output cannot be parsed; the text names command, code and output."""

    def __init__(self, argv: Sequence[str], completed: Completed, reason: str = "failed") -> None:
        """Keep the command and its result."""
        text = (completed.err or completed.out).strip() or "no output"
        super().__init__(f"'{shlex.join(argv)}' {reason} (code {completed.rc}): {text[:500]}")
        self.argv = tuple(argv)
        self.completed = completed


def run(runner: Runner, argv: Sequence[str]) -> str:
    """Return the output of a command; raises CommandError when its code is not 0."""
    completed = runner(argv)
    if completed.rc != 0:
        raise CommandError(argv, completed)
    return completed.out


def run_json(runner: Runner, argv: Sequence[str]) -> Any:
    """Return the JSON that a command printed; raises CommandError for a code other than 0 and for other text."""
    completed = runner(argv)
    if completed.rc != 0:
        raise CommandError(argv, completed)
    try:
        return bounded_json.parse(completed.out)
    except ValueError as error:
        raise CommandError(argv, completed, "printed no JSON") from error


def module_runner(module: AnsibleModule) -> Runner:
    """Return a runner that uses the module's `run_command`; it also finds tools in C(/usr/sbin) if PATH lacks it."""

    def runner(argv: Sequence[str]) -> Completed:
        tool = module.get_bin_path(argv[0])
        if tool is None:
            raise CommandError(argv, Completed(127, err=f"{argv[0]} is not installed on this host"))
        return Completed(*module.run_command([tool, *argv[1:]], environ_update={"LC_ALL": "C"}))

    return runner
