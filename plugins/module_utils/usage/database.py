# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the size and contents of a tenant's database with its own psql.

All statements only read, and have a time limit: values of a database that hangs, or has another schema, are unknown.
"""

from __future__ import annotations

import dataclasses
import re

from ..common import psql
from .bounded import Ask, ask

# The size comes first, so that it is known even if a later statement fails. A live photo's film is a hidden asset.
STATEMENTS = """
SELECT 'size', pg_catalog.pg_database_size(pg_catalog.current_database());
SELECT 'photos', count(*) FILTER (WHERE "type" = 'IMAGE'), 'videos', count(*) FILTER (WHERE "type" = 'VIDEO')
  FROM "asset" WHERE "deletedAt" IS NULL AND "visibility" <> 'hidden';
SELECT 'users', count(*) FROM "user" WHERE "deletedAt" IS NULL;
SELECT 'login', extract(epoch FROM max("createdAt"))::bigint FROM "session";
"""
PAIR = re.compile(r"(?:^|\|)(size|photos|videos|users|login)\|([0-9]{1,18})(?=\||$)", re.MULTILINE)
# Added to the time limit of psql in the container.
GRACE_SECONDS = 2


@dataclasses.dataclass(frozen=True)
class Database:
    """Its size in bytes, and the numbers of assets and users outside of Immich's trash; None is unknown.

    `last_login`, in seconds since 1970, does not include sessions that were logged out.
    """

    size_bytes: int | None = None
    photos: int | None = None
    videos: int | None = None
    users: int | None = None
    last_login: int | None = None


def read(tenant: str, seconds: int, answer: Ask = ask) -> Database:
    """Return the values that the database of `tenant` returns within `seconds`."""
    limits = f"-cdefault_transaction_read_only=on -cstatement_timeout={seconds * 500}"
    command = psql.command(tenant, options=limits, within_seconds=seconds)
    text = answer(command, STATEMENTS, seconds + GRACE_SECONDS)
    found = {key: int(number) for key, number in PAIR.findall(text)}
    return Database(*(found.get(key) for key in ("size", "photos", "videos", "users", "login")))
