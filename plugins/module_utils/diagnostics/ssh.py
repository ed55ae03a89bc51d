# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""SSH of a server: its ports, its ways to log in, and the SSH connection that started this process."""

from __future__ import annotations

import dataclasses
import os
import pwd
from collections.abc import Collection, Mapping
from pathlib import Path

from ..command import Runner, run
from ..common.cgroup import PROC

SSHD = "/usr/sbin/sshd"
# Any other method lets somebody log in without a key.
KEYS_ONLY: Mapping[str, Collection[str]] = {
    "passwordauthentication": ("no",),
    "kbdinteractiveauthentication": ("no",),
    "permitrootlogin": ("no", "prohibit-password", "without-password", "forced-commands-only"),
}
# Keys that are in no file of the user's.
ELSEWHERE = ("trustedusercakeys", "authorizedkeyscommand")
VARIABLE = b"SSH_CONNECTION="


@dataclasses.dataclass(frozen=True)
class Session:
    """The SSH connection of a process: the port of the server, and the user who logged in."""

    port: int
    uid: int


@dataclasses.dataclass(frozen=True)
class SshSettings:
    """The output of `sshd -T`: name to its values, one for each time that it is set."""

    values: Mapping[str, tuple[str, ...]]

    @property
    def ports(self) -> tuple[int, ...]:
        """Where it listens."""
        return tuple(int(text) for text in self.values.get("port", ()))

    @property
    def wrong(self) -> tuple[str, ...]:
        """The settings that allow a login without a key."""
        return tuple(
            f"{name} {text}"
            for name, good in KEYS_ONLY.items()
            for text in self.values.get(name, ())
            if text not in good
        )

    def key_files(self, user: pwd.struct_passwd) -> tuple[Path, ...]:
        """Return where the keys of a user are looked for."""
        names = " ".join(self.values.get("authorizedkeysfile", ())).split()
        known = {"%%": "%", "%h": user.pw_dir, "%u": user.pw_name, "%U": str(user.pw_uid)}
        for token, text in known.items():
            names = [name.replace(token, text) for name in names]
        return tuple(Path(user.pw_dir) / name for name in names if name != "none")

    def has_key(self, user: pwd.struct_passwd) -> bool:
        """Whether a user can log in by a key; where others keep the keys, they know."""
        if any(text != "none" for name in ELSEWHERE for text in self.values.get(name, ())):
            return True
        return any(_has_line(path) for path in self.key_files(user))


def _has_line(path: Path) -> bool:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(line.strip() and not line.lstrip().startswith("#") for line in lines)


def settings(runner: Runner) -> SshSettings | None:
    """Return the settings of SSH; None if it is not installed. Raises CommandError if its settings are invalid."""
    if not Path(SSHD).exists():
        return None
    values: dict[str, tuple[str, ...]] = {}
    for line in run(runner, (SSHD, "-T")).splitlines():
        name, _space, text = line.partition(" ")
        values[name.lower()] = (*values.get(name.lower(), ()), text)
    return SshSettings(values)


def session(proc: Path = PROC, number: int | None = None) -> Session | None:
    """Return the SSH connection that started this process, also through sudo or su; None if there is none."""
    found, current = None, number or os.getpid()
    while current > 1:
        try:
            told = (proc / str(current) / "environ").read_bytes().split(b"\0")
            status = (proc / str(current) / "status").read_text(encoding="utf-8")
        except OSError:
            break
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        for text in told:
            if text.startswith(VARIABLE):
                # The outermost process is that of the user who logged in.
                found = Session(int(text.split()[-1]), int(fields["Uid"].split()[0]))
        current = int(fields["PPid"])
    return found


def problem(runner: Runner) -> str:
    """Return how one gets in without a key; empty where one does not. Raises CommandError."""
    found = settings(runner)
    return f"it has {', '.join(found.wrong)}" if found and found.wrong else ""
