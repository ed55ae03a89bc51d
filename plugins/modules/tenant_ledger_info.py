#!/usr/bin/python
# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tenant_ledger_info
short_description: Read the usage of each tenant on this host, day by day
version_added: 0.1.0
author:
  - SwissPhoto (@swissphoto)
description:
  - Reads the ledger of the role accounting, on a server or on a NAS. Days begin in the ledger's time zone.
extends_documentation_fragment: swissphoto.silo.reads
options:
  path:
    description: The ledger.
    type: path
    default: /var/lib/silo-accounting/ledger.db
  first_day:
    description: The first day, as V(2026-11-01).
    type: str
    required: true
  last_day:
    description: The last day.
    type: str
    required: true
  course_hours:
    description: RV(course) returns the usage of this many hours until now, in steps; 0 for none.
    type: int
    default: 0
  course_steps:
    description: The number of steps in these hours.
    type: int
    default: 24
seealso:
  - module: swissphoto.silo.tenant_usage_info
"""

EXAMPLES = r"""
- name: Read the usage of every tenant in November
  swissphoto.silo.tenant_ledger_info:
    first_day: "2026-11-01"
    last_day: "2026-11-30"
"""

RETURN = r"""
days:
  description:
    - Day to tenant to its usage on that day, without values of 0.
    - The empty name stands for all tenants, summed when they were counted.
  returned: always
  type: dict
  sample:
    "2026-11-23":
      hans:
        running_seconds: 86400
        healthy_seconds: 86400
        memory_kib_seconds: 8388608000
        memory_peak_bytes: 104857600
        storage_kib_seconds: 905969664000
        storage_peak_bytes: 10737418240
        cpu_microseconds: 71250000
        requests: 1204
        responses_bytes: 123456789
course:
  description: Tenant to number of a step, from 0, to its usage in it; a step without data is missing.
  returned: always
  type: dict
problem:
  description: Why there are no values, for example without a ledger; empty if there are.
  returned: always
  type: str
looked:
  description: The last run of the collector, in seconds since 1970; null if there was none.
  returned: always
  type: int
"""

import dataclasses
import datetime
import sqlite3
import time
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.usage import history
from ..module_utils.usage.amounts import Amounts

ARGUMENTS = {
    "path": {"type": "path", "default": "/var/lib/silo-accounting/ledger.db"},
    "first_day": {"type": "str", "required": True},
    "last_day": {"type": "str", "required": True},
    "course_hours": {"type": "int", "default": 0},
    "course_steps": {"type": "int", "default": 24},
}
MOST_STEPS = 1000


def _day(module: AnsibleModule, name: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(module.params[name])
    except ValueError:
        module.fail_json(msg=f"{name} is {module.params[name]!r}; it must be a day such as 2026-11-23")
        raise


def _plain(amounts: Amounts) -> dict[str, int]:
    return {name: value for name, value in dataclasses.asdict(amounts).items() if value}


def _days(found: history.Days) -> dict[str, dict[str, dict[str, int]]]:
    days: dict[str, dict[str, dict[str, int]]] = {}
    for (day, tenant), amounts in sorted(found.items()):
        days.setdefault(day, {})[tenant] = _plain(amounts)
    return days


def _course(database: sqlite3.Connection, hours: int, steps: int) -> dict[str, t.Any]:
    if hours == 0:
        return {}
    seconds = hours * 3600
    found = history.course(database, int(time.time()) - seconds, max(1, seconds // steps))
    return {tenant: {str(step): _plain(one) for step, one in sorted(parts.items())} for tenant, parts in found.items()}


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    values = module.params
    first, last = _day(module, "first_day"), _day(module, "last_day")
    if first > last:
        module.fail_json(msg=f"first_day is {first}, which is after last_day, {last}")
    if values["course_hours"] < 0 or not 0 < values["course_steps"] <= MOST_STEPS:
        module.fail_json(msg=f"course_hours must not be below 0, and course_steps be 1 to {MOST_STEPS}")
    found: dict[str, t.Any] = {"days": {}, "course": {}, "looked": None, "problem": ""}
    try:
        with history.opened(Path(values["path"])) as database:
            found["days"] = _days(history.days(database, first, last))
            found["course"] = _course(database, values["course_hours"], values["course_steps"])
            found["looked"] = history.looked(database)
    except (OSError, sqlite3.Error) as error:
        found["problem"] = f"the ledger cannot be read: {error}"
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
