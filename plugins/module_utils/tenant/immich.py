# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is asked of a photo server by its API, over its stack's own network, where nobody else asks anything."""

from __future__ import annotations

import http
import json
import re
import typing as t
from collections.abc import Mapping

from ..common import bounded_json, http_client
from ..common.text import printable
from .stack import Admin, StackError

TIMEOUT_SECONDS = 30
TOKEN = re.compile(r"[!-~]{1,4096}")
PING = "/api/server/ping"

Ask = t.Callable[..., "tuple[int, str]"]


def ask(url: str, body: Mapping[str, t.Any], token: str = "", method: str = "POST") -> tuple[int, str]:
    """Return the status and the beginning of the answer; raises StackError without one. `token` is a session's."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    text = json.dumps(body).encode()
    try:
        # The tenant controls its photo server, so nothing of its answer is trusted.
        answer = http_client.ask(url, method=method, body=text, headers=headers, seconds=TIMEOUT_SECONDS)
        return answer.status, answer.text
    except http_client.HttpError as error:
        raise StackError(f"the photo server does not answer at {url}: {error}") from error


def sign_up(admin: Admin, ask: Ask = ask) -> None:
    """Create the first admin of an instance, and see that nobody can do so again; raises StackError."""
    url, body = f"{admin.url}/api/auth/admin-sign-up", _login(admin) | {"name": admin.email}
    status, answer = ask(url, body)
    if status != http.HTTPStatus.CREATED:
        raise StackError(f"the first admin cannot be created, the photo server answers {status}: {printable(answer)}")
    status, answer = ask(url, {**body, "email": f"second-{admin.email}"})
    if status != http.HTTPStatus.BAD_REQUEST:
        raise StackError(f"set-up stays open: a second sign-up is answered with {status}: {printable(answer)}")


def hand_over(placeholder: Admin, admin: Admin, ask: Ask = ask) -> None:
    """Make an instance that is the placeholder's that of `admin`; raises StackError.

    The session in which it is done is the only one, and ends.
    """
    status, answer = ask(f"{admin.url}/api/auth/login", _login(placeholder))
    token = token_of(answer) if status == http.HTTPStatus.CREATED else ""
    if not token:
        raise StackError(f"the placeholder of the template cannot log in, the photo server answers {status}")
    _done(ask(f"{admin.url}/api/users/me", {"email": admin.email, "name": admin.email}, token, "PUT"), "address")
    passwords = {"password": placeholder.password, "newPassword": admin.password, "invalidateSessions": True}
    _done(ask(f"{admin.url}/api/auth/change-password", passwords, token), "password")
    ask(f"{admin.url}/api/auth/logout", {}, token)


def token_of(answer: str) -> str:
    """Return the token of a login's session; empty where the answer has none that a header can take."""
    try:
        token = bounded_json.parse(answer)["accessToken"]
    except (ValueError, KeyError, TypeError):
        return ""
    return token if isinstance(token, str) and TOKEN.fullmatch(token) else ""


def _login(admin: Admin) -> dict[str, str]:
    return {"email": admin.email, "password": admin.password}


def _done(answered: tuple[int, str], what: str) -> None:
    status, answer = answered
    if status not in (http.HTTPStatus.OK, http.HTTPStatus.CREATED):
        raise StackError(f"the admin's {what} cannot be set, the photo server answers {status}: {printable(answer)}")
