# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Docker's own seccomp profile, without the calls by which a process leaves the quota of its directory. Pure."""

from __future__ import annotations

import hashlib
import typing as t
from collections.abc import Iterable, Iterator, Mapping

BITS = 32

# Requests of ioctl(2), as in linux/fs.h and linux/btrfs.h.
ESCAPES: Mapping[str, int] = {
    # With these, the owner of a file takes it out of its project, or a directory's new files do not join the project.
    "FS_IOC_FSSETXATTR": 0x401C5820,
    "FS_IOC_SETFLAGS": 0x40086602,
    "FS_IOC32_SETFLAGS": 0x40046602,
    # With these, every user can create a subvolume in a directory that they own.
    "BTRFS_IOC_SUBVOL_CREATE": 0x5000940E,
    "BTRFS_IOC_SUBVOL_CREATE_V2": 0x50009418,
    "BTRFS_IOC_SNAP_CREATE": 0x50009401,
    "BTRFS_IOC_SNAP_CREATE_V2": 0x50009417,
}

# A system call with the effect of FS_IOC_FSSETXATTR, from Linux 6.17 on. No engine that we tried allows it by default.
CLOSED = frozenset({"file_setattr"})


class ProfileError(Exception):
    """The profile cannot be restricted; the text is one sentence."""


def complement(denied: Iterable[int], bits: int = BITS) -> Iterator[tuple[int, int]]:
    """Yield (mask, value) pairs: a number is denied, or exactly one pair has `number & mask == value`.

    The kernel reads only the lower 32 bits of a request, but a filter compares 64: a process that sets a higher bit
    would pass a filter that tests for equality. A mask selects the lower bits. Filters have no "none of these", so the
    pairs allow all other numbers: each pair is a prefix of bits that no denied number has.
    """
    yield from _outside(frozenset(denied), 0, 0, bits)


def _outside(denied: frozenset[int], prefix: int, length: int, bits: int) -> Iterator[tuple[int, int]]:
    shift = bits - length
    if not any(number >> shift == prefix for number in denied):
        yield ((1 << length) - 1) << shift, prefix << shift
    elif length < bits:
        for bit in (0, 1):
            yield from _outside(denied, prefix << 1 | bit, length + 1, bits)


def narrow(profile: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the profile without the requests of ESCAPES and CLOSED, in Docker's format; `profile` is a container's.

    Raises ProfileError if it does not deny by default, or does not allow ioctl by one unconditional rule.
    """
    if profile.get("defaultAction") != "SCMP_ACT_ERRNO":
        raise ProfileError(f"its default action is {profile.get('defaultAction')!r} and not 'SCMP_ACT_ERRNO'")
    rules = [dict(rule) for rule in profile.get("syscalls") or []]
    with_ioctl = [rule for rule in rules if "ioctl" in rule["names"]]
    if [(rule["action"], rule.get("args") or []) for rule in with_ioctl] != [("SCMP_ACT_ALLOW", [])]:
        raise ProfileError("it has no single rule that allows ioctl")
    for rule in rules:
        rule["names"] = [name for name in rule["names"] if name != "ioctl" and name not in CLOSED]
    rules = [rule for rule in rules if rule["names"]]
    rules += [_allow(mask, value) for mask, value in complement(ESCAPES.values())]
    kept = {key: profile[key] for key in ("defaultAction", "defaultErrnoRet", "architectures") if key in profile}
    return {**kept, "syscalls": rules}


def fingerprint() -> str:
    """Return eight hex digits that identify these rules, so that a profile made with other rules is recreated."""
    text = repr((sorted(ESCAPES.values()), sorted(CLOSED)))
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _allow(mask: int, value: int) -> dict[str, t.Any]:
    request = {"index": 1, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
    return {"names": ["ioctl"], "action": "SCMP_ACT_ALLOW", "args": [request]}
