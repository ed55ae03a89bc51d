"""Starts jobs in a tenant's photo server, with a temporary API key that may only start jobs.

The key is written to the tenant's own database, because Immich's API creates one only for the logged-in admin, who is
the customer. Thus no secret of the customer is needed, and none is stored.
"""

from __future__ import annotations

import dataclasses
import hashlib
import http
import json
import secrets
import typing as t

from ansible_collections.swissphoto.silo.plugins.module_utils.common import http_client, psql
from ansible_collections.swissphoto.silo.plugins.module_utils.tenant.stack import StackError

QUEUES = ("smartSearch", "faceDetection", "ocr")
NAME = "silo-catch-up"
SECONDS = 60
PORT = 2283
FORGET = """DELETE FROM "api_key" WHERE "name" = :'name';"""
# First removes the key of an interrupted run. The first admin is the customer.
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
    body = json.dumps({"command": "start", "force": False}).encode()
    headers = {"Content-Type": "application/json", "x-api-key": key}
    url = f"http://{address}:{PORT}/api/jobs/{queue}"
    try:
        return http_client.ask(url, method="PUT", body=body, headers=headers, seconds=SECONDS).status
    except http_client.HttpError as error:
        raise StackError(f"its photo server does not answer: {error}") from error


@dataclasses.dataclass(frozen=True)
class PhotoServer:
    """The photo server of the tenant `name`, at `address` of the tenant's own network."""

    name: str
    address: str
    feed: psql.Feeder = psql.feed
    put: Put = _put

    def catch_up(self) -> bool:
        """Start the missed jobs in each machine-learning queue; return False if one was busy and must be tried again.

        Raises StackError.
        """
        key = secrets.token_urlsafe(32)
        if self._ask(GRANT, hashlib.sha256(key.encode()).hexdigest()) != "1":
            raise StackError("it has no admin any more, whose API key could start jobs")
        try:
            statuses = {queue: self.put(self.address, queue, key) for queue in QUEUES}
        finally:
            self._ask(FORGET)
        # Immich answers 400 for a queue that has jobs.
        wrong = [f"{queue} with {status}" for queue, status in statuses.items() if status not in (200, 400)]
        if wrong:
            raise StackError(f"its photo server answers the start of {', '.join(wrong)}")
        return all(status == http.HTTPStatus.OK for status in statuses.values())

    def _ask(self, statement: str, digest: str = "") -> str:
        try:
            return psql.ask(self.name, statement, {"name": NAME, "digest": digest}, self.feed)
        except psql.PsqlError as error:
            raise StackError(str(error)) from error
