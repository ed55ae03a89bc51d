"""A machine that runs nothing: it answers from a table and keeps what it was asked."""

import shlex

import pytest

from tests.lab.command import Result, failure
from tests.lab.state import Directory


class RecordedMachine:
    """Answers each command by the first pattern that it starts with; an answer may be a list, one for each call."""

    def __init__(self, answers=None):
        self.answers = answers or {}
        self.calls = []
        self.sent = []

    def run(self, *argv, stdin=b"", env=None, check=True):
        self.calls.append(shlex.join(argv))
        self.sent.append(stdin)
        result = self._answer(self.calls[-1])
        if check and result.code != 0:
            raise failure(argv, result)
        return result

    def pipe(self, source, sink):
        self.calls.append(f"{shlex.join(source)} | {shlex.join(sink)}")
        return self._answer(self.calls[-1]).stdout

    def start(self, argv, log):
        self.calls.append(f"start {shlex.join(argv)}")

    def _answer(self, call):
        for pattern in sorted(self.answers, key=len, reverse=True):
            if call.startswith(pattern):
                answer = self.answers[pattern]
                if isinstance(answer, list):
                    answer = answer.pop(0) if len(answer) > 1 else answer[0]
                return answer if isinstance(answer, Result) else Result(0, answer, "")
        return Result(0, "", "")

    def asked(self, part):
        return [call for call in self.calls if part in call]


@pytest.fixture
def machine():
    return RecordedMachine()


@pytest.fixture
def directory(tmp_path):
    made = Directory(tmp_path / ".lab", "silo-lab")
    made.make()
    return made


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Time passes at once, so that a wait which never ends fails at once too."""
    now = iter(range(0, 10**9, 5))
    monkeypatch.setattr("tests.lab.progress.sleep", lambda _: None)
    monkeypatch.setattr("tests.lab.progress.monotonic", lambda: next(now))
