"""Albums."""

from typing import Any
from uuid import UUID

from photo_server.store.table import Table


class Albums(Table):
    """The albums."""

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
