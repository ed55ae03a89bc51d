"""The errors of an Ansible run, parsed from its output in the format that ansible.cfg sets."""

from __future__ import annotations

import itertools
import re
import textwrap
import typing as t

import yaml

_FAILED = re.compile(
    r"(?:(?:fatal|failed): \[(?P<host>[^\]]+)\]|(?P<only>[\w.-]+) \| (?:FAILED|UNREACHABLE)!).*?=> ?(?P<result>\{.*)?"
)
_TASK = re.compile(r"TASK \[(.*)\] \**")
_EARLY = ("[ERROR]:", "ERROR!")


def errors(output: str) -> list[str]:
    """Return a line for each failed task: host, task and message; without failures that the play ignores.

    If no task failed, return the errors that ended the run, for instance a syntax error.
    """
    lines, found, task = output.splitlines(), list[str](), ""
    for number, line in enumerate(lines, start=1):
        if match := _TASK.fullmatch(line):
            task = match[1]
        elif match := _FAILED.fullmatch(line):
            rest = itertools.islice(lines, number, None)
            block = list(itertools.takewhile(lambda one: one.startswith("    ") or not one.strip(), rest))
            if "...ignoring" not in itertools.islice(lines, number + len(block), number + len(block) + 1):
                where = ", ".join(filter(None, (match["host"] or match["only"], task)))
                found.append(f"fatal: [{where}]: {_message(match['result'] or chr(10).join(block))}")
    return found or [line for line in lines if line.startswith(_EARLY)]


def _message(result: str) -> str:
    """Return the message of a result, with the output of a failed command, in one line."""
    try:
        values: t.Any = yaml.safe_load(textwrap.dedent(result))
    except yaml.YAMLError:
        values = None
    if not isinstance(values, dict):
        return " ".join(result.split())
    parts = [values.get("msg") or values.get("censored") or "it does not say why"]
    if "rc" in values:
        parts.append(values.get("stderr") or values.get("stdout") or "")
    return " ".join(" ".join(map(str, parts)).split()).removeprefix("Task failed: ")
