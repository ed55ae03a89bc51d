"""The client of the machine learning service."""

import json
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout, FormData

from photo_server.config import MachineLearning


class LearningError(Exception):
    """No URL gave an answer; the message says what each one said."""


class LearningClient:
    """Asks the URLs of the configuration in their order until one answers."""

    def __init__(self, settings: MachineLearning) -> None:
        """Nothing is connected before the first question."""
        self._settings = settings
        self._session = ClientSession(timeout=ClientTimeout(total=120, connect=5))

    async def close(self) -> None:
        """Ends the connections."""
        await self._session.close()

    async def embed_picture(self, picture: bytes) -> str:
        """The vector of an encoded picture, as JSON text. Raises LearningError."""
        form = {"clip": {"visual": {"modelName": self._settings.model}}}
        return await self._predict(form, "image", picture)

    async def embed_text(self, text: str) -> str:
        """The vector of a text, as JSON text. Raises LearningError."""
        return await self._predict({"clip": {"textual": {"modelName": self._settings.model}}}, "text", text)

    async def _predict(self, entries: dict[str, Any], name: str, value: bytes | str) -> str:
        answers = []
        for url in self._settings.urls:
            form = FormData()
            form.add_field("entries", json.dumps(entries))
            form.add_field(name, value, filename="image" if isinstance(value, bytes) else None)
            try:
                async with self._session.post(f"{url}/predict", data=form) as response:
                    if response.status == 200:
                        return str((await response.json())["clip"])
                    answers.append(f"{url}: {response.status}")
            except (ClientError, TimeoutError, OSError) as error:
                answers.append(f"{url}: {error or type(error).__name__}")
        raise LearningError(f"Machine learning request failed: {'; '.join(answers)}")
