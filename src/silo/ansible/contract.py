"""What playbooks and Python agree on: the names of tasks that Python looks at, and the tags of the playbook that reads.

A task is named `MARKS | Sentence`, where MARKS are words: `silo:<id>` where Python reads the result of the task, and
`quiet` where nobody waits for it, so that no progress is shown. A role's own name comes before, from Ansible. The name
is all that an event says of a task before it has run; its tags are in no event.
"""

from __future__ import annotations

import enum

READ = "read.yml"
PREFIX, QUIET = "silo:", "quiet"


class TaskId(enum.StrEnum):
    """The tasks whose results Python reads; each is once in its playbook. The comments say what a result holds."""

    # read.yml
    # tenants: tenant to what it should be, by the whole inventory (tenant_scope)
    TENANTS = "tenants"
    # tenants: directory to use and limit; pool: the file system of this NAS; backend
    QUOTAS = "quotas"
    # msg: what the variables of this server say of addresses, certificates and thresholds
    POLICY = "policy"
    # tenants: tenant to its containers on this server
    STACKS = "stacks"
    # tenants: tenant to what its containers, database and folders use; metrics: those of Traefik
    USAGE = "usage"
    # findings of this server: clock, disks, storage, firewall, network, SSH; facts (diagnostics_info)
    PREFLIGHT = "preflight"
    # findings: what is promised on this server, each with what was seen and expected (diagnostics_info)
    CHECKS = "checks"
    # msg: name to the image that should run
    IMAGE_POLICY = "image-policy"
    # containers: those of ours on this server, with their images and digests
    IMAGES = "images"
    # templates: those of new tenants on this NAS, each with what it was made of
    TEMPLATES = "templates"
    # days and course: what the ledger of this host counted; problem: why it is not whole
    LEDGER = "ledger"
    # msg: whether this host is monitored
    MONITORED = "monitored"
    # json: what Prometheus on this host answered
    ALERTS = "alerts"

    # apply.yml and plan.yml
    # tenants: as TENANTS
    SCOPE = "scope"
    # tenants: tenant of this NAS to whether its quota changed or failed
    STORAGE = "storage"
    # msg: the table of what differed, for people
    VERDICT = "verdict"
    # msg: the containers that belong to no tenant of their server, for people
    ORPHANS = "orphans"

    # verify-changed.yml
    # msg: the tenants that changed on this server, its address and its CA file
    CHANGED = "changed"
    # as CHECKS, of the tenants that changed
    CHANGED_CHECKS = "changed-checks"
    # as QUOTAS, where a quota changed
    CHANGED_QUOTAS = "changed-quotas"

    # trash.yml
    # tenants: name, files and bytes of each that was moved on this NAS
    TRASH_UPLOADS = "trash-uploads"


class ReadTag(enum.StrEnum):
    """The tags of read.yml: the command that shows what is read. STORAGE reads the quotas alone."""

    LIST = "list"
    STATS = "stats"
    CHECK = "check"
    VERIFY = "verify"
    IMAGES = "images"
    LEDGER = "ledger"
    ALERTS = "alerts"
    STORAGE = "storage"


_IDS = {one.value: one for one in TaskId}


def _own(name: str) -> str:
    """Return the name of a task without that of its role."""
    return name.rsplit(" : ", 1)[-1]


def marks(name: str) -> list[str]:
    """Return the words before the sentence in the name of a task; empty where it is only a sentence."""
    head, separator, _sentence = _own(name).partition(" | ")
    return head.split() if separator else []


def task_id(name: str) -> TaskId | None:
    """Return the id in the name of a task; None where it has none of ours."""
    return next((_IDS.get(mark.removeprefix(PREFIX)) for mark in marks(name) if mark.startswith(PREFIX)), None)


def is_quiet(name: str) -> bool:
    """Tell whether a task is one that nobody waits for."""
    return QUIET in marks(name)


def sentence(name: str) -> str:
    """Return the name of a task without role, file and marks."""
    return _own(name).rsplit(" | ", 1)[-1]
