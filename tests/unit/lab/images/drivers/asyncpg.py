"""What the stand-in for the photo server names of asyncpg; no database is behind it."""


class PostgresError(Exception):
    """The database refuses."""


class InterfaceError(Exception):
    """A connection that is no more."""


class UniqueViolationError(PostgresError):
    """A value that is there already."""


class Record: ...


class Pool: ...


class Connection: ...


async def create_pool(**_options):
    """A database that is away."""
    raise ConnectionRefusedError(111, "Connect call failed")
