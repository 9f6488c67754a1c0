"""What can go wrong, with the HTTP status each error has for the client.

The message of a ServingError goes to the client, as {"error": message}, so it never names a path, a library or a class.
Every other exception is a bug on this side of the wire: status 500, its story in the log only.
"""

CANNOT_START = 3  # the exit status of a process whose model does not load: another would fail in the same way


class StartError(Exception):
    """The server cannot start. The message says what is wrong and what to do; it becomes the last line of the log."""


class ProcessBroken(BaseException):
    """This process cannot predict any more, as with CUDA after a device error: it ends, and another takes its place."""


class ServingError(Exception):
    """A request that gets an error for an answer."""

    status = 500
    key = "error"  # of the message in the answer


class BadRequest(ServingError):
    """The body does not parse, or its records do not have the shape that the model takes."""

    status = 400


class NotAcceptable(ServingError):
    """None of the media types in Accept can be answered."""

    status = 406


class TooLarge(ServingError):
    """The body is over the limit."""

    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit // 2**20} MB.")


class UnsupportedMediaType(ServingError):
    """The Content-Type is none that can be read."""

    status = 415


class Overloaded(ServingError):
    """So many requests wait already that this one would only be late. Answered with Retry-After."""

    status = 503

    def __init__(self) -> None:
        super().__init__("The server is busy. Try again in a second.")


class HandlerFailed(ServingError):
    """The handler raised something of its own: a bug in it, which the log tells."""

    def __init__(self) -> None:
        super().__init__("The model failed on this request. The reason is in the log of the endpoint.")


class RouteError(ServingError):
    """No such route, or not with this method: what the web framework found wrong with a request."""

    def __init__(self, status: int) -> None:
        super().__init__(
            "No such route, or not with this method. There are GET /ping, GET /execution-parameters, GET /metrics, and "
            "GET /openapi.json and POST /invocations for one model, /models for many."
        )
        self.status = status
