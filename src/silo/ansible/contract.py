"""The contract between playbooks and Python: the ids of tasks whose results Python reads, and the tags of read.yml.

A call that does the work of other tasks first returns their results as `parts`, by their ids (PARTS).

A task is named `MARKS | Sentence`. MARKS are words: `silo:<id>` if Python reads the result of the task, and `quiet` if
the progress does not show it. Ansible puts the name of a role before it. Events contain the name of a task, but not its
tags.
"""

from __future__ import annotations

import enum
import typing as t

READ = "read.yml"
PREFIX, QUIET = "silo:", "quiet"


class TaskId(enum.StrEnum):
    """The tasks whose results Python reads; each exists once in its playbook. The comments describe the results."""

    # read.yml
    # tenants: tenant to its desired state, for the whole inventory (tenant_scope)
    TENANTS = "tenants"
    # tenants: directory to usage and limit; pool: the file system of this NAS; backend
    QUOTAS = "quotas"
    # as QUOTAS, of the disk of this server for its tenants
    DISKS = "disks"
    # msg: variables of this server for addresses, certificates and thresholds
    POLICY = "policy"
    # tenants: tenant to its containers on this server
    STACKS = "stacks"
    # tenants: tenant to the usage of its containers, database and folders; metrics: those of Traefik
    USAGE = "usage"
    # records: what happened to one tenant on this server; problems: what of it cannot be read
    RECORDS = "records"
    # findings of this server: clock, disks, storage, firewall, network, SSH; facts (diagnostics_info)
    PREFLIGHT = "preflight"
    # findings of the tenants and shared services of this server, with seen and expected values (diagnostics_info)
    CHECKS = "checks"
    # msg: name to the image that should run
    IMAGE_POLICY = "image-policy"
    # containers: those of silo on this server, with their images and digests
    IMAGES = "images"
    # templates: those of new tenants on this NAS, each with what it was made of
    TEMPLATES = "templates"
    # days and course: the usage in the ledger of this host; problem: why it is incomplete
    LEDGER = "ledger"
    # msg: whether this host is monitored
    MONITORED = "monitored"
    # json: the answer of Prometheus on this host
    ALERTS = "alerts"

    # apply.yml and plan.yml
    # tenants: as TENANTS
    SCOPE = "scope"
    # tenants: tenant of this NAS to whether its quota changed or failed, and what was read back of a change; backend
    STORAGE = "storage"
    # as STORAGE, of the disk of this server
    DISK = "disk"
    # msg: the table of differences, for people
    VERDICT = "verdict"
    # msg: the containers that belong to no tenant of their server, for people
    ORPHANS = "orphans"
    # msg: a sentence for each tenant that was left alone on purpose, for people
    LEFT_ALONE = "left-alone"

    # verify-changed.yml
    # msg: the tenants that changed on this server, its address and its CA file
    CHANGED = "changed"
    # as CHECKS, of the tenants that changed
    CHANGED_CHECKS = "changed-checks"

    # trash.yml
    # tenants: tenant to whether root's files of it were moved on this server
    TRASH_FILES = "trash-files"
    # as TRASH_UPLOADS, of the databases on the disk of this server
    TRASH_DATABASES = "trash-databases"
    # tenants: name, files and bytes of each that was moved on this NAS
    TRASH_UPLOADS = "trash-uploads"


class ReadTag(enum.StrEnum):
    """The tags of read.yml, named after the commands that use them. STORAGE reads only quotas and disks."""

    LIST = "list"
    STATS = "stats"
    CHECK = "check"
    VERIFY = "verify"
    IMAGES = "images"
    LEDGER = "ledger"
    ALERTS = "alerts"
    LOG = "log"
    STORAGE = "storage"


PARTS: t.Mapping[str, TaskId] = {one.value: one for one in (TaskId.STORAGE, TaskId.DISK, TaskId.QUOTAS, TaskId.DISKS)}
"""The tasks whose work another call may do on the same machine.

The call of the stacks sets the limits of apply.yml, and PREFLIGHT reads the file systems of its server.
"""

_IDS = {one.value: one for one in TaskId}


def _own(name: str) -> str:
    """Return the name of a task without its role's name."""
    return name.rsplit(" : ", 1)[-1]


def marks(name: str) -> list[str]:
    """Return the marks in the name of a task; empty if the name is only a sentence."""
    head, separator, _sentence = _own(name).partition(" | ")
    return head.split() if separator else []


def task_id(name: str) -> TaskId | None:
    """Return the id in the name of a task; None without a known id."""
    return next((_IDS.get(mark.removeprefix(PREFIX)) for mark in marks(name) if mark.startswith(PREFIX)), None)


def is_quiet(name: str) -> bool:
    """Return whether the progress does not show a task."""
    return QUIET in marks(name)


def sentence(name: str) -> str:
    """Return the name of a task without role, file and marks."""
    return _own(name).rsplit(" | ", 1)[-1]
