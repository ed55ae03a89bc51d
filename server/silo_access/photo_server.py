"""Calls to a tenant's photo server, over the tenant's own network."""

from __future__ import annotations

import typing as t

import aiohttp
from ansible_collections.swissphoto.silo.plugins.module_utils.common import bounded_json

TIMEOUT = aiohttp.ClientTimeout(total=20)
MOST_BYTES = 64 * 1024
"""The limit of an answer: a tenant controls its photo server, and must not fill this service's memory."""


class Unavailable(Exception):
    """The photo server failed; the text names the call and its result, and contains no secret."""


class PhotoServer:
    """Immich's API for passwords. `url` has no path."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        """Remember the server's address."""
        self._session, self._url = session, url

    async def set_password(self, email: str, old: str, new: str) -> bool:
        """Change the password from `old` to `new` and end all sessions; False if `old` is not valid any more.

        If `new` is already the password, the answer of an earlier attempt was lost; this counts as success. Raises
        Unavailable; then the change may or may not have happened, and the caller may try again.
        """
        token = await self._login(email, old)
        if token:
            await self._change_password(token, old, new)
        else:
            token = await self._login(email, new)
        if token:
            await self._logout(token)
        return bool(token)

    async def _login(self, email: str, password: str) -> str | None:
        status, answer = await self._post("login", {"email": email, "password": password})
        if status == 401:
            return None
        if status != 201 or not isinstance(answer, dict) or not isinstance(answer.get("accessToken"), str):
            raise Unavailable(f"login is answered with {status}")
        return t.cast("str", answer["accessToken"])

    async def _change_password(self, token: str, old: str, new: str) -> None:
        body = {"password": old, "newPassword": new, "invalidateSessions": True}
        status, _answer = await self._post("change-password", body, token)
        if not 200 <= status < 300:
            raise Unavailable(f"change-password is answered with {status}")

    async def _logout(self, token: str) -> None:
        # The password is set. If the session cannot be closed, nobody can use it, because its token is dropped here.
        try:
            await self._post("logout", {}, token)
        except Unavailable:
            return

    async def _post(self, call: str, body: dict[str, t.Any], token: str = "") -> tuple[int, t.Any]:
        headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {token}"} if token else {})
        url = f"{self._url}/api/auth/{call}"
        try:
            async with self._session.post(
                url, json=body, headers=headers, timeout=TIMEOUT, allow_redirects=False
            ) as response:
                return response.status, bounded_json.parse(await _body(response) or b"null")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(f"{call} fails with {type(error).__name__}") from None


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in response.content.iter_chunked(4096):
        body += part
        if len(body) > MOST_BYTES:
            raise ValueError("too long")
    return bytes(body)
