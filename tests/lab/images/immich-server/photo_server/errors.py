"""The two ways to fail: the server cannot start, or a request cannot be answered as asked."""


class StartError(Exception):
    """The server cannot start; the message is one sentence for the operator."""


class ApiError(Exception):
    """A request is answered with an error status and a message for the caller."""

    def __init__(self, status: int, message: str) -> None:
        """`status` is the HTTP status, 400 to 599."""
        super().__init__(message)
        self.status = status
        self.message = message
