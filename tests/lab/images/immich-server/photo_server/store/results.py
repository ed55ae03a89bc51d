"""What the jobs make of assets: small pictures and vectors."""

from uuid import UUID

from photo_server.store.table import Table


class Results(Table):
    """The results of jobs, and what is missing."""

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
