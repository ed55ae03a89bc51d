"""JSON of requests and answers: reading with a message for what is wrong, writing as Immich does."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp import web

from photo_server.errors import ApiError, invalid


class Body:
    """The JSON object of a request, read field by field. Each method raises ApiError 400."""

    def __init__(self, values: dict[str, Any]) -> None:
        """`values` is the decoded object."""
        self.values = values

    @classmethod
    async def of(cls, request: web.Request) -> "Body":
        """The body of a request; an empty one counts as an empty object."""
        if not request.can_read_body:
            return cls({})
        try:
            values = await request.json()
        except ValueError:
            raise ApiError(400, "The body is no JSON") from None
        if not isinstance(values, dict):
            raise ApiError(400, "The body must be an object")
        return cls(values)

    def text(self, name: str, default: str | None = None) -> str:
        """A string; it may be empty."""
        value = self.values.get(name, default)
        if not isinstance(value, str):
            raise invalid(name, "Invalid input: expected string")
        return value

    def email(self) -> str:
        """An e-mail address, in lower case."""
        value = self.text("email").strip().lower()
        local, _, domain = value.partition("@")
        if not local or not domain or " " in value or "@" in domain:
            raise invalid("email", "Invalid email address")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self.values.get(name, default)
        if not isinstance(value, bool):
            raise invalid(name, "Invalid input: expected boolean")
        return value

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number in a range."""
        value = self.values.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise invalid(name, f"Invalid input: expected a number from {least} to {most}")
        return value

    def texts(self, name: str) -> list[str]:
        """A list of strings."""
        value = self.values.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise invalid(name, "Invalid input: expected array of strings")
        return value

    def ids(self, name: str = "ids") -> list[UUID]:
        """A list of ids."""
        return [parse_id(item) for item in self.texts(name)]


def reply(value: Any, status: int = 200) -> web.Response:
    """A value as compact JSON, byte for byte as Immich writes it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return web.Response(text=text, status=status, content_type="application/json")


def parse_id(text: str) -> UUID:
    """An id out of a path or a body. Raises ApiError 400."""
    try:
        return UUID(text)
    except ValueError:
        raise invalid("id", "Invalid UUID") from None


def parse_time(name: str, text: str | None) -> datetime:
    """A point in time in ISO 8601; without a zone it is UTC. Raises ApiError 400."""
    try:
        value = datetime.fromisoformat(text or "")
    except ValueError:
        raise invalid(name, "Invalid ISO datetime") from None
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def stamp(value: datetime | None) -> str | None:
    """A point in time as Immich writes it: 2026-01-31T12:00:00.000Z."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if value else None
