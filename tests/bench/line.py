"""One line of the table: what was measured, against what, in how many rounds, and whether the aim is reached. Pure."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Sequence


class BenchError(Exception):
    """Something that a measurement rests on is not as it should be; the text is a sentence."""


@dataclasses.dataclass(frozen=True)
class Line:
    """A measurement. `aim` bounds the ratio of the medians, or the median itself where there is no `theirs`.

    `unit` is that of both; `note` says what is not as in production, such as containers that sleep.
    """

    number: str
    what: str
    against: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    aim: float | None
    unit: str = "s"
    note: str = ""

    @property
    def value(self) -> float:
        """The median of ours."""
        return statistics.median(self.ours)

    @property
    def base(self) -> float | None:
        """The median of theirs; None where nothing stands against ours."""
        return statistics.median(self.theirs) if self.theirs else None

    @property
    def ratio(self) -> float | None:
        """Ours by theirs; None where nothing stands against ours."""
        return None if self.base is None else self.value / self.base

    @property
    def figure(self) -> float:
        """What the aim bounds."""
        return self.value if self.ratio is None else self.ratio

    @property
    def reached(self) -> bool | None:
        """Whether the aim is reached; None where there is none."""
        return None if self.aim is None else self.figure <= self.aim


def interleaved(rounds: int, *works: Callable[[], float]) -> tuple[tuple[float, ...], ...]:
    """Do all `works` in turn, so many times, so that what else the machine does meets all of them; what each gave."""
    if rounds < 1:
        raise BenchError(f"{rounds} rounds measure nothing; it must be 1 or more")
    found = [[work() for work in works] for _round in range(rounds)]
    return tuple(zip(*found, strict=True))


def fastest(alternatives: dict[str, Sequence[float]]) -> tuple[str, tuple[float, ...]]:
    """The alternative with the lowest median, by name; of equals the first."""
    name = min(alternatives, key=lambda one: statistics.median(alternatives[one]))
    return name, tuple(alternatives[name])
