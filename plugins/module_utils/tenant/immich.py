# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of a photo server by its API, over its stack's own network, where nobody else asks anything."""

from __future__ import annotations

import http.client
import json
import typing as t
import urllib.error
from collections.abc import Mapping

from ansible.module_utils.urls import open_url

from .stack import Admin, StackError

TIMEOUT_SECONDS = 30
# The limit of an answer: the tenant controls its photo server, so its answers are not trusted.
LARGEST = 64 * 1024
PING = "/api/server/ping"

Ask = t.Callable[..., "tuple[int, str]"]


def ask(url: str, body: Mapping[str, t.Any], token: str = "", method: str = "POST") -> tuple[int, str]:
    """Return the status and the beginning of the answer; raises StackError without one. `token` is a session's."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        response = open_url(
            url, method=method, data=json.dumps(body), headers=headers, timeout=TIMEOUT_SECONDS, use_proxy=False
        )
        return response.status, response.read(LARGEST).decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read(LARGEST).decode(errors="replace")
    except OSError as error:
        raise StackError(f"the photo server does not answer at {url}: {error}") from error


def sign_up(admin: Admin, ask: Ask = ask) -> None:
    """Create the first admin of an instance, and see that nobody can do so again; raises StackError."""
    url, body = f"{admin.url}/api/auth/admin-sign-up", _login(admin) | {"name": admin.email}
    status, answer = ask(url, body)
    if status != http.client.CREATED:
        raise StackError(f"the first admin cannot be created, the photo server answers {status}: {answer[:200]}")
    status, answer = ask(url, {**body, "email": f"second-{admin.email}"})
    if status != http.client.BAD_REQUEST:
        raise StackError(f"set-up stays open: a second sign-up is answered with {status}: {answer[:200]}")


def hand_over(placeholder: Admin, admin: Admin, ask: Ask = ask) -> None:
    """Make an instance that is the placeholder's that of `admin`; raises StackError.

    The session in which it is done is the only one, and ends.
    """
    status, answer = ask(f"{admin.url}/api/auth/login", _login(placeholder))
    token = _token(answer) if status == http.client.CREATED else ""
    if not token:
        raise StackError(f"the placeholder of the template cannot log in, the photo server answers {status}")
    _done(ask(f"{admin.url}/api/users/me", {"email": admin.email, "name": admin.email}, token, "PUT"), "address")
    passwords = {"password": placeholder.password, "newPassword": admin.password, "invalidateSessions": True}
    _done(ask(f"{admin.url}/api/auth/change-password", passwords, token), "password")
    ask(f"{admin.url}/api/auth/logout", {}, token)


def _login(admin: Admin) -> dict[str, str]:
    return {"email": admin.email, "password": admin.password}


def _token(answer: str) -> str:
    try:
        return str(json.loads(answer)["accessToken"])
    except (ValueError, KeyError, TypeError):
        return ""


def _done(answered: tuple[int, str], what: str) -> None:
    status, answer = answered
    if status not in (http.client.OK, http.client.CREATED):
        raise StackError(f"the admin's {what} cannot be set, the photo server answers {status}: {answer[:200]}")
