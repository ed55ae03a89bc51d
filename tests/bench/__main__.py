"""Command line of the benchmark: `python -m tests.bench [--only 2,3] [--rounds 5] [--scale 1,15,50,100,200]`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from . import adding, born, counting, learning, living, many, place, routing, several, table
from .line import BenchError, Line
from .stubs import Stubs

RESULTS = place.ROOT / ".cache" / "bench"
NUMBERS = (
    *adding.NUMBERS,
    *living.NUMBERS,
    *born.NUMBERS,
    *counting.NUMBERS,
    *learning.NUMBERS,
    *many.NUMBERS,
    *routing.NUMBERS,
    *several.NUMBERS,
)
SIZES = (1, 15, 50, 100, 200)


def numbers(text: str) -> frozenset[str]:
    """The lines of a list such as 2,3; raises ArgumentTypeError."""
    wanted = frozenset(filter(None, text.split(",")))
    if unknown := sorted(wanted - set(NUMBERS)):
        known = ", ".join(sorted(NUMBERS, key=int))
        raise argparse.ArgumentTypeError(f"there is no line {', '.join(unknown)}; there are {known}")
    return wanted


def sizes(text: str) -> tuple[int, ...]:
    """The numbers of tenants of a list such as 1,15,50, in rising order; raises ArgumentTypeError."""
    try:
        found = sorted({int(word) for word in text.split(",") if word})
    except ValueError:
        found = [0]
    if any(not 1 <= count <= 500 for count in found):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers from 1 to 500, such as 1,15,50")
    return tuple(found)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    every = frozenset(NUMBERS)
    parser.add_argument("--only", type=numbers, default=every, metavar="LINES", help="such as 2,3; all without it")
    parser.add_argument("--rounds", type=int, default=5, help="of each line; those that take minutes have fewer")
    parser.add_argument(
        "--scale", type=sizes, default=None, metavar="COUNTS", help="tenants at which growth is looked at"
    )
    parser.add_argument("--keep", action="store_true", help="leave the lab as it is, for the next run or for a look")
    return parser


Work = Callable[[], Iterator[Line]]


def works(where: place.Place, rounds: int, wanted: frozenset[str], grown: Callable[[Stubs, int], None]) -> list[Work]:
    """All that is measured, in an order in which the stubs only ever become more."""
    stubs = Stubs(where)

    def at(count: int, work: Work) -> Work:
        def done() -> Iterator[Line]:
            grown(stubs, count)
            yield from work()

        return done

    found: list[Work] = [
        lambda: adding.lines(where, rounds, wanted),
        lambda: living.lines(where, rounds, wanted),
        lambda: born.lines(where, rounds, wanted),
        lambda: counting.lines(where, rounds, wanted),
        lambda: learning.lines(where, rounds, wanted),
        lambda: several.lines(where, rounds, wanted),
    ]
    found += [at(count, lambda: iter(())) for count in (1, 15)]
    if "4" in wanted:
        found.append(lambda: many.plain(stubs))
    found.append(at(50, lambda: iter(())))
    if wanted & {"2", "3"}:
        found.append(lambda: many.idle(stubs, rounds, wanted))
    if "6" in wanted:
        found.append(lambda: many.change(stubs, rounds))
    found.append(at(100, lambda: iter(())))
    for number, work in (("13", many.memory), ("11", routing.requests), ("12", routing.arrival)):
        if number in wanted:
            found.append(partial(work, stubs, rounds))
    found.append(at(200, lambda: iter(())))
    return found


def measured(where: place.Place, options: argparse.Namespace) -> tuple[list[Line], list[dict[str, float]], list[str]]:
    """Everything that is wanted; what fails is told, and keeps nothing else from being measured."""
    lines: list[Line] = []
    scale: list[dict[str, float]] = []
    problems: list[str] = []
    left = set(options.scale)

    def grown(stubs: Stubs, count: int) -> None:
        for size in sorted(left):
            if size <= count:
                left.discard(size)
                print(f"bench  {size} tenants ...", flush=True)
                scale.append(many.scale(stubs, size))

    for work in works(where, options.rounds, options.only, grown):
        try:
            for line in work():
                lines.append(line)
                print(f"bench  {' | '.join(table.row(line))}", flush=True)
        except (BenchError, OSError, ValueError) as error:
            problems.append(str(error))
            print(f"bench  {error}", file=sys.stderr, flush=True)
    return lines, scale, problems


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table and keep it with its JSON in .cache/bench; the exit code, 1 where something failed."""
    options = _parser().parse_args(arguments)
    if options.scale is None:
        options.scale = SIZES if options.only == frozenset(NUMBERS) else ()
    try:
        with tempfile.TemporaryDirectory(prefix="silo-bench-") as work:
            where = place.set_up(Path(work))
            machine = where.machine()
            lines, scale, problems = measured(where, options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        if not options.keep:
            place.remove_lab()
    lines.sort(key=lambda line: (int(line.number.rstrip("bcd")), line.number))
    about = ", ".join(f"{key} {value}" for key, value in machine.items())
    text = "\n\n".join(filter(None, (f"Machine: {about}.", table.markdown(lines), table.scale_table(scale)))) + "\n"
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "table.md").write_text(text)
    (RESULTS / "result.json").write_text(table.as_json(machine, lines, scale))
    print(f"\n{text}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
