"""The machine learning itself, behind the gate."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import http
import time

from ansible_collections.swissphoto.silo.plugins.module_utils.common import http_client

from .answers import Answer, Refusal
from .settings import Bounds

PING_SECONDS = 2.0
# Whoever asks meanwhile gets the same answer.
PING_EVERY = 2.0
# The text of a page full of words with its places; a vector has 10 KiB.
LARGEST_ANSWER = 2 * 1024**2
# What it answers to a picture that it cannot read.
PASSED = (http.HTTPStatus.BAD_REQUEST, http.HTTPStatus.UNPROCESSABLE_ENTITY, http.HTTPStatus.INTERNAL_SERVER_ERROR)


class Service:
    """Asks the machine learning at `url`, in threads: as many as requests may be under way, and one for its health."""

    def __init__(self, url: str, bounds: Bounds) -> None:
        """Connect to nothing yet."""
        self._url, self._seconds = url, bounds.answer_seconds
        self._pool = concurrent.futures.ThreadPoolExecutor(bounds.requests, "predict")
        self._health = concurrent.futures.ThreadPoolExecutor(1, "ping")
        self._asked, self._works = -PING_EVERY, False
        self._asking = asyncio.Lock()

    def close(self) -> None:
        """Begin nothing more."""
        for pool in (self._pool, self._health):
            pool.shutdown(wait=False, cancel_futures=True)

    async def predict(self, kind: str, form: bytes) -> Answer:
        """Return the answer to a form; raises Refusal, also for an answer that is more than is taken.

        It ends when the machine learning has answered, even if nobody waits for it any more: only so is what a tenant
        has under way also what the machine learning has to do for it.
        """
        ask = functools.partial(
            http_client.ask,
            f"{self._url}/predict",
            method="POST",
            body=form,
            headers={"Content-Type": kind},
            seconds=self._seconds,
            largest=LARGEST_ANSWER,
        )
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._pool, ask)
        except http_client.HttpError as error:
            if isinstance(error.__cause__, TimeoutError):
                status, why = http.HTTPStatus.GATEWAY_TIMEOUT, f"did not answer within {self._seconds:g} s"
            else:
                status, why = http.HTTPStatus.BAD_GATEWAY, "does not answer"
            raise Refusal(status, f"the machine learning {why}", "failed") from error
        if found.status == http.HTTPStatus.OK and found.whole:
            return Answer(http.HTTPStatus.OK, found.body)
        # Its own words are not passed on: they may tell about the server.
        if found.status in PASSED:
            raise Refusal(http.HTTPStatus(found.status), "the machine learning cannot use the content", "failed")
        raise Refusal(http.HTTPStatus.BAD_GATEWAY, f"the machine learning answers with {found.status}", "failed")

    async def works(self) -> bool:
        """Return whether it answers; it is asked once in two seconds at most, whoever wants to know."""
        async with self._asking:
            if time.monotonic() - self._asked >= PING_EVERY:
                self._works = await asyncio.get_running_loop().run_in_executor(self._health, self._ping)
                self._asked = time.monotonic()
        return self._works

    def _ping(self) -> bool:
        try:
            return http_client.ask(f"{self._url}/ping", seconds=PING_SECONDS).status == http.HTTPStatus.OK
        except http_client.HttpError:
            return False
