"""A failed test on one screen: its actions, the expectation, the observation, and the file with the full report."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Sequence

from .ansible_errors import errors
from .record import Action

WIDTH = 160
INDENT = 10
DONE_LINES = 10
EXPECTED_LINES = 3
SEEN_LINES = 10
LONGEST_REASON = 600
REASON_LINES = 6  # of a command's output, whose end mostly says why
LONGEST_COMMAND = 90  # where a note stands behind it


@dataclasses.dataclass(frozen=True)
class Failure:
    """The facts about a failed test, without secrets but not yet safe to print."""

    test: str
    description: str
    left_out: int
    actions: Sequence[Action]
    statement: str
    message: str
    place: str

    @property
    def reason(self) -> str:
        """The failure in one line; of a failed command with the end of its output."""
        first, *rest = _message_lines(self.message)
        told = rest[:1] if errors(self.message) else rest[-REASON_LINES:] if first.endswith(":") else []
        return _fit(" ".join(" ".join((first, *told)).split()), LONGEST_REASON)

    def screen(self, file: str) -> str:
        """Return at most 28 printable lines of at most 160 characters."""
        lines = [self.test, *(f"    {line}" for line in self.description.splitlines()[:1])]
        lines += _block("done", list(_done(self.left_out, self.actions)) or ["nothing that is recorded"])
        lines += _block("expected", _cut(_expected(self.statement), EXPECTED_LINES))
        lines += _block("seen", _cut(_message_lines(self.message), SEEN_LINES))
        lines += _block("where", [self.place])
        # A shortened path would be useless.
        return "\n".join([*(_fit(line, WIDTH) for line in lines), *_block("all of it", [printable(file)])])


def printable(text: str) -> str:
    """Return a line with its control and formatting characters escaped, so that a terminal does not obey them."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text.expandtabs())


def full(failure: Failure, traceback: str, sections: Sequence[tuple[str, str]]) -> str:
    """Return the full report: each action with its output, the traceback, and the output that pytest captured."""
    done = "\n".join(f"{_line(action)}\n{action.output}" for action in failure.actions)
    parts = [("done", done), ("traceback", traceback), *sections]
    text = "\n\n".join(f"{title}\n{'=' * len(title)}\n{body}" for title, body in parts)
    return "".join(f"{printable(line)}\n" for line in f"{failure.test}\n\n{text}".splitlines())


def _message_lines(text: str) -> list[str]:
    """Return the lines of a message; of an Ansible run only the first line and the errors."""
    lines = [line for line in text.splitlines() if line.strip()] or ["it does not say why"]
    return [lines[0], *found] if (found := errors(text)) else lines


def _expected(statement: str) -> list[str]:
    """Return the assertion. Of any other statement the expectation is that it raises nothing."""
    lines = textwrap.dedent(statement).splitlines()
    if not lines or lines[0].startswith(("raise ", "pytest.fail(")):
        return ["no error"]
    return lines if lines[0].startswith("assert ") else ["no error from", *lines]


def _done(left_out: int, actions: Sequence[Action]) -> Iterator[str]:
    earlier = left_out + max(0, len(actions) - DONE_LINES)
    if earlier:
        yield f"({earlier} more before)"
    for action in actions[-DONE_LINES:]:
        yield _fit(_line(action, LONGEST_COMMAND), WIDTH - INDENT)


def _line(action: Action, longest: int | None = None) -> str:
    times = f"{action.times} times " if action.times > 1 else ""
    what = " ".join(f"{times}{action.actor}: {action.what}".split())
    if action.note:
        what = f"{_fit(what, longest) if longest else what} | {action.note}"
    return f"{action.seconds:6.1f} s  {action.result:<4} {what}"


def _block(title: str, lines: Sequence[str]) -> list[str]:
    return [f"{'' if number else title:<{INDENT}}{line}" for number, line in enumerate(lines)]


def _cut(lines: Sequence[str], limit: int) -> list[str]:
    """Shorten a list of lines in the middle."""
    if len(lines) <= limit:
        return list(lines)
    last = limit // 3
    first = limit - last - 1
    return [*lines[:first], f"({len(lines) - first - last} lines are left out)", *lines[len(lines) - last :]]


def _fit(line: str, width: int) -> str:
    """Shorten a line in the middle."""
    plain = printable(line)
    if len(plain) <= width:
        return plain
    last = width // 3
    return f"{plain[: width - last - 5]} ... {plain[len(plain) - last :]}"
