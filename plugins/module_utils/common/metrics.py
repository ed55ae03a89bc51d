# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Traefik's metrics of the tenants' routes: their names, and how to read them."""

from __future__ import annotations

import dataclasses
import http.client
import re
import time
from collections.abc import Sequence

from .names import TENANT

SECONDS = 10
# Limits of the whole answer, most of which is about other things, and of the lines that are kept.
READ_LIMIT = 64 * 1024**2
KEEP_LIMIT = 4 * 1024**2
LINE_LIMIT = 4096
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
_CODE = re.compile(r'\bcode="(\d+)"')


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
    """The value of one line: a counter of a tenant's route since Traefik started; `code` is the HTTP status."""

    counter: str
    tenant: str
    code: str
    value: int


class MetricsError(Exception):
    """The metrics cannot be read; the text says why."""


def read(port: int, limit: int = KEEP_LIMIT, line: re.Pattern[bytes] = LINE) -> str:
    """Return lines like `line`, at most `limit` bytes, from Traefik at `port` of the loopback; raises MetricsError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/metrics")
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise MetricsError(f"Traefik answers /metrics at port {port} with {response.status}")
        return _filter(response, limit, line)
    except (OSError, http.client.HTTPException) as error:
        raise MetricsError(f"Traefik does not return its metrics at port {port}: {error}") from error
    finally:
        connection.close()


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


def _filter(response: http.client.HTTPResponse, limit: int, wanted: re.Pattern[bytes]) -> str:
    kept, size, end = [], 0, time.monotonic() + SECONDS
    while line := response.readline(LINE_LIMIT):
        size += len(line)
        if size > READ_LIMIT or time.monotonic() > end:
            raise MetricsError(f"Traefik's metrics are more than can be read: {size} bytes in {SECONDS} s at most")
        if wanted.fullmatch(line):
            kept.append(line)
    if (kept_size := sum(map(len, kept))) > limit:
        raise MetricsError(f"Traefik's metrics of tenants are {kept_size} bytes; at most {limit} are taken")
    return b"".join(kept).decode(errors="replace")
