"""What all parts of the store have: connections to the database."""

import asyncpg


class Table:
    """A part of the store; each method is one question or one change."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """`pool` is connected to a migrated database."""
        self._pool = pool

    @property
    def pool(self) -> "asyncpg.Pool[asyncpg.Record]":
        """The connections, for work on whole tables."""
        return self._pool

    async def close(self) -> None:
        """Ends the connections."""
        await self._pool.close()
