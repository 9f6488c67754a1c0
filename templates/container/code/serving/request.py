"""A request and its answer. The handler sees the request it serves with `current()` in decode, predict and encode."""

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
    """A POST /invocations."""

    body: bytes
    content_type: str | None = None
    accept: str | None = None
    inference_id: str | None = None  # X-Amzn-SageMaker-Inference-Id, or a number of our own for the log
    custom_attributes: str | None = None  # X-Amzn-SageMaker-Custom-Attributes
    parameters: dict[str, Any] = field(default_factory=dict)  # "parameters" of a JSON object, once it is decoded
    answer_attributes: str | None = None  # for the handler to set: the Custom-Attributes of the answer

    received: float = field(default_factory=time.perf_counter)  # seconds on a clock of its own
    queued: float = 0.0  # on the same clock
    waited: float | None = None  # seconds, once it is taken from the queue
    prediction: tuple[int, float] | None = None  # records and seconds of the one that it stands first in
    together: int = 1  # requests that were predicted with this one, itself included
    answer: "Answer | None" = None  # once there is one
    waiter: Any = None  # what the web server waits with
    marks: dict[str, float] | None = None  # at SM_LOG_LEVEL=DEBUG: when stages ended, on the clock of `received`


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the client."""

    status: int
    body: "bytes | Stream"
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class StreamBroken(Exception):
    """The handler failed in the middle of its answer: the connection has to be cut, so that the client notices."""


class Stream:
    """An answer that comes piece by piece. The web server iterates, in any thread, and closes it in the end.

    Until then the prediction thread waits, so that no more predictions run at a time than there are threads.
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
            log.exception("The handler failed in the middle of its answer.")
            raise StreamBroken from None
        self.size += len(piece)
        return piece

    def close(self) -> None:
        """Ends the handler's iterator, whether it was read to its end or not."""
        try:
            self.pieces.close()
        except (Exception, SystemExit):
            log.exception("The handler failed at the end of its answer.")
        finally:
            self.closed.set()


NUMBERS = itertools.count(1)
CURRENT: ContextVar[Request | None] = ContextVar("request", default=None)


def current() -> Request:
    """The request that is being served; an empty one outside of a request.

    `decode` and `encode` see their own request. `predict` sees the first of those that are predicted together, of
    which only the parameters are sure to be those of all.
    """
    return CURRENT.get() or Request(b"")


def read_request(body: bytes, header: Callable[[str], str | None]) -> Request:
    """The request with this body; `header` gives the value of a header by its name in lower case."""
    return Request(
        body,
        content_type=header("content-type"),
        accept=header("accept"),
        inference_id=header("x-amzn-sagemaker-inference-id") or f"{os.getpid()}-{next(NUMBERS)}",
        custom_attributes=header("x-amzn-sagemaker-custom-attributes"),
    )
