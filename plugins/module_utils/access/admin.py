# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The admin of a tenant's photo server: whether a password is theirs, and a new one where nobody knows it."""

from __future__ import annotations

import dataclasses
import http.client
import json
import re
import typing as t

from ..tenant import immich
from ..tenant.stack import StackError
from . import pty_session

QUESTION = "choose a new password (optional)"
ENDS = ("has been updated", "Unable to reset")
EMAIL = re.compile(r"^- Email=(\S+)\s*$", re.MULTILINE)

Post = t.Callable[[str, dict[str, str], str], tuple[int, str]]
Ask = t.Callable[[list[str], str], str]


def _ask(command: list[str], answer: str) -> str:
    return pty_session.hold(command, QUESTION, answer, ENDS)


@dataclasses.dataclass(frozen=True)
class Admin:
    """The admin of the photo server at `url`, which runs in `container`."""

    url: str
    container: str
    post: Post = immich.ask
    ask: Ask = _ask

    def knows(self, email: str, password: str) -> bool:
        """Whether this e-mail address and this password log in; the session is ended again."""
        status, answer = self.post(f"{self.url}/api/auth/login", {"email": email, "password": password}, "")
        if status == http.client.UNAUTHORIZED:
            return False
        if status != http.client.CREATED:
            raise StackError(f"the photo server answers a login with {status}; look at 'docker logs {self.container}'")
        self.post(f"{self.url}/api/auth/logout", {}, json.loads(answer)["accessToken"])
        return True

    def reset(self, email: str, password: str) -> str:
        """Give the admin `password`, whatever it was; return the address to log in with, which they may have changed.

        Raises StackError where it does not log in afterwards: immich-admin ends with 0 even when it fails.
        """
        # Typed, as a person would: arguments are for every process to see, and immich-admin takes nothing from a pipe.
        command = ["docker", "exec", "--interactive", "--tty", self.container, "immich-admin", "reset-admin-password"]
        said = self.ask(command, password)
        told = EMAIL.search(said)
        email = told[1] if told else email
        if not self.knows(email, password):
            reason = "" if told else f": {' '.join(said.split())[-300:]}"
            raise StackError(f"immich-admin has not set the password{reason}")
        return email
