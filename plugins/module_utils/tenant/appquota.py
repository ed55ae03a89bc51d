# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Immich's own quota of the customer, below the hard limit, so that the app shows a message before uploads fail.

It is set in the tenant's database, because Immich's API accepts it only from a logged-in admin, who is the customer.
Immich reads the row at each request, so nothing restarts.
"""

from __future__ import annotations

from ..common import psql
from .stack import Stack, StackError

# The first admin is the customer, who manages all other admins and users.
STATEMENT = """
WITH changed AS (
  UPDATE "user" SET "quotaSizeInBytes" = :'quota'::bigint
  WHERE "id" = (SELECT "id" FROM "user" WHERE "isAdmin" AND "deletedAt" IS NULL ORDER BY "createdAt" LIMIT 1)
  RETURNING "id"
)
SELECT count(*) FROM changed;
"""


def set_app_quota(stack: Stack, feed: psql.Feeder = psql.feed) -> None:
    """Set the quota of the first admin to `stack.app_quota` bytes; raises StackError if there is no admin."""
    try:
        check(psql.ask(stack.name, STATEMENT, {"quota": stack.app_quota}, feed))
    except psql.PsqlError as error:
        raise StackError(f"the app quota cannot be set: {error}") from error


def check(changed: str) -> None:
    """Refuse what the statement says where it found no admin; raises StackError."""
    if changed != "1":
        raise StackError("the app quota cannot be set: this instance has no admin any more")
