"""Sessions and API keys: the ways in. Only digests of tokens and secrets are kept."""

from uuid import UUID

from photo_server.records import ApiKey, User
from photo_server.store.table import Table


class Sessions(Table):
    """The ways in."""

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
