# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The usage of a tenant in a period, in whole numbers, so that sums are exact."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Amounts:
    """Sums over a period; a `peak` is the highest value in it.

    `*_seconds` of a state: how long it was the desired state; `healthy_seconds`: how long all containers were healthy;
    `unseen_seconds`: time without a run of the collector, in which memory and health are unknown; `*_kib_seconds`: KiB
    times the seconds of their use, because bytes of a large NAS would not fit into SQLite's integers.
    """

    running_seconds: int = 0
    stopped_seconds: int = 0
    suspended_seconds: int = 0
    healthy_seconds: int = 0
    unseen_seconds: int = 0
    memory_kib_seconds: int = 0
    memory_peak_bytes: int = 0
    storage_kib_seconds: int = 0
    storage_peak_bytes: int = 0
    database_kib_seconds: int = 0
    cpu_microseconds: int = 0
    disk_read_bytes: int = 0
    disk_written_bytes: int = 0
    network_received_bytes: int = 0
    network_sent_bytes: int = 0
    memory_limit_events: int = 0
    oom_kills: int = 0
    restarts: int = 0
    requests: int = 0
    requests_bytes: int = 0
    responses_bytes: int = 0

    def __add__(self, other: Amounts) -> Amounts:
        """Return the usage of both periods."""
        return Amounts(
            *(
                max(mine, others) if "_peak_" in name else mine + others
                for name, mine, others in zip(NAMES, self.values(), other.values(), strict=True)
            )
        )

    def values(self) -> tuple[int, ...]:
        """Return the sums in the order of NAMES. dataclasses.astuple would copy each, in ten times the time."""
        return tuple(getattr(self, name) for name in NAMES)


NAMES = tuple(field.name for field in dataclasses.fields(Amounts))
NAMED = ", ".join(NAMES)
# Stands for all tenants: their sum, stored together with each run's amounts.
WHOLE = ""
STATES = ("running", "stopped", "suspended")
# Counters of a source, which restart at zero with it.
COUNTERS = (
    "cpu_microseconds",
    "disk_read_bytes",
    "disk_written_bytes",
    "network_received_bytes",
    "network_sent_bytes",
    "memory_limit_events",
    "oom_kills",
    "restarts",
    "requests",
    "requests_bytes",
    "responses_bytes",
)
