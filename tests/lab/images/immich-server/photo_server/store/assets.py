"""Photos and videos."""

from datetime import datetime
from typing import Any
from uuid import UUID

from photo_server.records import Asset, camel
from photo_server.store.table import Table


class Assets(Table):
    """The assets, and the space that each user takes with them."""

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


async def _count(connection: Any, owner_id: UUID, size: int) -> None:
    await connection.execute(
        'UPDATE "user" SET "quotaUsageInBytes" = greatest(0, "quotaUsageInBytes" + $2) WHERE "id" = $1', owner_id, size
    )
