"""POST /api/assets: an upload goes to the disk as it arrives."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePath
from uuid import uuid4

from aiohttp import BodyPartReader, web

from photo_server.api.access import Call, Route
from photo_server.api.bodies import parse_time, reply
from photo_server.errors import ApiError
from photo_server.media import SIDECARS, Written, asset_type, nested, parse_checksum, remove, write_stream
from photo_server.records import Asset

_VISIBILITIES = ("timeline", "archive", "hidden", "locked")
_MOST_OF_A_FIELD = 1024 * 1024


@dataclass
class _Form:
    """What has arrived of the form."""

    fields: dict[str, str] = field(default_factory=dict)
    name: str | None = None
    data: Written | None = None
    sidecar: Written | None = None

    def paths(self) -> list[Path]:
        return [file.path for file in (self.data, self.sidecar) if file]


async def upload(call: Call) -> web.Response:
    """201 for a new asset, 200 for one whose checksum the user has. A full disk is a 500 that leaves a part behind."""
    if header := call.request.headers.get("x-immich-checksum"):
        checksum = _checksum(header)
        if known := await call.store.assets_by_checksum(call.user.id, [checksum]):
            await _drain(call.request)
            return _answer(known[checksum], "duplicate")
    form = _Form()
    try:
        with call.server.memory.upload():
            await _receive(call, form)
    except ApiError:
        await remove(*form.paths())
        await _drain(call.request)
        raise
    except OSError:
        await _drain(call.request)  # a client that still sends would not see the answer
        raise
    try:
        return await _keep(call, form)
    except ApiError:
        await remove(*form.paths())
        raise


async def _receive(call: Call, form: _Form) -> None:
    if not call.request.content_type.startswith("multipart/"):
        raise ApiError(400, "The body must be multipart/form-data")
    try:
        parts = await call.request.multipart()
        while (part := await parts.next()) is not None:
            if isinstance(part, BodyPartReader):
                await _receive_part(call, form, part)
    except ValueError as error:
        raise ApiError(400, f"Multipart: {error}") from error


async def _receive_part(call: Call, form: _Form, part: BodyPartReader) -> None:
    if part.filename is None:
        form.fields[part.name or ""] = await _text(part)
        return
    suffix = PurePath(part.filename).suffix.lower()
    path = nested(call.server.environment.media_location, "upload", call.user.id, f"{uuid4()}{suffix}")
    if part.name == "assetData" and form.data is None:
        if asset_type(part.filename) is None:
            raise ApiError(400, f"Unsupported file type {part.filename}")
        form.name = part.filename
        form.data = await write_stream(path, _blocks(part))
    elif part.name == "sidecarData" and form.sidecar is None:
        if suffix not in SIDECARS:
            raise ApiError(400, f"Unsupported file type {part.filename}")
        form.sidecar = await write_stream(path, _blocks(part))
    else:
        raise ApiError(400, f"Unexpected field {part.name}")


async def _text(part: BodyPartReader) -> str:
    value = bytearray()
    async for block in _blocks(part):
        value += block
        if len(value) > _MOST_OF_A_FIELD:
            raise ApiError(400, f"{part.name} is too long")
    return value.decode()


async def _blocks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while block := await part.read_chunk(256 * 1024):
        yield block


async def _keep(call: Call, form: _Form) -> web.Response:
    """Checks what only the whole form tells, and makes the row and the first job."""
    if form.data is None or form.name is None:
        raise ApiError(400, "assetData should not be empty")
    asset = _asset(call, form, form.data, form.name)
    user = call.user
    used = user.quota_usage_in_bytes + asset.file_size_in_byte
    if user.quota_size_in_bytes is not None and used > user.quota_size_in_bytes:
        raise ApiError(400, "Quota has been exceeded!")
    if not await call.store.create_asset(asset):
        await remove(*form.paths())
        known = await call.store.assets_by_checksum(user.id, [asset.checksum])
        return _answer(known[asset.checksum], "duplicate")
    queue = "thumbnailGeneration" if asset.type == "IMAGE" else "videoConversion"
    await call.server.queues[queue].add([str(asset.id)])
    return _answer(asset, "created")


def _asset(call: Call, form: _Form, data: Written, name: str) -> Asset:
    now = datetime.now(UTC)
    visibility = form.fields.get("visibility", "timeline")
    if visibility not in _VISIBILITIES:
        raise ApiError(400, f"visibility must be one of {', '.join(_VISIBILITIES)}")
    return Asset(
        id=uuid4(),
        owner_id=call.user.id,
        type=asset_type(name) or "IMAGE",
        original_path=str(data.path),
        original_file_name=form.fields.get("filename") or PurePath(name).name,
        sidecar_path=str(form.sidecar.path) if form.sidecar else None,
        preview_path=None,
        thumbnail_path=None,
        checksum=data.checksum,
        file_size_in_byte=data.size,
        width=None,
        height=None,
        is_favorite=form.fields.get("isFavorite") == "true",
        visibility=visibility,
        file_created_at=parse_time("fileCreatedAt", form.fields.get("fileCreatedAt")),
        file_modified_at=parse_time("fileModifiedAt", form.fields.get("fileModifiedAt")),
        created_at=now,
        updated_at=now,
        deleted_at=None,
    )


def _checksum(text: str) -> bytes:
    try:
        return parse_checksum(text)
    except ValueError as error:
        raise ApiError(400, str(error)) from None


def _answer(asset: Asset, status: str) -> web.Response:
    return reply({"id": str(asset.id), "status": status}, status=201 if status == "created" else 200)


async def _drain(request: web.Request) -> None:
    """Reads the rest of the body and forgets it."""
    async for _block in request.content.iter_any():
        pass


ROUTES = (Route("POST", "/api/assets", upload, "asset.upload"),)
