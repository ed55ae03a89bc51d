"""/api/assets but the upload, the trash, and search."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from photo_server.api import views
from photo_server.api.access import Call, Route
from photo_server.api.bodies import Body, parse_id, reply
from photo_server.errors import ApiError
from photo_server.learning import LearningError
from photo_server.media import mime_type, parse_checksum, remove
from photo_server.records import Asset


async def get(call: Call) -> web.Response:
    """One asset."""
    return reply(views.asset(await _named(call, "asset.read")))


async def original(call: Call) -> web.StreamResponse:
    """The file as it was uploaded; ranges are answered."""
    asset = await _named(call, "asset.download")
    name = quote(asset.original_file_name)
    headers = {
        "Content-Type": mime_type(asset.original_file_name),
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "Cache-Control": "private, max-age=86400, no-transform",
    }
    return _file(asset.original_path, headers)


async def thumbnail(call: Call) -> web.StreamResponse:
    """A small picture: `size` is thumbnail (default) or preview; 404 as long as there is none."""
    asset = await _named(call, "asset.view")
    small = call.request.query.get("size", "thumbnail") == "thumbnail"
    path = asset.thumbnail_path if small else asset.preview_path
    if path is None:
        raise ApiError(404, "Asset media not found")
    kind = "image/webp" if small else "image/jpeg"
    return _file(path, {"Content-Type": kind, "Cache-Control": "private, max-age=86400, no-transform"})


def _file(path: str, headers: dict[str, str]) -> web.StreamResponse:
    if not Path(path).is_file():
        raise ApiError(404, "File not found")
    return web.FileResponse(path, headers=headers, chunk_size=256 * 1024)


async def delete(call: Call) -> web.Response:
    """Into the trash; with `force`, or where the trash is off, the files go at once."""
    body = await Body.of(call.request)
    ids = body.ids()
    if len(ids) != len([asset for asset_id in ids if (asset := await _owned(call, asset_id))]):
        raise ApiError(400, "Not found or no asset.delete access")
    if body.flag("force") or not call.server.config.at("trash.enabled"):
        await _delete_for_ever(call, ids)
    else:
        await call.store.trash_assets(call.user.id, ids, datetime.now(UTC))
    return web.Response(status=204)


async def empty_trash(call: Call) -> web.Response:
    """The files of what lies in the trash go."""
    ids = await call.store.all_assets(call.user.id, trashed_only=True)
    await _delete_for_ever(call, ids)
    return reply({"count": len(ids)})


async def restore_trash(call: Call) -> web.Response:
    """All that lies in the trash comes back."""
    ids = await call.store.all_assets(call.user.id, trashed_only=True)
    await call.store.trash_assets(call.user.id, ids, None)
    return reply({"count": len(ids)})


async def _delete_for_ever(call: Call, ids: list[Any]) -> None:
    for asset in await call.store.delete_assets(call.user.id, ids):
        await remove(*asset.paths())


async def bulk_upload_check(call: Call) -> web.Response:
    """Which of a client's files are here already, by checksum."""
    body = await Body.of(call.request)
    items = body.values.get("assets")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ApiError(400, "assets must be a list of objects")
    try:
        checksums = [parse_checksum(Body(item).text("checksum")) for item in items]
    except ValueError as error:
        raise ApiError(400, str(error)) from None
    known = await call.store.assets_by_checksum(call.user.id, checksums)
    results = [_verdict(item["id"], known.get(sum_)) for item, sum_ in zip(items, checksums, strict=True)]
    return reply({"results": results})


def _verdict(client_id: str, known: Asset | None) -> dict[str, Any]:
    if known is None:
        return {"id": client_id, "action": "accept"}
    trashed = known.deleted_at is not None
    return {
        "id": client_id,
        "action": "reject",
        "reason": "duplicate",
        "assetId": str(known.id),
        "isTrashed": trashed,
    }


async def search_metadata(call: Call) -> web.Response:
    """The caller's assets, newest first, by pages; the only filter that is kept is the checksum."""
    body = await Body.of(call.request)
    page, size = body.number("page", 1, 1, 10**6), body.number("size", 250, 1, 1000)
    if "checksum" in body.values:
        found = await call.store.assets_by_checksum(call.user.id, [base64.b64decode(body.text("checksum"))])
        return _search_answer(list(found.values()), None)
    assets = await call.store.owned_assets(call.user.id, size + 1, (page - 1) * size)
    return _search_answer(assets[:size], str(page + 1) if len(assets) > size else None)


async def search_smart(call: Call) -> web.Response:
    """The caller's assets that are nearest to a text, as machine learning sees it."""
    body = await Body.of(call.request)
    if not call.server.config.machine_learning().enabled:
        raise ApiError(400, "Smart search is not enabled")
    try:
        embedding = await call.server.learning.embed_text(body.text("query"))
    except LearningError as error:
        raise RuntimeError(str(error)) from error
    assets = await call.store.nearest_assets(call.user.id, embedding, body.number("size", 100, 1, 1000))
    return _search_answer(assets, None)


def _search_answer(assets: list[Asset], next_page: str | None) -> web.Response:
    items = [views.asset(asset) for asset in assets]
    found = {"total": len(items), "count": len(items), "items": items, "facets": [], "nextPage": next_page}
    albums: dict[str, Any] = {"total": 0, "count": 0, "items": [], "facets": []}
    return reply({"albums": albums, "assets": found})


async def _owned(call: Call, asset_id: Any) -> Asset | None:
    asset = await call.store.asset(asset_id)
    return asset if asset and asset.owner_id == call.user.id else None


async def _named(call: Call, permission: str) -> Asset:
    asset = await _owned(call, parse_id(call.request.match_info["id"]))
    if asset is None:
        raise ApiError(400, f"Not found or no {permission} access")
    return asset


ROUTES = (
    Route("DELETE", "/api/assets", delete, "asset.delete"),
    Route("POST", "/api/assets/bulk-upload-check", bulk_upload_check, "asset.upload"),
    Route("GET", "/api/assets/{id}", get, "asset.read"),
    Route("GET", "/api/assets/{id}/original", original, "asset.download"),
    Route("GET", "/api/assets/{id}/thumbnail", thumbnail, "asset.view"),
    Route("POST", "/api/trash/empty", empty_trash, "asset.delete"),
    Route("POST", "/api/trash/restore", restore_trash, "asset.delete"),
    Route("POST", "/api/search/metadata", search_metadata, "asset.read"),
    Route("POST", "/api/search/smart", search_smart, "asset.read"),
)
