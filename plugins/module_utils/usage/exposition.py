# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ledger's numbers in the format of node-exporter's text files.

The tenant's name is the only label, but of states and of mounts.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping


@dataclasses.dataclass(frozen=True)
class Metric:
    """A metric's kind, `gauge` or `counter`, and its meaning."""

    kind: str
    help: str


METRICS: Mapping[str, Metric] = {
    "silo_tenant_memory_bytes": Metric("gauge", "Memory in use, without cache that can be dropped."),
    "silo_tenant_memory_anonymous_bytes": Metric("gauge", "Memory that belongs to no file."),
    "silo_tenant_memory_limit_bytes": Metric("gauge", "The sum of the limits of a tenant's containers."),
    "silo_tenant_memory_burst_bytes": Metric("gauge", "The part of that sum that is lent beyond what was promised."),
    "silo_tenant_processes": Metric("gauge", "Processes and threads."),
    "silo_tenant_storage_bytes": Metric("gauge", "Bytes that count against the quota."),
    "silo_tenant_storage_limit_bytes": Metric("gauge", "The quota."),
    "silo_tenant_disk_bytes": Metric("gauge", "Bytes that count against the limit on the server's disk."),
    "silo_tenant_disk_limit_bytes": Metric("gauge", "That limit."),
    "silo_tenant_disk_inodes": Metric("gauge", "Files and directories there, where they are limited."),
    "silo_tenant_disk_limit_inodes": Metric("gauge", "The limit of these."),
    "silo_tenant_database_bytes": Metric("gauge", "Bytes of disk below the folder of the database."),
    "silo_tenant_healthy": Metric("gauge", "Whether all containers run and are healthy."),
    "silo_tenant_state": Metric("gauge", "Whether the tenant should be in this state."),
    "silo_tenant_memory_limit_events_total": Metric("counter", "How often a container reached its memory limit."),
    "silo_tenant_oom_kills_total": Metric("counter", "Processes that were killed for memory."),
    "silo_tenant_cpu_seconds_total": Metric("counter", "CPU time."),
    "silo_tenant_disk_read_bytes_total": Metric("counter", "Bytes read from the server's disks."),
    "silo_tenant_disk_written_bytes_total": Metric("counter", "Bytes written to the server's disks."),
    "silo_tenant_network_received_bytes_total": Metric("counter", "Bytes that the containers received."),
    "silo_tenant_network_sent_bytes_total": Metric("counter", "Bytes that the containers sent."),
    "silo_tenant_restarts_total": Metric("counter", "Containers that ended and were started again."),
    "silo_tenant_requests_total": Metric("counter", "Requests that Traefik answered."),
    "silo_tenant_requests_bytes_total": Metric("counter", "Bytes of the bodies of those requests."),
    "silo_tenant_responses_bytes_total": Metric("counter", "Bytes of the bodies of the answers."),
    "silo_storage_size_bytes": Metric("gauge", "The file system on which the tenants' uploads lie."),
    "silo_storage_free_bytes": Metric("gauge", "Bytes of it that can still be written."),
    "silo_storage_promised_bytes": Metric("gauge", "The sum of all quotas on it."),
    "silo_disk_size_bytes": Metric("gauge", "The server's disk for its tenants."),
    "silo_disk_free_bytes": Metric("gauge", "Bytes of it that can still be written."),
    "silo_disk_promised_bytes": Metric("gauge", "The sum of all limits on it."),
    "silo_tenants_mount": Metric("gauge", "A file system of tenants is mounted there, with alerts of its own."),
    "silo_burst_pool_bytes": Metric("gauge", "Memory of the server that nobody was promised, lent or not."),
    "silo_accounting_look_timestamp_seconds": Metric("gauge", "When the collector last looked."),
    "silo_accounting_look_seconds": Metric("gauge", "How long that took."),
    "silo_accounting_problems": Metric("gauge", "How much of the last look could not be read."),
}


class Sample(t.NamedTuple):
    """One number, and its `labels`, which are names of silo itself, or paths."""

    name: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


def render(samples: Iterable[Sample]) -> str:
    """Return `samples` in Prometheus' text format, grouped by name, with kind and meaning of each name."""
    lines: dict[str, list[str]] = {name: [] for name in METRICS}
    for sample in samples:
        labels = ",".join(f'{key}="{_escaped(value)}"' for key, value in sample.labels)
        lines[sample.name].append(
            f"{sample.name}{{{labels}}} {sample.value}" if labels else f"{sample.name} {sample.value}"
        )
    blocks = (
        [f"# HELP {name} {METRICS[name].help}", f"# TYPE {name} {METRICS[name].kind}", *found]
        for name, found in lines.items()
        if found
    )
    return "".join(f"{line}\n" for block in blocks for line in block)


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
