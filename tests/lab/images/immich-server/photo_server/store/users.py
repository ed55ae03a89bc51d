"""Users, and what each keeps."""

from typing import Any
from uuid import UUID

import asyncpg

from photo_server.records import Usage, User, camel
from photo_server.store.table import Table

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


class Users(Table):
    """The users."""

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
                'INSERT INTO "user" ("email", "password", "name", "isAdmin", "storageLabel")'
                " VALUES ($1, $2, $3, true, 'admin') RETURNING *",
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
