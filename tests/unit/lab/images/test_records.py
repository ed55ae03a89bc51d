from datetime import UTC, datetime
from uuid import UUID

from photo_server.records import ApiKey, camel


def test_columns_have_the_names_of_immich():
    assert camel("quota_size_in_bytes") == "quotaSizeInBytes"
    assert camel("id") == "id"


def test_a_row_becomes_a_value_and_other_columns_are_left():
    now = datetime.now(UTC)
    row = {
        "id": UUID(int=1),
        "name": "cli",
        "permissions": ["all"],
        "userId": UUID(int=2),
        "createdAt": now,
        "updatedAt": now,
        "key": b"digest",
    }
    assert ApiKey.of(row) == ApiKey(UUID(int=1), "cli", ["all"], UUID(int=2), now, now)
