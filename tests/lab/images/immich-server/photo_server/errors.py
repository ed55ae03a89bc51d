"""The two ways to fail: the server cannot start, or a request cannot be answered as asked."""


class StartError(Exception):
    """The server cannot start; the message is one sentence for the operator."""


class ApiError(Exception):
    """A request is answered with an error status and a message for the caller."""

    def __init__(self, status: int, message: str, **more: object) -> None:
        """`status` is the HTTP status, 400 to 599; the body has `message` and what is `more`."""
        super().__init__(message)
        self.status = status
        self.body = {"message": message, **more}


def invalid(name: str, problem: str) -> ApiError:
    """What a caller gets whose body, or part of the path, is not as described."""
    return ApiError(400, "Validation failed", errors=[{"code": "custom", "path": [name], "message": problem}])
