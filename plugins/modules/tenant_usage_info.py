#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_usage_info
short_description: Read the usage of each tenant of a server
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Reads memory, CPU, disks, network, database and requests of all tenants of a server in one call.
  - Reads the usage of containers from the kernel's control groups, v2 or v1, not from the engine.
  - Includes tenants that are in no inventory, if they have a container or a folder.
  - A value that cannot be read in time is null; a tenant that hangs does not affect the others.
extends_documentation_fragment:
  - swissphoto.silo.reads
  - swissphoto.silo.tenants
options:
  metrics_port:
    description: The port of Traefik's metrics on the loopback interface.
    type: int
    default: 8082
  interval:
    description: How long to measure CPU, in seconds, for all containers at once; 0 for not at all.
    type: float
    default: 1.0
  seconds:
    description: How long a query to one tenant's database, or the count of one tenant's disk, may take.
    type: int
    default: 5
seealso:
  - module: swissphoto.silo.tenant_stacks_info
  - module: swissphoto.silo.storage_quota_info
"""

EXAMPLES = r"""
- name: Read the usage of every tenant
  swissphoto.silo.tenant_usage_info:
    directory: /srv/silo/tenants
  register: usage
"""

RETURN = r"""
tenants:
  description: Tenant to its services, its database, and its folders on the server's disk.
  returned: always
  type: dict
  sample:
    hans:
      services:
        server:
          state: running
          health: healthy
          identity: 3f4e5d6c7b8a
          started: "2026-11-23T16:57:05.123456789Z"
          restarts: 0
          group:
            memory_bytes: 94371840
            anonymous_bytes: 73400320
            memory_limit_bytes: 1073741824
            memory_limit_events: 0
            oom_kills: 0
            cpu_seconds: 71.25
            disk_read_bytes: 12345678
            disk_written_bytes: 23456789
            processes: 23
            at: 4711.5
          network:
            received_bytes: 3456789
            sent_bytes: 4567890
          cpu_cores: 0.0312
      database:
        size_bytes: 12345678
        photos: 1204
        videos: 31
        users: 2
        last_login: 1795500000
      disk:
        database_bytes: 98765432
        backups_bytes: 4096
        queue_bytes: 8192
      slice: null
      burst_bytes: 0
metrics:
  description:
    - The lines of Traefik's metrics, in Prometheus' text format, that count requests and bytes of tenants' routers.
    - They count since C(process_start_time_seconds). The counts of a router disappear with it, for example when a
      tenant is stopped.
    - Null if they cannot be read.
  returned: always
  type: str
metrics_problem:
  description: Why RV(metrics) is null; empty if it is not.
  returned: always
  type: str
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.common import metrics
from ..module_utils.tenant.stack import StackError
from ..module_utils.usage import collector

ARGUMENTS = {
    "directory": {"type": "path", "required": True},
    "metrics_port": {"type": "int", "default": 8082},
    "interval": {"type": "float", "default": 1.0},
    "seconds": {"type": "int", "default": 5},
}
MOST_SECONDS = 60


def _served(port: int) -> dict[str, str | None]:
    try:
        return {"metrics": metrics.read(port), "metrics_problem": ""}
    except metrics.MetricsError as error:
        return {"metrics": None, "metrics_problem": str(error)}


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    values = module.params
    if not 0 <= values["interval"] <= MOST_SECONDS:
        module.fail_json(msg=f"interval is {values['interval']}; it must be 0 to {MOST_SECONDS} seconds")
    if not 0 < values["seconds"] <= MOST_SECONDS:
        module.fail_json(msg=f"seconds is {values['seconds']}; it must be 1 to {MOST_SECONDS}")
    try:
        tenants = collector.read(Path(values["directory"]), values["interval"], values["seconds"])
    except (StackError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, tenants=collector.as_facts(tenants), **_served(values["metrics_port"]))


if __name__ == "__main__":
    main()
