# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The admin of a tenant's photo server: whether a password is theirs, and a new one where nobody knows it."""

from __future__ import annotations

import dataclasses
import http.client
import json
import re
import subprocess
import typing as t
import urllib.error

from ansible.module_utils.urls import open_url

from ..tenant.stack import StackError

TIMEOUT_SECONDS = 30
RESET_SECONDS = 180
EMAIL = re.compile(r"^- Email=(\S+)\s*$", re.MULTILINE)

Post = t.Callable[[str, dict[str, str], str], tuple[int, str]]
Run = t.Callable[[list[str], str], "subprocess.CompletedProcess[str]"]


def _post(url: str, body: dict[str, str], token: str) -> tuple[int, str]:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        response = open_url(
            url, method="POST", data=json.dumps(body), headers=headers, timeout=TIMEOUT_SECONDS, use_proxy=False
        )
        return response.status, response.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError as error:
        raise StackError(f"the photo server does not answer at {url}: {error}") from error


def _run(command: list[str], text: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, timeout=RESET_SECONDS, errors="replace"
        )
    except subprocess.TimeoutExpired:
        raise StackError(f"immich-admin did not end within {RESET_SECONDS} s; run again") from None


@dataclasses.dataclass(frozen=True)
class Admin:
    """The admin of the photo server at `url`, which runs in `container`."""

    url: str
    container: str
    post: Post = _post
    run: Run = _run

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
        # The password goes through the standard input: arguments are for every process to see.
        command = ["docker", "exec", "--interactive", self.container, "immich-admin", "reset-admin-password"]
        result = self.run(command, f"{password}\n")
        told = EMAIL.search(result.stdout)
        email = told[1] if told else email
        if result.returncode or not self.knows(email, password):
            reason = (result.stderr.replace(password, "***").strip() or "no reason given").splitlines()[-1]
            raise StackError(f"immich-admin could not reset the password: {reason}")
        return email
