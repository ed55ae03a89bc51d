# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tries connections from a container's network, without a process in the container."""

from __future__ import annotations

import ctypes
import dataclasses
import errno
import os
import resource
import select
import socket
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

NEW_NETWORK = 0x40000000
SECONDS = 1.0
# Each thread keeps one socket open for each target that does not answer.
AT_ONCE = 32
PENDING = (errno.EINPROGRESS, errno.EAGAIN)


@dataclasses.dataclass(frozen=True)
class Target:
    """A TCP port, and its owner for the message. A link-local IPv6 address is on the container's only interface."""

    address: str
    port: int
    owner: str = dataclasses.field(default="", compare=False)

    def __str__(self) -> str:
        """The target in a message."""
        return f"{self.address}:{self.port}" + (f" ({self.owner})" if self.owner else "")


def _enter(namespace: Path) -> None:
    """Move only this thread into another network namespace."""
    handle = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(handle, NEW_NETWORK) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(namespace))
    finally:
        os.close(handle)


def _begin(target: Target) -> socket.socket | None:
    """Start to connect; None if the kernel refuses at once, for example without a route."""
    place: tuple[str, int] | tuple[str, int, int, int] = (target.address, target.port)
    family = socket.AF_INET
    if ":" in target.address:
        cable = next((number for number, name in socket.if_nameindex() if name != "lo"), 0)
        family, place = socket.AF_INET6, (target.address, target.port, 0, cable)
    try:
        opened = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return None
        raise
    if opened.connect_ex(place) in (0, *PENDING):
        return opened
    opened.close()
    return None


@dataclasses.dataclass(frozen=True)
class Reached:
    """The targets that accepted and those that refused a connection; `error` says why none could be tried."""

    open: frozenset[Target] = frozenset()
    refused: frozenset[Target] = frozenset()
    error: str = ""


def connect(targets: Iterable[Target], seconds: float = SECONDS) -> Reached:
    """Return which of `targets` answer within `seconds`, from the network of this thread."""
    waiting: dict[int, tuple[socket.socket, Target]] = {}
    poll = select.poll()
    found: dict[int, set[Target]] = {0: set(), errno.ECONNREFUSED: set()}
    try:
        for target in dict.fromkeys(targets):
            if opened := _begin(target):
                waiting[opened.fileno()] = (opened, target)
                poll.register(opened, select.POLLOUT)
        deadline = time.monotonic() + seconds
        while waiting and (left := deadline - time.monotonic()) > 0:
            for number, _event in poll.poll(left * 1000):
                opened, target = waiting.pop(number)
                poll.unregister(number)
                found.setdefault(opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), set()).add(target)
                opened.close()
    finally:
        for opened, _target in waiting.values():
            opened.close()
    return Reached(frozenset(found[0]), frozenset(found[errno.ECONNREFUSED]))


class _Visit(threading.Thread):
    """A thread that enters a network, tries its targets, and ends."""

    def __init__(self, namespace: Path, targets: Sequence[Target], seconds: float) -> None:
        super().__init__(daemon=True)
        self._namespace, self._targets, self._seconds = namespace, targets, seconds
        self.found = Reached()

    def run(self) -> None:
        try:
            _enter(self._namespace)
            self.found = connect(self._targets, self._seconds)
        except OSError as error:
            self.found = Reached(error=str(error))


def from_inside(targets: Mapping[Path, Sequence[Target]], seconds: float = SECONDS) -> dict[Path, Reached]:
    """Return network to the targets reached from it; `targets`: path of a network to the targets to try."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        return _in_turns(list(targets.items()), seconds)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _in_turns(tried: Sequence[tuple[Path, Sequence[Target]]], seconds: float) -> dict[Path, Reached]:
    found = {}
    for begin in range(0, len(tried), AT_ONCE):
        visits = {path: _Visit(path, targets, seconds) for path, targets in tried[begin : begin + AT_ONCE]}
        for visit in visits.values():
            visit.start()
        for path, visit in visits.items():
            visit.join()
            found[path] = visit.found
    return found
