"""A request and its response. In decode, predict and encode, the handler gets the current request from `current()`."""

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from serving.media_types import JSON

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Request:
    """A request to POST /invocations."""

    body: bytes
    content_type: str | None = None
    accept: str | None = None
    inference_id: str | None = None  # X-Amzn-SageMaker-Inference-Id; if absent, an id generated for the log
    custom_attributes: str | None = None  # X-Amzn-SageMaker-Custom-Attributes
    parameters: dict[str, Any] = field(default_factory=dict)  # "parameters" of the JSON body, set when it is decoded
    response_attributes: str | None = None  # Custom-Attributes of the response, for the handler to set

    received: float = field(default_factory=time.perf_counter)  # time.perf_counter(), in seconds
    queued: float = 0.0  # time.perf_counter()
    waited: float | None = None  # seconds in the queue
    prediction: tuple[int, float] | None = None  # records and seconds of its batch, on the first request of the batch
    batch_requests: int = 1  # number of requests in its batch
    response: "Response | None" = None
    waiter: Any = None  # what the web server waits on
    marks: dict[str, float] | None = None  # at SM_LOG_LEVEL=DEBUG: the time.perf_counter() at the end of each stage


@dataclass(frozen=True, slots=True)
class Response:
    """The response to the client."""

    status: int
    body: "bytes | Stream"
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class StreamBroken(Exception):
    """The handler failed in the middle of a stream: the connection must be dropped, so that the client notices."""


class Stream:
    """A streamed response body. The web server iterates over it, in any thread, and must close it.

    The prediction thread waits until then, so that there are never more predictions running than threads.
    """

    def __init__(self, request: Request, pieces: Generator[bytes, None, None]) -> None:
        self.request = request
        self.pieces = pieces
        self.size = 0  # bytes, so far
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        CURRENT.set(self.request)
        try:
            piece = next(self.pieces)
        except StopIteration:
            raise
        except (Exception, SystemExit):
            log.exception("The handler failed in the middle of its response.")
            raise StreamBroken from None
        self.size += len(piece)
        return piece

    def close(self) -> None:
        """Close the handler's iterator, whether or not it is exhausted."""
        try:
            self.pieces.close()
        except (Exception, SystemExit):
            log.exception("The handler failed at the end of its response.")
        finally:
            self.closed.set()


NUMBERS = itertools.count(1)
CURRENT: ContextVar[Request | None] = ContextVar("request", default=None)


def current() -> Request:
    """Return the current request; an empty one outside of a request.

    `decode` and `encode` see their own request. `predict` sees the first request of the batch; only its parameters are
    certain to equal those of the others.
    """
    return CURRENT.get() or Request(b"")


def read_request(body: bytes, header: Callable[[str], str | None]) -> Request:
    """Create a request. `header` returns the value of a header, given its name in lower case."""
    return Request(
        body,
        content_type=header("content-type"),
        accept=header("accept"),
        inference_id=header("x-amzn-sagemaker-inference-id") or f"{os.getpid()}-{next(NUMBERS)}",
        custom_attributes=header("x-amzn-sagemaker-custom-attributes"),
    )
