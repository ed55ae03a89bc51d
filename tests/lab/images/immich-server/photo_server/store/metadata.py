"""What the server remembers of itself."""

import json
from typing import Any

from photo_server.store.table import Table


class Metadata(Table):
    """Objects by their key."""

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
