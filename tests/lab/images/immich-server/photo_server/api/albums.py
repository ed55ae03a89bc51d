"""/api/albums, as far as the command-line client uses it."""

from typing import Any

from aiohttp import web

from photo_server.api import views
from photo_server.api.access import Call, Route
from photo_server.api.bodies import Body, parse_id, reply, stamp


async def list_all(call: Call) -> web.Response:
    """The caller's albums."""
    return reply([_view(call, album) for album in await call.store.albums(call.user.id)])


async def create(call: Call) -> web.Response:
    """A new album, with assets where the body names some."""
    body = await Body.of(call.request)
    description = body.values.get("description") or ""
    album_id = await call.store.create_album(call.user.id, body.text("albumName"), str(description))
    for asset_id in body.ids("assetIds") if "assetIds" in body.values else []:
        await call.store.add_to_album(call.user.id, album_id, asset_id)
    album = next(album for album in await call.store.albums(call.user.id) if album["id"] == album_id)
    return reply(_view(call, album), status=201)


async def add_assets(call: Call) -> web.Response:
    """Says for each asset whether it was added."""
    album_id = parse_id(call.request.match_info["id"])
    results = []
    for asset_id in (await Body.of(call.request)).ids():
        error = await call.store.add_to_album(call.user.id, album_id, asset_id)
        result: dict[str, Any] = {"id": str(asset_id), "success": error is None}
        results.append(result if error is None else result | {"error": error})
    return reply(results)


def _view(call: Call, album: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": str(album["id"]),
        "albumName": album["albumName"],
        "description": album["description"],
        "assetCount": album["assetCount"],
        "albumThumbnailAssetId": None,
        "albumUsers": [{"role": "owner", "user": views.user(call.user)}],
        "shared": False,
        "hasSharedLink": False,
        "isActivityEnabled": True,
        "createdAt": stamp(album["createdAt"]),
        "updatedAt": stamp(album["updatedAt"]),
    }


ROUTES = (
    Route("GET", "/api/albums", list_all, "album.read"),
    Route("POST", "/api/albums", create, "album.create"),
    Route("PUT", "/api/albums/{id}/assets", add_assets, "albumAsset.create"),
)
