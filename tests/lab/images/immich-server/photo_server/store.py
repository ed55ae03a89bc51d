"""What is kept in PostgreSQL: questions and changes, one method each."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from photo_server.records import ApiKey, Asset, Usage, User, camel

_ADMIN_LOCK = 201
_USAGE = """
SELECT u."id" AS "userId", u."name" AS "userName", u."quotaSizeInBytes",
  count(*) FILTER (WHERE a."type" = 'IMAGE') AS "photos",
  count(*) FILTER (WHERE a."type" = 'VIDEO') AS "videos",
  coalesce(sum(a."fileSizeInByte") FILTER (WHERE a."type" = 'IMAGE'), 0)::bigint AS "usagePhotos",
  coalesce(sum(a."fileSizeInByte") FILTER (WHERE a."type" = 'VIDEO'), 0)::bigint AS "usageVideos"
FROM "user" u LEFT JOIN "asset" a ON a."ownerId" = u."id" AND a."deletedAt" IS NULL
WHERE u."deletedAt" IS NULL GROUP BY u."id" ORDER BY u."createdAt"
"""


class Store:
    """The database behind the API and the worker."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """`pool` is connected to a migrated database."""
        self._pool = pool

    async def close(self) -> None:
        """Ends the connections."""
        await self._pool.close()

    # System metadata

    async def metadata(self, key: str) -> dict[str, Any]:
        """A stored object, empty where there is none."""
        value = await self._pool.fetchval('SELECT "value" FROM "system_metadata" WHERE "key" = $1', key)
        return dict(json.loads(value)) if value else {}

    async def set_metadata(self, key: str, value: dict[str, Any]) -> None:
        """Stores an object."""
        await self._pool.execute(
            'INSERT INTO "system_metadata" VALUES ($1, $2) ON CONFLICT ("key") DO UPDATE SET "value" = $2',
            key,
            json.dumps(value),
        )

    # Users

    async def admin_exists(self) -> bool:
        """Whether somebody has signed up."""
        return bool(await self._pool.fetchval('SELECT exists(SELECT FROM "user" WHERE "isAdmin")'))

    async def create_first_admin(self, email: str, password: str, name: str) -> User | None:
        """The admin, or None where there is one already; of two at once one wins."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _ADMIN_LOCK)
            if await connection.fetchval('SELECT exists(SELECT FROM "user" WHERE "isAdmin")'):
                return None
            row = await connection.fetchrow(
                'INSERT INTO "user" ("email", "password", "name", "isAdmin", "shouldChangePassword", "storageLabel")'
                " VALUES ($1, $2, $3, true, false, 'admin') RETURNING *",
                email,
                password,
                name,
            )
            return User.of(row)

    async def create_user(self, values: dict[str, Any]) -> User | None:
        """A new user from column values in snake case, or None where the e-mail or storage label is taken."""
        columns = ", ".join(f'"{camel(name)}"' for name in values)
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        try:
            row = await self._pool.fetchrow(
                f'INSERT INTO "user" ({columns}) VALUES ({places}) RETURNING *',  # noqa: S608 - our own column names
                *values.values(),
            )
        except asyncpg.UniqueViolationError:
            return None
        return User.of(row)

    async def update_user(self, user_id: UUID, values: dict[str, Any]) -> User | None:
        """Changes columns in snake case; None where nobody has the id or the new e-mail or label is taken."""
        changes = ", ".join(f'"{camel(name)}" = ${number}' for number, name in enumerate(values, 2))
        try:
            row = await self._pool.fetchrow(
                f'UPDATE "user" SET {changes}, "updatedAt" = now() WHERE "id" = $1 RETURNING *',  # noqa: S608 - likewise
                user_id,
                *values.values(),
            )
        except asyncpg.UniqueViolationError:
            return None
        return User.of(row) if row else None

    async def delete_user(self, user_id: UUID) -> None:
        """Removes the user with all rows that belong to it."""
        await self._pool.execute('DELETE FROM "user" WHERE "id" = $1', user_id)

    async def users(self, with_deleted: bool = False) -> list[User]:
        """All users, oldest first."""
        rows = await self._pool.fetch(
            'SELECT * FROM "user" WHERE $1 OR "deletedAt" IS NULL ORDER BY "createdAt"', with_deleted
        )
        return [User.of(row) for row in rows]

    async def user(self, user_id: UUID) -> User | None:
        """The user of an id, deleted ones too."""
        row = await self._pool.fetchrow('SELECT * FROM "user" WHERE "id" = $1', user_id)
        return User.of(row) if row else None

    async def user_by_email(self, email: str) -> User | None:
        """The user who may log in with an e-mail address."""
        row = await self._pool.fetchrow('SELECT * FROM "user" WHERE "email" = $1 AND "deletedAt" IS NULL', email)
        return User.of(row) if row else None

    async def usage(self) -> list[Usage]:
        """What each user keeps."""
        return [Usage.of(row) for row in await self._pool.fetch(_USAGE)]

    # Sessions and API keys

    async def create_session(self, user_id: UUID, token: bytes) -> None:
        """Keeps a session by the digest of its token."""
        await self._pool.execute('INSERT INTO "session" ("userId", "token") VALUES ($1, $2)', user_id, token)

    async def user_of_session(self, token: bytes) -> User | None:
        """The user of a session."""
        row = await self._pool.fetchrow(
            'SELECT u.* FROM "user" u JOIN "session" s ON s."userId" = u."id"'
            ' WHERE s."token" = $1 AND u."deletedAt" IS NULL',
            token,
        )
        return User.of(row) if row else None

    async def end_session(self, token: bytes) -> None:
        """Forgets one session."""
        await self._pool.execute('DELETE FROM "session" WHERE "token" = $1', token)

    async def end_sessions(self, user_id: UUID, except_token: bytes) -> None:
        """Forgets all sessions of a user but one."""
        await self._pool.execute('DELETE FROM "session" WHERE "userId" = $1 AND "token" <> $2', user_id, except_token)

    async def create_api_key(self, user_id: UUID, name: str, permissions: list[str], key: bytes) -> ApiKey:
        """Keeps an API key by the digest of its secret."""
        row = await self._pool.fetchrow(
            'INSERT INTO "api_key" ("userId", "name", "permissions", "key") VALUES ($1, $2, $3, $4) RETURNING *',
            user_id,
            name,
            permissions,
            key,
        )
        return ApiKey.of(row)

    async def api_keys(self, user_id: UUID) -> list[ApiKey]:
        """The keys of a user."""
        rows = await self._pool.fetch('SELECT * FROM "api_key" WHERE "userId" = $1 ORDER BY "createdAt"', user_id)
        return [ApiKey.of(row) for row in rows]

    async def delete_api_key(self, user_id: UUID, key_id: UUID) -> bool:
        """Forgets a key; False where the user has none of that id."""
        query = 'DELETE FROM "api_key" WHERE "userId" = $1 AND "id" = $2 RETURNING true'
        return bool(await self._pool.fetchval(query, user_id, key_id))

    async def api_key(self, key: bytes) -> ApiKey | None:
        """The key of a secret's digest."""
        row = await self._pool.fetchrow('SELECT * FROM "api_key" WHERE "key" = $1', key)
        return ApiKey.of(row) if row else None

    # Assets

    async def create_asset(self, asset: Asset) -> bool:
        """Keeps an asset and counts its size; False where the owner has one with its checksum."""
        names = [
            "id owner_id type original_path original_file_name sidecar_path checksum file_size_in_byte",
            "is_favorite visibility file_created_at file_modified_at",
        ]
        values = {name: getattr(asset, name) for name in " ".join(names).split()}
        columns = ", ".join(f'"{camel(name)}"' for name in values)
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        async with self._pool.acquire() as connection, connection.transaction():
            created = await connection.fetchval(
                f'INSERT INTO "asset" ({columns}) VALUES ({places})'  # noqa: S608 - our own column names
                ' ON CONFLICT ("ownerId", "checksum") DO NOTHING RETURNING true',
                *values.values(),
            )
            if created:
                await _count(connection, asset.owner_id, asset.file_size_in_byte)
            return bool(created)

    async def asset(self, asset_id: UUID) -> Asset | None:
        """The asset of an id."""
        row = await self._pool.fetchrow('SELECT * FROM "asset" WHERE "id" = $1', asset_id)
        return Asset.of(row) if row else None

    async def assets_by_checksum(self, owner_id: UUID, checksums: list[bytes]) -> dict[bytes, Asset]:
        """The assets of an owner that have one of the checksums."""
        rows = await self._pool.fetch(
            'SELECT * FROM "asset" WHERE "ownerId" = $1 AND "checksum" = any($2)', owner_id, checksums
        )
        return {row["checksum"]: Asset.of(row) for row in rows}

    async def owned_assets(self, owner_id: UUID, limit: int, offset: int) -> list[Asset]:
        """The assets of an owner that are not in the trash, newest first."""
        rows = await self._pool.fetch(
            'SELECT * FROM "asset" WHERE "ownerId" = $1 AND "deletedAt" IS NULL'
            ' ORDER BY "fileCreatedAt" DESC, "id" LIMIT $2 OFFSET $3',
            owner_id,
            limit,
            offset,
        )
        return [Asset.of(row) for row in rows]

    async def nearest_assets(self, owner_id: UUID, embedding: str, limit: int) -> list[Asset]:
        """The assets of an owner whose vectors are nearest to one, in its JSON text."""
        rows = await self._pool.fetch(
            'SELECT a.* FROM "asset" a JOIN "smart_search" s ON s."assetId" = a."id"'
            ' WHERE a."ownerId" = $1 AND a."deletedAt" IS NULL ORDER BY s."embedding" <=> $2::text::vector LIMIT $3',
            owner_id,
            embedding,
            limit,
        )
        return [Asset.of(row) for row in rows]

    async def trash_assets(self, owner_id: UUID, ids: list[UUID], when: datetime | None) -> None:
        """Puts assets into the trash, or takes them out (None)."""
        await self._pool.execute(
            'UPDATE "asset" SET "deletedAt" = $3, "updatedAt" = now() WHERE "ownerId" = $1 AND "id" = any($2)',
            owner_id,
            ids,
            when,
        )

    async def delete_assets(self, owner_id: UUID, ids: list[UUID]) -> list[Asset]:
        """Forgets assets of an owner and their size; the caller removes the files of what is returned."""
        async with self._pool.acquire() as connection, connection.transaction():
            query = 'DELETE FROM "asset" WHERE "ownerId" = $1 AND "id" = any($2) RETURNING *'
            assets = [Asset.of(row) for row in await connection.fetch(query, owner_id, ids)]
            await _count(connection, owner_id, -sum(asset.file_size_in_byte for asset in assets))
            return assets

    async def all_assets(self, owner_id: UUID, trashed_only: bool = False) -> list[UUID]:
        """The ids of all assets of an owner."""
        rows = await self._pool.fetch(
            'SELECT "id" FROM "asset" WHERE "ownerId" = $1 AND (NOT $2 OR "deletedAt" IS NOT NULL)',
            owner_id,
            trashed_only,
        )
        return [row["id"] for row in rows]

    # What the jobs make

    async def set_thumbnails(self, asset_id: UUID, preview: str, thumbnail: str, width: int, height: int) -> bool:
        """Keeps where the small pictures lie, and the size in pixels; False where the asset is gone."""
        query = (
            'UPDATE "asset" SET "previewPath" = $2, "thumbnailPath" = $3, "width" = $4, "height" = $5'
            ' WHERE "id" = $1 RETURNING true'
        )
        return bool(await self._pool.fetchval(query, asset_id, preview, thumbnail, width, height))

    async def set_embedding(self, asset_id: UUID, embedding: str) -> None:
        """Keeps the vector of an asset, given as JSON text; nothing where the asset is gone meanwhile."""
        await self._pool.execute(
            'INSERT INTO "smart_search" SELECT "id", $2::text::vector FROM "asset" WHERE "id" = $1'
            ' ON CONFLICT ("assetId") DO UPDATE SET "embedding" = excluded."embedding"',
            asset_id,
            embedding,
        )

    async def assets_without_thumbnail(self, everything: bool) -> list[UUID]:
        """The pictures whose thumbnail is missing, or all pictures."""
        rows = await self._pool.fetch(
            """SELECT "id" FROM "asset" WHERE "type" = 'IMAGE' AND ($1 OR "previewPath" IS NULL)""", everything
        )
        return [row["id"] for row in rows]

    async def assets_without_embedding(self, everything: bool) -> list[UUID]:
        """The pictures with a preview whose vector is missing, or all of them."""
        rows = await self._pool.fetch(
            'SELECT a."id" FROM "asset" a LEFT JOIN "smart_search" s ON s."assetId" = a."id"'
            ' WHERE a."previewPath" IS NOT NULL AND ($1 OR s."assetId" IS NULL)',
            everything,
        )
        return [row["id"] for row in rows]

    # Albums

    async def create_album(self, owner_id: UUID, name: str, description: str) -> UUID:
        """The id of a new album."""
        query = 'INSERT INTO "album" ("ownerId", "albumName", "description") VALUES ($1, $2, $3) RETURNING "id"'
        album_id: UUID = await self._pool.fetchval(query, owner_id, name, description)
        return album_id

    async def albums(self, owner_id: UUID) -> list[dict[str, Any]]:
        """The albums of an owner, with the number of their assets as `assetCount`."""
        rows = await self._pool.fetch(
            'SELECT b.*, count(l."assetId") AS "assetCount" FROM "album" b'
            ' LEFT JOIN "album_asset" l ON l."albumId" = b."id"'
            ' WHERE b."ownerId" = $1 GROUP BY b."id" ORDER BY b."createdAt"',
            owner_id,
        )
        return [dict(row) for row in rows]

    async def add_to_album(self, owner_id: UUID, album_id: UUID, asset_id: UUID) -> str | None:
        """None where the asset was added, else `duplicate` or `not_found`."""
        async with self._pool.acquire() as connection, connection.transaction():
            mine = await connection.fetchval(
                'SELECT exists(SELECT FROM "album" WHERE "id" = $2 AND "ownerId" = $1)'
                ' AND exists(SELECT FROM "asset" WHERE "id" = $3 AND "ownerId" = $1)',
                owner_id,
                album_id,
                asset_id,
            )
            if not mine:
                return "not_found"
            added = await connection.fetchval(
                'INSERT INTO "album_asset" VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true', album_id, asset_id
            )
            return None if added else "duplicate"


async def _count(connection: Any, owner_id: UUID, size: int) -> None:
    await connection.execute(
        'UPDATE "user" SET "quotaUsageInBytes" = greatest(0, "quotaUsageInBytes" + $2) WHERE "id" = $1', owner_id, size
    )
