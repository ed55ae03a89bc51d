"""/api/auth and /api/api-keys."""

import asyncio
from typing import Any

from aiohttp import web

from photo_server.api import views
from photo_server.api.access import COOKIE, Call, Route, is_https
from photo_server.api.bodies import Body, parse_id, reply
from photo_server.credentials import hash_password, new_token, token_digest, verify_password
from photo_server.errors import ApiError, invalid

_SECONDS_OF_A_COOKIE = 400 * 24 * 3600
_NOBODY = hash_password("")
"""Checked in place of an unknown user's password, so that the time of the answer tells nothing."""


async def sign_up(call: Call) -> web.Response:
    """Makes the first admin; nobody has to prove anything, and the password may be of any length."""
    body = await Body.of(call.request)
    email, password, name = body.email(), body.text("password"), body.text("name")
    if not call.server.environment.allow_setup:
        raise ApiError(400, "Admin setup is disabled")
    stored = await asyncio.to_thread(hash_password, password)
    admin = await call.store.create_first_admin(email, stored, name)
    if admin is None:
        raise ApiError(400, "The server already has an admin")
    return reply(views.user(admin), status=201)


async def login(call: Call) -> web.Response:
    """Makes a session: the token is in the answer and in a cookie."""
    body = await Body.of(call.request)
    email, password = body.email(), body.text("password")
    if not call.server.config.at("passwordLogin.enabled"):
        raise ApiError(401, "Password login has been disabled")
    user = await call.store.user_by_email(email)
    right = await asyncio.to_thread(verify_password, password, user.password if user else _NOBODY)
    if user is None or not right:
        raise ApiError(401, "Incorrect email or password")
    token = new_token()
    await call.store.create_session(user.id, token_digest(token))
    answer = {
        "accessToken": token,
        "userId": str(user.id),
        "userEmail": user.email,
        "name": user.name,
        "isAdmin": user.is_admin,
        "profileImagePath": "",
        "shouldChangePassword": user.should_change_password,
        "isOnboarded": True,
    }
    response = reply(answer, status=201)
    _set_cookies(response, token, secure=is_https(call.request, call.server.environment.trusted_proxies))
    return response


def _set_cookies(response: web.Response, token: str, secure: bool) -> None:
    common: dict[str, Any] = {"max_age": _SECONDS_OF_A_COOKIE, "samesite": "Lax", "secure": secure, "path": "/"}
    response.set_cookie(COOKIE, token, httponly=True, **common)
    response.set_cookie("immich_auth_type", "password", httponly=True, **common)
    response.set_cookie("immich_is_authenticated", "true", **common)


async def logout(call: Call) -> web.Response:
    """Ends the session."""
    if call.caller.token:
        await call.store.end_session(token_digest(call.caller.token))
    response = reply({"successful": True, "redirectUri": "/auth/login?autoLaunch=0"})
    for name in (COOKIE, "immich_auth_type", "immich_is_authenticated"):
        response.del_cookie(name, path="/")
    return response


async def change_password(call: Call) -> web.Response:
    """Needs the old password; ends all other sessions, whatever `invalidateSessions` says.

    That the password should be changed stays as it was: Immich forgets it only where a user is updated.
    """
    body = await Body.of(call.request)
    password, new_password = body.text("password"), body.text("newPassword")
    body.flag("invalidateSessions")
    if len(new_password) < 8:
        raise invalid("newPassword", "Too small: expected string to have >=8 characters")
    if not await asyncio.to_thread(verify_password, password, call.user.password):
        raise ApiError(400, "Wrong password")
    stored = await asyncio.to_thread(hash_password, new_password)
    user = await call.store.update_user(call.user.id, {"password": stored})
    if user is None:
        raise ApiError(400, "User not found")
    await call.store.end_sessions(user.id, token_digest(call.caller.token or ""))
    return reply(views.user(user))


async def validate_token(_call: Call) -> web.Response:
    """Who gets here has a valid one."""
    return reply({"authStatus": True})


async def create_api_key(call: Call) -> web.Response:
    """The secret is in this answer and nowhere else."""
    body = await Body.of(call.request)
    permissions = body.texts("permissions")
    if not permissions:
        raise ApiError(400, "permissions must not be empty")
    if not all(call.caller.may(permission) for permission in permissions):
        raise ApiError(400, "Cannot grant permissions you do not have")
    secret = new_token()
    name = body.text("name", "API Key")
    key = await call.store.create_api_key(call.user.id, name, permissions, token_digest(secret))
    shown = views.api_key(key)
    return reply({"secret": secret, "apiKey": shown, **shown}, status=201)


async def list_api_keys(call: Call) -> web.Response:
    """The caller's keys."""
    return reply([views.api_key(key) for key in await call.store.api_keys(call.user.id)])


async def my_api_key(call: Call) -> web.Response:
    """The key of this very request; one needs no permission to ask."""
    if call.caller.api_key is None:
        raise ApiError(403, "Not authenticated with an API Key")
    return reply(views.api_key(call.caller.api_key))


async def delete_api_key(call: Call) -> web.Response:
    """Forgets one of the caller's keys."""
    if not await call.store.delete_api_key(call.user.id, parse_id(call.request.match_info["id"])):
        raise ApiError(400, "API Key not found")
    return web.Response(status=204)


ROUTES = (
    Route("POST", "/api/auth/admin-sign-up", sign_up),
    Route("POST", "/api/auth/login", login),
    Route("POST", "/api/auth/logout", logout, ""),
    Route("POST", "/api/auth/change-password", change_password, "auth.changePassword"),
    Route("POST", "/api/auth/validateToken", validate_token, ""),
    Route("POST", "/api/api-keys", create_api_key, "apiKey.create"),
    Route("GET", "/api/api-keys", list_api_keys, "apiKey.read"),
    Route("GET", "/api/api-keys/me", my_api_key, ""),
    Route("DELETE", "/api/api-keys/{id}", delete_api_key, "apiKey.delete"),
)
