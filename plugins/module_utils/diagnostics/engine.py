# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the checks of a server. They change nothing; whatever does not answer is a finding."""

from __future__ import annotations

import dataclasses
import time
import typing as t
from collections.abc import Iterable

# Importing a module registers its checks.
from . import server, snapshot  # noqa: F401  # pylint: disable=unused-import
from .finding import Finding
from .registry import ON_SERVER, Check, Selection, Subject
from .subjects import Server


def run(selection: Selection, subject: Server) -> list[Finding]:
    """Return the findings of a selection; raises StackError if the engine does not answer, CommandError, OSError."""
    if selection == "verify":
        # Imported here, because preflight does not need them, and loading them takes time.
        from . import container_config, edge, hardening, isolation, learning, secrets, state  # noqa: F401
    of_server = list(ON_SERVER.of(selection, "server"))
    of_tenant = list(ON_SERVER.of(selection, "tenant"))
    of_container = list(ON_SERVER.of(selection, "container"))
    findings = _each(of_server, [subject])
    # Without checks of containers, the engine need not list any.
    findings += _each(of_container, subject.shared) if of_container else []
    for tenant in subject.tenants:
        findings += _each(of_tenant, [tenant])
        findings += _each(of_container, tenant.containers) if of_container else []
    return findings


def _each(checks: Iterable[Check[t.Any]], subjects: Iterable[Subject]) -> list[Finding]:
    return [finding for subject in subjects for check in checks for finding in check(subject)]


def facts(subject: Server) -> dict[str, t.Any]:
    """Return the values that the controller compares with its own: the clock in seconds since 1970, the disks."""
    directories = [*subject.expected.texts("directories"), snapshot.docker_directory(subject.runner)]
    return {
        "disks": [dataclasses.asdict(disk) for disk in snapshot.disks(directories)],
        "synchronised": snapshot.synchronised(),
        "time": time.time(),
    }
