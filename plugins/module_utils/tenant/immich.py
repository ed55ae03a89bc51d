# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Creates the first admin of an Immich instance over the tenant's own network, before it is reachable."""

from __future__ import annotations

import http.client
import json
import typing as t
import urllib.error

from ansible.module_utils.urls import open_url

from .stack import Admin, StackError

TIMEOUT_SECONDS = 30
# The limit of an answer: the tenant controls its photo server, so its answers are not trusted.
LARGEST = 64 * 1024


def post(url: str, body: dict[str, str], token: str = "") -> tuple[int, str]:
    """Return the status and the beginning of the answer; raises StackError without one. `token` is a session's."""
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
    """Create the first admin, or accept one with this password, which an interrupted run created.

    Raises StackError otherwise.
    """
    login = {"email": admin.email, "password": admin.password}
    status, answer = post(f"{admin.url}/api/auth/admin-sign-up", {**login, "name": admin.email})
    if status == http.client.CREATED:
        return
    if status == http.client.BAD_REQUEST:
        status, _token = post(f"{admin.url}/api/auth/login", login)
        if status == http.client.CREATED:
            return
        raise StackError("this instance already has an admin with another password than that of vault.yml")
    raise StackError(f"the first admin cannot be created, the photo server answers {status}: {answer[:200]}")
