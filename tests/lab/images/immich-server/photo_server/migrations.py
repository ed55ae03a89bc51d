"""The tables, in steps. Each step runs once, in order; a database with unknown steps is newer than this server."""

import logging

import asyncpg

from photo_server.errors import StartError

_log = logging.getLogger(__name__)

_EXTENSIONS = ("uuid-ossp", "unaccent", "cube", "earthdistance", "pg_trgm")

_INITIAL = """
CREATE TABLE "user" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "email" text NOT NULL UNIQUE,
  "password" text NOT NULL,
  "name" text NOT NULL DEFAULT '',
  "isAdmin" boolean NOT NULL DEFAULT false,
  "shouldChangePassword" boolean NOT NULL DEFAULT true,
  "storageLabel" text UNIQUE,
  "quotaSizeInBytes" bigint,
  "quotaUsageInBytes" bigint NOT NULL DEFAULT 0,
  "status" text NOT NULL DEFAULT 'active',
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "deletedAt" timestamptz
);
CREATE TABLE "session" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "token" bytea NOT NULL UNIQUE,
  "userId" uuid NOT NULL REFERENCES "user" ON DELETE CASCADE,
  "createdAt" timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE "api_key" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "key" bytea NOT NULL UNIQUE,
  "name" text NOT NULL,
  "permissions" text[] NOT NULL,
  "userId" uuid NOT NULL REFERENCES "user" ON DELETE CASCADE,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE "asset" (
  "id" uuid PRIMARY KEY,
  "ownerId" uuid NOT NULL REFERENCES "user" ON DELETE CASCADE,
  "type" text NOT NULL,
  "originalPath" text NOT NULL,
  "originalFileName" text NOT NULL,
  "sidecarPath" text,
  "previewPath" text,
  "thumbnailPath" text,
  "checksum" bytea NOT NULL,
  "fileSizeInByte" bigint NOT NULL,
  "width" integer,
  "height" integer,
  "isFavorite" boolean NOT NULL DEFAULT false,
  "visibility" text NOT NULL DEFAULT 'timeline',
  "fileCreatedAt" timestamptz NOT NULL,
  "fileModifiedAt" timestamptz NOT NULL,
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now(),
  "deletedAt" timestamptz,
  UNIQUE ("ownerId", "checksum")
);
CREATE TABLE "smart_search" (
  "assetId" uuid PRIMARY KEY REFERENCES "asset" ON DELETE CASCADE,
  "embedding" vector(512) NOT NULL
);
CREATE TABLE "album" (
  "id" uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  "ownerId" uuid NOT NULL REFERENCES "user" ON DELETE CASCADE,
  "albumName" text NOT NULL,
  "description" text NOT NULL DEFAULT '',
  "createdAt" timestamptz NOT NULL DEFAULT now(),
  "updatedAt" timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE "album_asset" (
  "albumId" uuid NOT NULL REFERENCES "album" ON DELETE CASCADE,
  "assetId" uuid NOT NULL REFERENCES "asset" ON DELETE CASCADE,
  PRIMARY KEY ("albumId", "assetId")
);
CREATE TABLE "system_metadata" ("key" text PRIMARY KEY, "value" jsonb NOT NULL);
"""

PLACES_TABLE = """
CREATE TABLE "geodata_places" (
  "id" integer NOT NULL,
  "name" character varying(200) NOT NULL,
  "longitude" double precision NOT NULL,
  "latitude" double precision NOT NULL,
  "countryCode" character(2) NOT NULL,
  "admin1Code" character varying(20),
  "admin2Code" character varying(80),
  "modificationDate" date NOT NULL,
  "admin1Name" character varying,
  "admin2Name" character varying,
  "alternateNames" character varying
);
"""
_NAMES = {
    "alternate_names": "alternateNames",
    "name": "name",
    "admin1_name": "admin1Name",
    "admin2_name": "admin2Name",
}
PLACES_INDEXES = (
    'CREATE INDEX "IDX_geodata_gist_earthcoord" ON "geodata_places" USING gist (ll_to_earth("latitude", "longitude"))',
    'ALTER TABLE "geodata_places" ADD CONSTRAINT "geodata_places_pkey" PRIMARY KEY ("id")',
    *(
        f'CREATE INDEX "idx_geodata_places_{index}" ON "geodata_places" USING gin (f_unaccent("{column}") gin_trgm_ops)'
        for index, column in _NAMES.items()
    ),
)
"""The first is there while rows are inserted, the others are made afterwards."""

# An index takes no function whose result may change; that of the extension depends on the search path.
_PLACES = f"""
CREATE FUNCTION f_unaccent(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  AS $$ SELECT public.unaccent('public.unaccent'::regdictionary, $1) $$;
{PLACES_TABLE}
"""

MIGRATIONS: tuple[tuple[str, str], ...] = (("0001-initial", _INITIAL), ("0002-places", _PLACES))
_VECTOR_INDEX = {
    "vector": "USING hnsw (embedding vector_cosine_ops) WITH (ef_construction = 300, m = 16)",
    "vchord": "USING vchordrq (embedding vector_cosine_ops)",
}


async def migrate(connection: asyncpg.Connection, extension: str | None) -> None:
    """Brings the tables to this release. The caller holds the lock. Raises StartError."""
    extension = extension or await _preferred_extension(connection)
    try:
        await connection.execute(f'CREATE EXTENSION IF NOT EXISTS "{extension}" CASCADE')
        for name in _EXTENSIONS:
            await connection.execute(f'CREATE EXTENSION IF NOT EXISTS "{name}"')
    except asyncpg.PostgresError as error:
        raise StartError(f"The database cannot load an extension: {str(error).splitlines()[0]}") from error
    await connection.execute(
        'CREATE TABLE IF NOT EXISTS "kysely_migrations" ("name" text PRIMARY KEY, "timestamp" text NOT NULL)'
    )
    done = {row["name"] for row in await connection.fetch('SELECT "name" FROM "kysely_migrations"')}
    if unknown := sorted(done - {name for name, _ in MIGRATIONS}):
        raise StartError(f"corrupted migrations: previously executed migration {unknown[0]} is missing")
    for name, statements in MIGRATIONS:
        if name not in done:
            async with connection.transaction():
                await connection.execute(statements)
                await connection.execute('INSERT INTO "kysely_migrations" VALUES ($1, now()::text)', name)
            _log.info("Migration %s succeeded", name)
    await connection.execute(f'CREATE INDEX IF NOT EXISTS "clip_index" ON "smart_search" {_VECTOR_INDEX[extension]}')


async def _preferred_extension(connection: asyncpg.Connection) -> str:
    """VectorChord where the database offers it, else pgvector."""
    offered = await connection.fetchval("SELECT count(*) FROM pg_available_extensions WHERE name = 'vchord'")
    return "vchord" if offered else "vector"
