# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Traefik's metrics of the tenants' routes: their names, and how to read them."""

from __future__ import annotations

import dataclasses
import http
import re
from collections.abc import Iterable, Sequence

from . import http_client
from .names import TENANT

SECONDS = 10
# The limit of the whole answer, most of which is about other things. A tenant that does its worst behind Traefik's own
# bounds adds 3 MB to it.
READ_LIMIT = 256 * 1024**2
LINE_LIMIT = 4096
# How many statuses of a tenant's route are counted one by one; all further ones count as OTHER.
CODES = 64
OTHER = "other"
STARTED = "process_start_time_seconds"
REQUESTS, RECEIVED, SENT = COUNTERS = (
    "traefik_router_requests_total",
    "traefik_router_requests_bytes_total",
    "traefik_router_responses_bytes_total",
)
LEARNING = "-ml"
"""The part of a tenant's routes through which its photo server reaches the machine learning."""
_STARTED = re.compile(rf"^{STARTED} ([0-9.e+]+)$", re.MULTILINE)
_COUNT = re.compile(r"^(traefik_router_\w+)\{(.*)\} ([0-9.e+]+)$", re.MULTILINE)
_CODE = re.compile(r'\bcode="(\w+)"')
_LINE = re.compile(rb'(\w+)\{[^\n]*\bcode="(\w{1,16})"[^\n]*\brouter="([^"\n]+)"[^\n]*\} ([0-9.e+]+)\n')


def router(tenant: str, part: str = "") -> str:
    """Return the name of a tenant's route, or of a part of it such as LEARNING; Traefik appends `@file`."""
    return f"tenant-{tenant}{part}"


def lines(part: str = "", counters: Sequence[str] = COUNTERS) -> re.Pattern[bytes]:
    """Return the pattern of a line that counts for the routes of this part, or has Traefik's start time."""
    names = "|".join(counters)
    return re.compile(rf'{STARTED} [^\n]+\n|(?:{names})\{{[^\n]*router="{router(TENANT, part)}@file"[^\n]*\n'.encode())


# Every request to a host name passes its one router, and counts there and at the router of its part. Requests of a
# photo server to the machine learning do not count here, because they serve no customer.
LINE = lines()


@dataclasses.dataclass(frozen=True)
class Count:
    """A counter of a tenant's route since Traefik started; `code` is the HTTP status, or OTHER."""

    counter: str
    tenant: str
    code: str
    value: int


class MetricsError(Exception):
    """The metrics cannot be read; the text says why."""


def read(port: int, line: re.Pattern[bytes] = LINE) -> str:
    """Return what lines like `line` count, from Traefik at `port` of the loopback; raises MetricsError.

    One line for each counter, route and status, in Prometheus' text format: clients choose the other labels, methods
    for example. So no tenant can make the text of others too long.
    """
    url = f"http://127.0.0.1:{port}/metrics"
    try:
        with http_client.opened(url, seconds=SECONDS, largest=READ_LIMIT) as stream:
            if stream.status != http.HTTPStatus.OK:
                raise MetricsError(f"Traefik answers /metrics at port {port} with {stream.status}")
            return _sums(stream.lines(LINE_LIMIT), line)
    except http_client.HttpError as error:
        raise MetricsError(f"Traefik does not return its metrics at port {port}: {error}") from error


def parse(text: str, part: str = "") -> tuple[float, list[Count]]:
    """Return Traefik's start time, in seconds since 1970, and the counts of the tenants' routes of this part.

    Raises ValueError if the start time is missing, or a value is not a number.
    """
    started = _STARTED.search(text)
    if started is None:
        raise ValueError("Traefik's metrics have no start time, so its requests cannot be counted")
    name = re.compile(rf'\brouter="{router(f"({TENANT})", part)}@file"')
    counts = []
    for counter, labels, value in _COUNT.findall(text):
        if route := name.search(labels):
            code = _CODE.search(labels)
            counts.append(Count(counter, route[1], code[1] if code else "", _whole(value)))
    return float(started[1]), counts


def _whole(number: str) -> int:
    try:
        return int(float(number))
    except OverflowError as error:
        raise ValueError(f"Traefik counts {number}, which is no count") from error


def _sums(found_lines: Iterable[bytes], wanted: re.Pattern[bytes]) -> str:
    started, size = "", 0
    sums: dict[tuple[str, str], dict[str, int]] = {}
    for line in found_lines:
        size += len(line)
        if size > READ_LIMIT:
            raise MetricsError(f"Traefik's metrics are more than can be read: {READ_LIMIT} bytes at most")
        if not wanted.fullmatch(line):
            continue
        if found := _LINE.fullmatch(line):
            counter, code, route, value = (part.decode() for part in found.groups())
            _add(sums.setdefault((counter, route), {}), code, value)
        elif line.startswith(STARTED.encode()):
            started = line.decode()
    return started + "".join(
        f'{counter}{{code="{code}",router="{route}"}} {value}\n'
        for (counter, route), codes in sums.items()
        for code, value in codes.items()
    )


def _add(codes: dict[str, int], code: str, value: str) -> None:
    try:
        number = _whole(value)
    except ValueError as error:
        raise MetricsError(str(error)) from error
    if code not in codes and len(codes) >= CODES:
        code = OTHER
    codes[code] = codes.get(code, 0) + number
