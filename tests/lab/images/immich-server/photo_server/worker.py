"""The worker: makes the small pictures of each upload, then asks machine learning for its vector.

Of a film it makes nothing, and takes as long and as much memory as if it did. It dumps the database.
"""

import asyncio
import logging
from pathlib import Path
from uuid import UUID

from redis.exceptions import RedisError

from photo_server.costs import burn
from photo_server.dumps import dump
from photo_server.media import nested, remove
from photo_server.pictures import make_small_pictures
from photo_server.queues import WORKED, Job, Queue
from photo_server.server import Server

_log = logging.getLogger(__name__)


class Worker:
    """Takes jobs from the queues, each queue with the concurrency of the configuration."""

    def __init__(self, server: Server) -> None:
        """The configuration is that of the start."""
        self._config = server.config
        self._store = server.store
        self._queues = server.queues
        self._learning = server.learning
        self._location = server.environment.media_location
        self._memory = server.memory
        self._costs = server.environment.costs

    async def run(self) -> None:
        """Works until it is cancelled. What is active then, is put back by the next start."""
        for name in WORKED:
            if number := await self._queues[name].recover():
                _log.info("Queue %s: put back %d jobs that were active", name, number)
        async with asyncio.TaskGroup() as group:
            for name in WORKED:
                for _ in range(self._config.concurrency(name)):
                    group.create_task(self._work(self._queues[name]))

    async def _work(self, queue: Queue) -> None:
        while True:
            try:
                job = await queue.take(5)
                if job is None:
                    await asyncio.sleep(0.2)
                else:
                    await self._finish(queue, job)
            except RedisError as error:
                _log.error("Queue %s: %s", queue.name, error)
                await asyncio.sleep(1)

    async def _finish(self, queue: Queue, job: Job) -> None:
        try:
            if queue.name == "thumbnailGeneration":
                await self._make_thumbnails(UUID(job.asset_id))
            elif queue.name == "videoConversion":
                with self._memory.video():
                    await asyncio.to_thread(burn, self._costs.video)
            elif queue.name == "backupDatabase":
                with self._memory.dump():
                    await dump(self._store.pool, self._location / "backups")
            else:
                await self._make_embedding(UUID(job.asset_id))
        except RedisError:
            raise
        except Exception as error:  # whatever a picture does to a job, the worker goes on
            _log.error("Job %s of %s failed for %s: %s", job.id, queue.name, job.asset_id, error)
            await queue.fail(job, f"{type(error).__name__}: {error}")
        else:
            await queue.complete(job)

    async def _make_thumbnails(self, asset_id: UUID) -> None:
        asset = await self._store.asset(asset_id)
        if asset is None or asset.type != "IMAGE":
            return
        preview = nested(self._location, "thumbs", asset.owner_id, f"{asset_id}_preview.jpeg")
        thumbnail = nested(self._location, "thumbs", asset.owner_id, f"{asset_id}_thumbnail.webp")
        try:
            with self._memory.job():
                size = await asyncio.to_thread(make_small_pictures, Path(asset.original_path), preview, thumbnail)
        except OSError:
            await remove(preview, thumbnail)
            raise
        kept = await self._store.set_thumbnails(asset_id, str(preview), str(thumbnail), size.width, size.height)
        if kept:
            await self._queues["smartSearch"].add([str(asset_id)])
        else:  # deleted while the job ran
            await remove(preview, thumbnail)

    async def _make_embedding(self, asset_id: UUID) -> None:
        if not self._config.machine_learning().enabled:
            return
        asset = await self._store.asset(asset_id)
        if asset is None or asset.preview_path is None:
            return
        picture = await asyncio.to_thread(Path(asset.preview_path).read_bytes)
        await self._store.set_embedding(asset_id, await self._learning.embed_picture(picture))
