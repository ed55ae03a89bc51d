"""The client."""


class Redis: ...
