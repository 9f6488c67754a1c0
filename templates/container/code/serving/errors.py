"""Errors and their HTTP statuses.

The message of a ServingError goes to the client as {"error": message}, so it never names a path, a library or a class.
Any other exception is a bug on the server's side: status 500, with the details in the log only.
"""

CANNOT_START = 3  # exit status of a process whose model cannot be loaded; restarting it would not help


class StartError(Exception):
    """The server cannot start. The message says what is wrong and what to do, and is the last line of the log."""


class ProcessBroken(BaseException):
    """This process can no longer predict, for example after a CUDA device error: it exits and is restarted."""


class ServingError(Exception):
    """An error that is sent to the client as the response."""

    status = 500
    key = "error"  # JSON key of the message


class BadRequest(ServingError):
    """The body does not parse, or its records do not fit the model."""

    status = 400


class NotAcceptable(ServingError):
    """The response cannot be written in any of the media types in Accept."""

    status = 406


class TooLarge(ServingError):
    """The body is over the limit."""

    status = 413

    def __init__(self, limit: int) -> None:
        super().__init__(f"The body is larger than {limit // 2**20} MB.")


class UnsupportedMediaType(ServingError):
    """The Content-Type is not supported."""

    status = 415


class Overloaded(ServingError):
    """The queue is full. The response has a Retry-After header."""

    status = 503

    def __init__(self) -> None:
        super().__init__("The server is busy. Try again in a second.")


class HandlerFailed(ServingError):
    """The handler raised an unexpected exception, which is in the log."""

    def __init__(self) -> None:
        super().__init__("The model failed on this request. Details are in the endpoint's log.")


class RouteError(ServingError):
    """No such route, or the method is not allowed."""

    def __init__(self, status: int) -> None:
        super().__init__(
            "No such route, or the method is not allowed. Routes: GET /ping, GET /execution-parameters and GET "
            "/metrics; a single-model server also has GET /openapi.json and POST /invocations, a multi-model server "
            "/models."
        )
        self.status = status
