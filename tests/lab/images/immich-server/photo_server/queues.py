"""The job queues in Valkey, under the names that BullMQ gives its keys.

A job is a hash `immich_bull:<queue>:<id>`; its id stands in exactly one of the lists `wait` and `active` or in the
sorted set `failed`. What was active when a server ended is put back by the next one. A job that fails is not tried
again.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

PREFIX = "immich_bull"
NAMES = (
    "thumbnailGeneration metadataExtraction videoConversion faceDetection facialRecognition smartSearch "
    "duplicateDetection backgroundTask storageTemplateMigration migration search sidecar library notifications "
    "backupDatabase ocr workflow integrityCheck editor"
).split()
WORKED = ("thumbnailGeneration", "smartSearch", "videoConversion", "backupDatabase")
"""The queues that this server works on; the others of Immich are there, and always empty."""


@dataclass(frozen=True)
class Job:
    """A job: its id in the queue and the asset it is about."""

    id: str
    asset_id: str


@dataclass(frozen=True)
class Counts:
    """How many jobs are in which state. Completed jobs are not kept, as with Immich."""

    active: int
    waiting: int
    failed: int
    paused: bool


class Queue:
    """One queue."""

    def __init__(self, client: Redis, name: str) -> None:
        """`client` decodes answers to text."""
        self._client: Any = client
        self.name = name

    def key(self, part: str) -> str:
        """The name of one of the queue's keys."""
        return f"{PREFIX}:{self.name}:{part}"

    async def add(self, asset_ids: list[str]) -> None:
        """Adds a job for each asset."""
        for asset_id in asset_ids:
            job_id = str(await self._client.incr(self.key("id")))
            async with self._client.pipeline(transaction=True) as pipe:
                data = json.dumps({"id": asset_id})
                pipe.hset(self.key(job_id), mapping={"data": data, "timestamp": int(time.time() * 1000)})
                pipe.lpush(self.key("wait"), job_id)
                await pipe.execute()

    async def take(self, seconds: float) -> Job | None:
        """Takes the oldest job, waiting up to `seconds` for one; None where none came or the queue is paused."""
        if await self._client.hget(self.key("meta"), "paused"):
            return None
        job_id = await self._client.blmove(self.key("wait"), self.key("active"), seconds, "RIGHT", "LEFT")
        if job_id is None:
            return None
        data = await self._client.hget(self.key(job_id), "data")
        return Job(job_id, json.loads(data)["id"])

    async def complete(self, job: Job) -> None:
        """Forgets a job that is done."""
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.lrem(self.key("active"), 1, job.id)
            pipe.delete(self.key(job.id))
            await pipe.execute()

    async def fail(self, job: Job, reason: str) -> None:
        """Keeps a job among the failed ones, with the reason."""
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.lrem(self.key("active"), 1, job.id)
            pipe.zadd(self.key("failed"), {job.id: int(time.time() * 1000)})
            pipe.hset(self.key(job.id), "failedReason", reason)
            await pipe.execute()

    async def recover(self) -> int:
        """Puts back the jobs that were active when the last server ended. Returns how many."""
        number = 0
        while await self._client.lmove(self.key("active"), self.key("wait"), "LEFT", "RIGHT") is not None:
            number += 1
        return number

    async def counts(self) -> Counts:
        """How many jobs there are."""
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.llen(self.key("active"))
            pipe.llen(self.key("wait"))
            pipe.zcard(self.key("failed"))
            pipe.hget(self.key("meta"), "paused")
            active, waiting, failed, paused = await pipe.execute()
        return Counts(active, waiting, failed, paused is not None)

    async def failures(self) -> list[dict[str, Any]]:
        """The failed jobs, oldest first, with `id`, `data`, `timestamp` and `failedReason`."""
        jobs = []
        for job_id in await self._client.zrange(self.key("failed"), 0, -1):
            job = await self._client.hgetall(self.key(job_id))
            job |= {"id": job_id, "data": json.loads(job["data"]), "timestamp": int(job["timestamp"])}
            jobs.append(job)
        return jobs

    async def pause(self, paused: bool) -> None:
        """Stops handing out jobs, or goes on."""
        if paused:
            await self._client.hset(self.key("meta"), "paused", 1)
        else:
            await self._client.hdel(self.key("meta"), "paused")

    async def empty(self) -> None:
        """Forgets the jobs that wait."""
        while job_id := await self._client.rpop(self.key("wait")):
            await self._client.delete(self.key(job_id))

    async def clear_failed(self) -> None:
        """Forgets the jobs that failed."""
        for job_id in await self._client.zrange(self.key("failed"), 0, -1):
            await self._client.zrem(self.key("failed"), job_id)
            await self._client.delete(self.key(job_id))
