"""The dump that the stand-in for the photo server makes of its database."""

import asyncio
import contextlib
import gzip
from types import SimpleNamespace

import pytest
from photo_server.dumps import dump


class Connection:
    """A database with two tables; `fails` is one that cannot be read."""

    def __init__(self, fails=None):
        self.fails, self.options = fails, None

    def get_server_version(self):
        return SimpleNamespace(major=17)

    def transaction(self, **options):
        self.options = options
        return contextlib.AsyncExitStack()

    async def fetch(self, _question):
        return [("asset",), ("user",)]

    async def copy_from_table(self, table, *, schema_name, output, timeout):
        if table == self.fails:
            raise OSError("No space left on device")
        await output(f"{schema_name} {table} {timeout}\n".encode())


@pytest.fixture
def pool():
    def of(connection):
        @contextlib.asynccontextmanager
        async def acquire():
            yield connection

        return SimpleNamespace(acquire=acquire)

    return of


def test_a_dump_has_each_table_as_it_was_at_one_moment(tmp_path, pool):
    connection = Connection()
    path = asyncio.run(dump(pool(connection), tmp_path))
    assert path.name.startswith("immich-db-backup-20")
    assert path.name.endswith("-v3.2.2-pg17.sql.gz")
    assert gzip.decompress(path.read_bytes()).decode() == (
        'COPY public."asset" FROM stdin;\npublic asset 600\n\\.\nCOPY public."user" FROM stdin;\npublic user 600\n\\.\n'
    )
    assert connection.options == {"isolation": "repeatable_read", "readonly": True}


def test_a_dump_that_fails_has_no_name_of_a_dump(tmp_path, pool):
    with pytest.raises(OSError, match="No space left"):
        asyncio.run(dump(pool(Connection("user")), tmp_path))
    assert [path.suffix for path in tmp_path.iterdir()] == [".tmp"]
