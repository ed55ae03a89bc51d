# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The first admin of an Immich instance, created over the tenant's own network before anybody else can be."""

from __future__ import annotations

import http.client
import json
import typing as t
import urllib.error

from ansible.module_utils.urls import open_url

from .stack import Admin, StackError

TIMEOUT_SECONDS = 30
# Of an answer; what a tenant's photo server says is its customer's affair.
LARGEST = 64 * 1024


def post(url: str, body: dict[str, str], token: str = "") -> tuple[int, str]:
    """Return status and beginning of the answer; raises StackError where none comes. `token` is of a session."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        response = open_url(
            url, method="POST", data=json.dumps(body), headers=headers, timeout=TIMEOUT_SECONDS, use_proxy=False
        )
        return response.status, response.read(LARGEST).decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read(LARGEST).decode(errors="replace")
    except OSError as error:
        raise StackError(f"the photo server does not answer at {url}: {error}") from error


def create_admin(admin: Admin, post: t.Callable[[str, dict[str, str]], tuple[int, str]] = post) -> None:
    """Create the first admin, or find that it exists with this very password (an earlier run was cut off).

    Raises StackError where it can be neither.
    """
    login = {"email": admin.email, "password": admin.password}
    status, answer = post(f"{admin.url}/api/auth/admin-sign-up", {**login, "name": admin.email})
    if status == http.client.CREATED:
        return
    if status == http.client.BAD_REQUEST:
        status, _token = post(f"{admin.url}/api/auth/login", login)
        if status == http.client.CREATED:
            return
        raise StackError("this instance has an admin already, and the password of vault.yml is not theirs")
    raise StackError(f"the first admin cannot be created, the photo server answers {status}: {answer[:200]}")
