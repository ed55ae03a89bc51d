"""A dump of the database in the folder of backups: each table as COPY writes it."""

import asyncio
import gzip
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from photo_server import VERSION

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"


async def dump(pool: "asyncpg.Pool[asyncpg.Record]", folder: Path) -> Path:
    """Writes the dump aside, and gives it its name when it is whole. Raises OSError and PostgresError."""
    async with pool.acquire() as connection:
        major = connection.get_server_version().major
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        path = folder / f"immich-db-backup-{now}-v{'.'.join(map(str, VERSION))}-pg{major}.sql.gz"
        aside = path.with_name(f"{path.name}.tmp")
        with gzip.open(aside, "wb", compresslevel=1) as file:

            async def write(data: bytes) -> None:
                await asyncio.to_thread(file.write, data)

            async with connection.transaction(isolation="repeatable_read", readonly=True):
                for (table,) in await connection.fetch(_TABLES):
                    file.write(f'COPY public."{table}" FROM stdin;\n'.encode())
                    await connection.copy_from_table(table, schema_name="public", output=write, timeout=600)
                    file.write(b"\\.\n")
        aside.replace(path)
    return path
