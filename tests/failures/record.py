"""The action log: commands, Ansible runs and requests of a test, in order. plugin.py shows it if the test fails.

It holds no secrets. Request bodies and standard input are not recorded, arguments that name a secret are masked, and
`without_secrets` masks the values of all vaults in any text that is shown.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shlex
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

ACTIONS = 100  # of a test; the last ones are kept
COMMAND_LENGTH = 4000
OUTPUT_LENGTH = 2**18  # characters of the output of an action; the end is kept
MASK = "***"
SHORTEST_SECRET = 8

_NAME = r"(?:password|passwd|passphrase|secret|token|api[_-]?key|_auth|authorization)"
_OPTION = re.compile(rf"-\S*{_NAME}", re.IGNORECASE)
# An argument that is a single assignment: its value may contain spaces.
_WHOLE = re.compile(rf"([\w.-]*{_NAME}=).+", re.IGNORECASE | re.DOTALL)
_BEFORE_WHOLE = (["-e"], ["--env"], ["--extra-vars"])
_VALUE = re.compile(
    rf"""({_NAME}["']?\s*[=:]\s*(?:bearer\s+)?)(?:"[^"]*"|'[^']*'|[^\s"',;&}}]+)""",
    re.IGNORECASE,
)
# One-time links, session headers, and fields of JSON that name a secret.
_ANYWHERE = re.compile(
    r"""(/silo/welcome/|bearer\s|(?:password|token|secret|api_?key)\\?"\s*:\s*\\?")[^\s"'\\<>]+""", re.IGNORECASE
)

Secrets = Mapping[str, str]


@dataclasses.dataclass
class Action:
    """A command, a run or a request, with its result. `times` counts equal actions in a row."""

    actor: str
    what: str
    result: str = ""
    note: str = ""
    output: str = ""
    seconds: float = 0.0
    times: int = 1

    def end(self, result: object, *outputs: str, note: str = "") -> None:
        """Set the result, such as an exit code, and keep the end of the output."""
        output = "\n".join(filter(None, outputs))
        left_out = len(output) - OUTPUT_LENGTH
        if left_out > 0:
            output = f"({left_out} characters are left out)\n{output[left_out:]}"
        self.result, self.output, self.note = str(result), output, note

    def is_like(self, other: Action) -> bool:
        """Whether both are the same action with the same result."""
        return (self.actor, self.what, self.result, self.note) == (other.actor, other.what, other.result, other.note)


class ActionLog:
    """The actions of the current test. It is safe to use from several threads."""

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._actions: deque[Action] = deque(maxlen=ACTIONS)
        self._count = 0
        self._sources: list[Callable[[], Secrets]] = []
        self._secrets: dict[str, str] = {}

    def begin(self) -> None:
        """Forget the actions of the previous test, but not its secrets."""
        with self._lock:
            self._actions.clear()
            self._count = 0

    @contextlib.contextmanager
    def action(self, actor: str, what: str) -> Iterator[Action]:
        """Record the action that the context runs. An exception is its result."""
        action, begun = Action(actor, _mask(what)[:COMMAND_LENGTH]), time.monotonic()
        try:
            yield action
            action.result = action.result or "ok"
        except BaseException as error:
            action.result = action.result or type(error).__name__
            raise
        finally:
            action.seconds = time.monotonic() - begun
            self._add(action)

    def _add(self, action: Action) -> None:
        with self._lock:
            if self._actions and self._actions[-1].is_like(action):
                action.times += self._actions[-1].times
                action.seconds += self._actions[-1].seconds
                self._actions[-1] = action
            else:
                self._actions.append(action)
                self._count += 1

    def actions(self) -> tuple[int, list[Action]]:
        """Return the number of actions that were dropped, and the others without secrets, the oldest first."""
        with self._lock:
            left_out, actions = self._count - len(self._actions), list(self._actions)
        mask = self.without_secrets
        return left_out, [
            dataclasses.replace(action, what=mask(action.what), note=mask(action.note), output=mask(action.output))
            for action in actions
        ]

    def hide(self, source: Callable[[], Secrets]) -> None:
        """Add a source of secrets, a function that returns description to value; `learn` calls it."""
        self._sources.append(source)

    def learn(self) -> None:
        """Read the sources. Their secrets stay known after a vault is deleted."""
        for source in self._sources:
            found = source()
            with self._lock:
                self._secrets.update({value: name for name, value in found.items() if len(value) >= SHORTEST_SECRET})

    def without_secrets(self, text: str) -> str:
        """Return `text` with each known secret, also a shortened one, replaced by its description."""
        for secret, name in list(self._secrets.items()):
            text = _without(text, secret, f"<{name}>")
        return _mask(text)


LOG = ActionLog()


def command_line(arguments: Sequence[object]) -> str:
    """Return a command as a person types it, with the values of arguments that name a secret masked."""
    shown: list[str] = []
    for argument in map(str, arguments):
        if shown and _OPTION.fullmatch(shown[-1]):
            shown.append(MASK)
        elif (match := _WHOLE.fullmatch(argument)) and (argument.startswith("-") or shown[-1:] in _BEFORE_WHOLE):
            shown.append(match[1] + MASK)
        else:
            shown.append(_VALUE.sub(rf"\g<1>{MASK}", argument))
    return shlex.join(shown)


def _mask(text: str) -> str:
    return _ANYWHERE.sub(rf"\g<1>{MASK}", text)


def _without(text: str, secret: str, name: str) -> str:
    # Pytest shortens long values, so that only the beginning or the end of a secret may be left.
    if secret[:SHORTEST_SECRET] not in text and secret[-SHORTEST_SECRET:] not in text:
        return text
    for length in range(len(secret), SHORTEST_SECRET - 1, -1):
        text = text.replace(secret[:length], name).replace(secret[-length:], name)
    return text
