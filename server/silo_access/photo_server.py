"""The photo server of a tenant, asked over the tenant's own network."""

from __future__ import annotations

import json
import typing as t

import aiohttp

TIMEOUT = aiohttp.ClientTimeout(total=20)
MOST_BYTES = 64 * 1024
"""Of an answer; a photo server is its customer's, and not to be trusted with this service's memory."""


class Unavailable(Exception):
    """The photo server does not answer as it should; the text says which call got what, and holds no secret."""


class PhotoServer:
    """Immich's API as far as a password is concerned. `url` has no path."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        """Ask nothing yet."""
        self._session, self._url = session, url

    async def set_password(self, email: str, old: str, new: str) -> bool:
        """Put `new` in the place of `old` and end all sessions; False where `old` is not the password any more.

        That `new` is the password already counts as done: the answer of an earlier attempt was lost.
        Raises Unavailable; it may then have been done or not, and trying again is right.
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
        # The password is set: a session that cannot be ended is nobody's, as its token is forgotten here.
        try:
            await self._post("logout", {}, token)
        except Unavailable:
            return

    async def _post(self, call: str, body: dict[str, t.Any], token: str = "") -> tuple[int, t.Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self._url}/api/auth/{call}"
        try:
            async with self._session.post(
                url, json=body, headers=headers, timeout=TIMEOUT, allow_redirects=False
            ) as response:
                return response.status, json.loads(await _body(response) or "null")
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(f"{call} fails with {type(error).__name__}") from None


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for part in response.content.iter_chunked(4096):
        body += part
        if len(body) > MOST_BYTES:
            raise ValueError("too long")
    return bytes(body)
