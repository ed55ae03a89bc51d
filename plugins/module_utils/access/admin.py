# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The admin of a tenant's photo server: tests a password, or sets a new one."""

from __future__ import annotations

import dataclasses
import http
import re
import typing as t

from ..common.text import printable
from ..tenant import immich
from ..tenant.stack import StackError
from . import pty_session

QUESTION = "choose a new password (optional)"
ENDS = ("has been updated", "Unable to reset")
LONGEST = 300
EMAIL = re.compile(r"^- Email=([!-~]{3,254})\s*$", re.MULTILINE)

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
        """Return whether this e-mail address and password can log in; the session is closed again."""
        status, answer = self.post(f"{self.url}/api/auth/login", {"email": email, "password": password}, "")
        if status == http.HTTPStatus.UNAUTHORIZED:
            return False
        if status != http.HTTPStatus.CREATED:
            raise StackError(
                f"the photo server answers a login with {status}; 'docker logs {self.container}' shows why"
            )
        # Without one, the session ends by itself.
        if token := immich.token_of(answer):
            self.post(f"{self.url}/api/auth/logout", {}, token)
        return True

    def reset(self, email: str, password: str) -> str:
        """Set the admin's password; return the address to log in with, which the customer may have changed.

        Raises StackError if the new password cannot log in: immich-admin ends with 0 even if it fails.
        """
        # Typed at a terminal: every process can see arguments, and immich-admin does not read a pipe.
        command = ["docker", "exec", "--interactive", "--tty", self.container, "immich-admin", "reset-admin-password"]
        said = self.ask(command, password)
        told = EMAIL.search(said)
        email = told[1] if told else email
        if not self.knows(email, password):
            reason = "" if told else f": {printable(' '.join(said.split())[-LONGEST:], LONGEST)}"
            raise StackError(f"immich-admin has not set the password{reason}")
        return email
