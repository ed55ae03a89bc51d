# Copyright: SwissPhoto
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Immich's own quota of the customer, below the wall: who comes to it reads a sentence in the app, not a fault.

It is set in the tenant's database. Immich's API takes it from an admin who is logged in alone, which is the customer,
whose password is theirs after the first day. Immich reads the row at each request, so nothing restarts.
"""

from __future__ import annotations

import subprocess
import typing as t
from collections.abc import Sequence

from .stack import Stack, StackError

SECONDS = 60
# The first admin is the customer; other admins and users are the customer's own affair.
STATEMENT = """
WITH changed AS (
  UPDATE "user" SET "quotaSizeInBytes" = :'quota'::bigint
  WHERE "id" = (SELECT "id" FROM "user" WHERE "isAdmin" AND "deletedAt" IS NULL ORDER BY "createdAt" LIMIT 1)
  RETURNING "id"
)
SELECT count(*) FROM changed;
"""

Feeder = t.Callable[[Sequence[str], str], "subprocess.CompletedProcess[str]"]


def _feed(command: Sequence[str], text: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(list(command), input=text, capture_output=True, text=True, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise StackError(f"the app quota cannot be set: the database does not answer within {SECONDS} s") from error


def set_app_quota(stack: Stack, feed: Feeder = _feed) -> None:
    """Set the quota of the first admin to `stack.app_quota` bytes; raises StackError where there is no such admin."""
    container = f"silo-{stack.name}-database-1"
    psql = ("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-v", f"quota={stack.app_quota}", "-U", "immich", "-d", "immich")
    result = feed(("docker", "exec", "--interactive", container, *psql), STATEMENT)
    if result.returncode:
        reason = " ".join(result.stderr.split()) or "it says nothing"
        raise StackError(f"the app quota cannot be set, {container} ends with code {result.returncode}: {reason[:200]}")
    if result.stdout.strip() != "1":
        raise StackError("the app quota cannot be set: this instance has no admin any more, whose quota it would be")
