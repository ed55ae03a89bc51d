# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The address with which the customer logs in, where it changes after the birth of the instance.

It is set in the tenant's database, because Immich's API accepts it only from a logged-in admin, who is the customer,
with a password that nobody else knows. Immich reads the row at each login, so nothing restarts, and sessions stay.
"""

from __future__ import annotations

from ..common import psql
from .stack import Stack, StackError

# The first admin is the customer. Whoever never chose a name of their own is called by the address.
STATEMENT = """
WITH changed AS (
  UPDATE "user" SET
    "email" = :'email',
    "name" = CASE WHEN "name" = "email" THEN :'email' ELSE "name" END
  WHERE "id" = (SELECT "id" FROM "user" WHERE "isAdmin" AND "deletedAt" IS NULL ORDER BY "createdAt" LIMIT 1)
  RETURNING "id"
)
SELECT count(*) FROM changed;
"""
# What Postgres says where another user has the address.
TAKEN = "duplicate key"


def set_login(stack: Stack, feed: psql.Feeder = psql.feed) -> None:
    """Set the login of the first admin to `stack.admin.email`; raises StackError if that is not possible."""
    try:
        changed = psql.ask(stack.name, STATEMENT, {"email": stack.admin.email}, feed)
    except psql.PsqlError as error:
        if TAKEN in str(error):
            raise StackError(
                "the login cannot be changed: another user of this instance has the new address; the customer can "
                f"change or remove that user, or 'silo set {stack.name} --email' names another address"
            ) from error
        raise StackError(f"the login cannot be changed: {error}") from error
    if changed != "1":
        raise StackError("the login cannot be changed: this instance has no admin any more")
