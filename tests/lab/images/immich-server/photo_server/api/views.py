"""Records as the JSON objects of Immich's API."""

import base64
from typing import Any

from photo_server.api.bodies import stamp
from photo_server.media import mime_type
from photo_server.records import ApiKey, Asset, Usage, User


def user(value: User) -> dict[str, Any]:
    """UserAdminResponseDto."""
    return {
        "id": str(value.id),
        "email": value.email,
        "name": value.name,
        "profileImagePath": "",
        "avatarColor": "primary",
        "profileChangedAt": stamp(value.created_at),
        "storageLabel": value.storage_label,
        "shouldChangePassword": value.should_change_password,
        "isAdmin": value.is_admin,
        "createdAt": stamp(value.created_at),
        "updatedAt": stamp(value.updated_at),
        "deletedAt": stamp(value.deleted_at),
        "oauthId": "",
        "quotaSizeInBytes": value.quota_size_in_bytes,
        "quotaUsageInBytes": value.quota_usage_in_bytes,
        "status": value.status,
        "license": None,
    }


def api_key(value: ApiKey) -> dict[str, Any]:
    """ApiKeyResponseDto."""
    return {
        "id": str(value.id),
        "name": value.name,
        "permissions": value.permissions,
        "createdAt": stamp(value.created_at),
        "updatedAt": stamp(value.updated_at),
    }


def asset(value: Asset) -> dict[str, Any]:
    """AssetResponseDto, with the size as the only EXIF information."""
    return {
        "id": str(value.id),
        "ownerId": str(value.owner_id),
        "type": value.type,
        "originalPath": value.original_path,
        "originalFileName": value.original_file_name,
        "originalMimeType": mime_type(value.original_file_name),
        "checksum": base64.b64encode(value.checksum).decode(),
        "fileCreatedAt": stamp(value.file_created_at),
        "fileModifiedAt": stamp(value.file_modified_at),
        "localDateTime": stamp(value.file_created_at),
        "createdAt": stamp(value.created_at),
        "updatedAt": stamp(value.updated_at),
        "isFavorite": value.is_favorite,
        "isArchived": value.visibility == "archive",
        "isTrashed": value.deleted_at is not None,
        "isOffline": False,
        "isEdited": False,
        "visibility": value.visibility,
        "duration": None,
        "width": value.width,
        "height": value.height,
        "hasMetadata": True,
        "thumbhash": None,
        "livePhotoVideoId": None,
        "duplicateId": None,
        "libraryId": None,
        "people": [],
        "tags": [],
        "stack": None,
        "resized": value.preview_path is not None,
        "exifInfo": {"fileSizeInByte": value.file_size_in_byte},
    }


def usage(value: Usage) -> dict[str, Any]:
    """UsageByUserDto."""
    return {
        "userId": str(value.user_id),
        "userName": value.user_name,
        "photos": value.photos,
        "videos": value.videos,
        "usage": value.usage_photos + value.usage_videos,
        "usagePhotos": value.usage_photos,
        "usageVideos": value.usage_videos,
        "quotaSizeInBytes": value.quota_size_in_bytes,
    }
