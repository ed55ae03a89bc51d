"""/api/users and /api/admin/users."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from photo_server.api import views
from photo_server.api.access import Call, Route
from photo_server.api.bodies import Body, parse_id, reply
from photo_server.credentials import hash_password
from photo_server.errors import ApiError, invalid
from photo_server.media import remove
from photo_server.records import User

_FLAGS = {"isAdmin": "is_admin", "shouldChangePassword": "should_change_password"}


async def me(call: Call) -> web.Response:
    """The caller."""
    return reply(views.user(call.user))


async def update_me(call: Call) -> web.Response:
    """Changes one's own e-mail, name or password; a password that is set here need not be changed any more."""
    user, body = call.user, await Body.of(call.request)
    values: dict[str, Any] = {"name": body.text("name")} if "name" in body.values else {}
    if "email" in body.values:
        values["email"] = body.email()
        known = await call.store.user_by_email(values["email"])
        if known and known.id != user.id:
            raise ApiError(400, "Email is not available")
    if password := body.text("password", ""):
        values["password"] = await asyncio.to_thread(hash_password, password)
        values["should_change_password"] = False
    changed = await call.store.update_user(user.id, values) if values else user
    if changed is None:
        raise ApiError(400, "Email is not available")
    return reply(views.user(changed))


async def create(call: Call) -> web.Response:
    """A new user; the password is theirs to change."""
    body = await Body.of(call.request)
    values = {"email": body.email(), "name": body.text("name"), **await _changes(body)}
    if "password" not in values:
        raise invalid("password", "Invalid input: expected string")
    user = await call.store.create_user(values)
    if user is None:
        raise ApiError(400, "Email is not available")
    return reply(views.user(user), status=201)


async def list_all(call: Call) -> web.Response:
    """All users; `withDeleted=true` shows deleted ones too."""
    users = await call.store.users(call.request.query.get("withDeleted") == "true")
    return reply([views.user(user) for user in users])


async def get(call: Call) -> web.Response:
    """One user."""
    return reply(views.user(await _named(call)))


async def update(call: Call) -> web.Response:
    """Changes what the body names."""
    user, body = await _named(call), await Body.of(call.request)
    values = await _changes(body)
    if "email" in body.values:
        values["email"] = body.email()
    if "name" in body.values:
        values["name"] = body.text("name")
    changed = await call.store.update_user(user.id, values) if values else user
    if changed is None:
        raise ApiError(400, "Email or storage label is in use by another account")
    return reply(views.user(changed))


async def delete(call: Call) -> web.Response:
    """Marks a user as deleted; with `force` it is gone with all its files."""
    user, body = await _named(call), await Body.of(call.request)
    if user.is_admin:
        raise ApiError(403, "Cannot delete admin user")
    if not body.flag("force"):
        deleted = {"deleted_at": datetime.now(UTC), "status": "deleted"}
        return reply(views.user(await call.store.update_user(user.id, deleted) or user))
    assets = await call.store.delete_assets(user.id, await call.store.all_assets(user.id))
    await call.store.delete_user(user.id)
    for asset in assets:
        await remove(*asset.paths())
    return reply(views.user(user) | {"status": "removing"})


async def statistics(call: Call) -> web.Response:
    """How many pictures and videos a user has."""
    return reply(await _statistics(call, await _named(call)))


async def my_statistics(call: Call) -> web.Response:
    """How many pictures and videos the caller has."""
    return reply(await _statistics(call, call.user))


async def _statistics(call: Call, user: User) -> dict[str, int]:
    for usage in await call.store.usage():
        if usage.user_id == user.id:
            return {"images": usage.photos, "videos": usage.videos, "total": usage.photos + usage.videos}
    return {"images": 0, "videos": 0, "total": 0}


async def _named(call: Call) -> User:
    user = await call.store.user(parse_id(call.request.match_info["id"]))
    if user is None:
        raise ApiError(400, "User not found")
    return user


async def _changes(body: Body) -> dict[str, Any]:
    """The columns that a body sets, but e-mail and name."""
    values: dict[str, Any] = {column: body.flag(name) for name, column in _FLAGS.items() if name in body.values}
    if "password" in body.values:
        values["password"] = await asyncio.to_thread(hash_password, body.text("password"))
    if "storageLabel" in body.values:
        label = body.values["storageLabel"]
        values["storage_label"] = None if label is None else body.text("storageLabel")
    if "quotaSizeInBytes" in body.values:
        unlimited = body.values["quotaSizeInBytes"] is None
        values["quota_size_in_bytes"] = None if unlimited else body.number("quotaSizeInBytes", 0, 0, 2**53)
    return values


ROUTES = (
    Route("GET", "/api/users/me", me, "user.read"),
    Route("PUT", "/api/users/me", update_me, "user.update"),
    Route("GET", "/api/assets/statistics", my_statistics, "asset.statistics"),
    Route("POST", "/api/admin/users", create, "adminUser.create", admin=True),
    Route("GET", "/api/admin/users", list_all, "adminUser.read", admin=True),
    Route("GET", "/api/admin/users/{id}", get, "adminUser.read", admin=True),
    Route("PUT", "/api/admin/users/{id}", update, "adminUser.update", admin=True),
    Route("DELETE", "/api/admin/users/{id}", delete, "adminUser.delete", admin=True),
    Route("GET", "/api/admin/users/{id}/statistics", statistics, "adminUser.read", admin=True),
)
