# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Those lines of Traefik's metrics that tell what was served for tenants; who asked for them reads them."""

from __future__ import annotations

import http.client
import re
import time

SECONDS = 10
# Of the whole answer, of which most is about other things, and of what is kept of it.
READ_LIMIT = 64 * 1024**2
KEEP_LIMIT = 4 * 1024**2
LINE_LIMIT = 4096
LINE = re.compile(
    rb"process_start_time_seconds [^\n]+\n"
    rb"|traefik_router_(?:requests|requests_bytes|responses_bytes)_total\{"
    # All that is asked of a name passes its one router, and is counted there and at its part; what a tenant's photo
    # server asks of the machine learning is nothing that is served to the world.
    rb'[^\n]*router="tenant-[a-z][a-z0-9]{1,30}@file"[^\n]*\n'
)


class MetricsError(Exception):
    """What was served cannot be told; the text says why."""


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
        raise MetricsError(f"Traefik does not tell its metrics at port {port}: {error}") from error
    finally:
        connection.close()


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
