"""Rows of the database as values."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Self
from uuid import UUID


@dataclass(frozen=True)
class _Row:
    """A dataclass whose fields are named as the columns, in snake case."""

    @classmethod
    def of(cls, row: Any) -> Self:
        """The value of a database row that has all columns."""
        return cls(**{field.name: row[camel(field.name)] for field in fields(cls)})


def camel(name: str) -> str:
    """`quota_size_in_bytes` as Immich writes it: `quotaSizeInBytes`."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


@dataclass(frozen=True)
class User(_Row):
    """A user; sizes in bytes."""

    id: UUID
    email: str
    password: str
    name: str
    is_admin: bool
    should_change_password: bool
    storage_label: str | None
    quota_size_in_bytes: int | None
    quota_usage_in_bytes: int
    status: str
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


@dataclass(frozen=True)
class Asset(_Row):
    """A photo or video; the paths are absolute, the size is in bytes."""

    id: UUID
    owner_id: UUID
    type: str
    original_path: str
    original_file_name: str
    sidecar_path: str | None
    preview_path: str | None
    thumbnail_path: str | None
    checksum: bytes
    file_size_in_byte: int
    width: int | None
    height: int | None
    is_favorite: bool
    visibility: str
    file_created_at: datetime
    file_modified_at: datetime
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    def paths(self) -> tuple[str | None, ...]:
        """All files of the asset."""
        return (self.original_path, self.sidecar_path, self.preview_path, self.thumbnail_path)


@dataclass(frozen=True)
class ApiKey(_Row):
    """An API key without its secret."""

    id: UUID
    name: str
    permissions: list[str]
    user_id: UUID
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Usage(_Row):
    """What one user keeps; sizes in bytes."""

    user_id: UUID
    user_name: str
    photos: int
    videos: int
    usage_photos: int
    usage_videos: int
    quota_size_in_bytes: int | None
