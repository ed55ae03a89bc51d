"""What goes wrong."""


class RedisError(Exception): ...


class ConnectionError(RedisError): ...  # noqa: A001 - its name in redis


class AuthenticationError(ConnectionError): ...


class BusyLoadingError(ConnectionError): ...


class TimeoutError(RedisError): ...  # noqa: A001 - its name in redis


class ResponseError(RedisError): ...
