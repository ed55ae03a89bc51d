"""A photo server told to do what is missing, with a key that may start jobs and is gone afterwards.

The key is put into the tenant's own database, as Immich's API gives one only to an admin who is logged in, which is the
customer. So no secret of the customer's is needed, and none is kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import http.client
import json
import secrets
import typing as t

from ansible_collections.swissphoto.silo.plugins.module_utils.common import psql
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

QUEUES = ("smartSearch", "faceDetection", "ocr")
NAME = "silo-catch-up"
SECONDS = 60
LARGEST = 64 * 1024
FORGET = """DELETE FROM "api_key" WHERE "name" = :'name';"""
# What a run that was cut off has left goes first. The first admin is the customer.
GRANT = """
BEGIN;
DELETE FROM "api_key" WHERE "name" = :'name';
WITH made AS (
  INSERT INTO "api_key" ("name", "key", "permissions", "userId")
  SELECT :'name', decode(:'digest', 'hex'), '{job.create}', "id"
  FROM "user" WHERE "isAdmin" AND "deletedAt" IS NULL ORDER BY "createdAt" LIMIT 1
  RETURNING "id"
)
SELECT count(*) FROM made;
COMMIT;
"""

Put = t.Callable[[str, str, str], int]


def _put(address: str, queue: str, key: str) -> int:
    connection = http.client.HTTPConnection(address, 2283, timeout=SECONDS)
    try:
        body = json.dumps({"command": "start", "force": False})
        headers = {"Content-Type": "application/json", "x-api-key": key}
        connection.request("PUT", f"/api/jobs/{queue}", body, headers)
        response = connection.getresponse()
        response.read(LARGEST)
        return response.status
    except (OSError, http.client.HTTPException) as error:
        raise StackError(f"its photo server does not answer: {error}") from error
    finally:
        connection.close()


@dataclasses.dataclass(frozen=True)
class PhotoServer:
    """The photo server of the tenant `name`, at `address` of the tenant's own network."""

    name: str
    address: str
    feed: psql.Feeder = psql.feed
    put: Put = _put

    def catch_up(self) -> bool:
        """Start what is missing in each queue of machine learning; False where one was busy, and is to be asked again.

        Raises StackError.
        """
        key = secrets.token_urlsafe(32)
        if self._ask(GRANT, hashlib.sha256(key.encode()).hexdigest()) != "1":
            raise StackError("it has no admin any more, in whose name jobs are started")
        try:
            statuses = {queue: self.put(self.address, queue, key) for queue in QUEUES}
        finally:
            self._ask(FORGET)
        # Immich refuses a queue with jobs in it by 400.
        wrong = [f"{queue} with {status}" for queue, status in statuses.items() if status not in (200, 400)]
        if wrong:
            raise StackError(f"its photo server answers the start of {', '.join(wrong)}")
        return all(status == http.client.OK for status in statuses.values())

    def _ask(self, statement: str, digest: str = "") -> str:
        try:
            return psql.ask(self.name, statement, {"name": NAME, "digest": digest}, self.feed)
        except psql.PsqlError as error:
            raise StackError(str(error)) from error
