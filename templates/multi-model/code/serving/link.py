"""The web server's end of the connection to a model's process. Each web server has a subclass of Link."""

import itertools
import queue
import threading
from collections.abc import Callable, Generator
from typing import Any

from serving import metrics_server, wire
from serving.errors import HandlerFailed, Overloaded
from serving.invocation import refuse
from serving.request import Request, Response, Stream, StreamBroken


class Link:
    """Sends requests to the process and delivers them answered. Only `stop` and streams can be used in other threads.

    `write` sends bytes without blocking, `post` schedules a call in the web server's thread from any other thread,
    `deliver` receives answered requests, and `hang_up` closes this end for writing.
    """

    write: Callable[[bytes], object]
    post: Callable[..., object]
    hang_up: Callable[[], object]

    def __init__(
        self, deliver: Callable[[list[Request]], object], on_lost: Callable[[], object], max_bytes: int
    ) -> None:
        """`on_lost` is called if the process ends unexpectedly; `max_bytes` limits the requests in flight."""
        self.deliver = deliver
        self.on_lost = on_lost
        self.max_bytes = max_bytes
        self.size = 0  # bytes of requests in flight
        self.numbers = itertools.count()
        self.waiting: dict[int, Request] = {}
        self.streams: dict[int, queue.SimpleQueue[bytes | StreamBroken | None]] = {}
        self.stopping = False
        self.closed = threading.Event()
        self.unpacker = wire.Unpacker()

    def submit(self, request: Request) -> None:
        """Send a request. Raises Overloaded if too much is in flight, or if the process is being replaced."""
        size = len(request.body)
        if self.size + size > self.max_bytes or self.closed.is_set():
            raise Overloaded
        self.size += size
        number = next(self.numbers)
        self.waiting[number] = request
        headers = request.content_type, request.accept, request.inference_id, request.custom_attributes
        self.send(wire.INVOKE, number, request.body, *headers)

    def send(self, *message: Any) -> None:
        """Send a message if the process is still running."""
        if not self.closed.is_set():
            self.write(wire.pack(*message))

    def stop(self) -> None:
        """End the process once all requests are answered, then set `closed`. Can be called from any thread."""
        self.stopping = True
        self.post(self.stop_if_idle)

    def stop_if_idle(self) -> None:
        """Hang up if the process is to stop and nothing is in flight."""
        if self.stopping and not (self.waiting or self.streams or self.closed.is_set()):
            self.hang_up()

    def receive(self, data: bytes) -> None:
        """Handle data from the process."""
        answered: list[Request] = []
        for kind, number, *rest in self.unpacker.feed(data):
            if kind == wire.RESPONSE:
                answered.append(self.end(number, self.read_response(number, *rest)))
            elif pieces := self.streams.get(number):
                pieces.put(rest[0] if kind == wire.PIECE else StreamBroken())
        if answered:
            self.deliver(answered)
            self.stop_if_idle()

    def read_response(self, number: int, status: int, body: Any, media_type: str, headers: dict[str, str]) -> Response:
        """Return a response, with a stream as its body if the message has no body."""
        if body is None:
            self.streams[number] = queue.SimpleQueue()
            body = RemoteStream(self, number, self.waiting[number])
        return Response(status, body, media_type, headers)

    def end(self, number: int, response: Response) -> Request:
        """Add the response to a request, which is then no longer in flight."""
        request = self.waiting.pop(number)
        self.size -= len(request.body)
        request.response = response
        return request

    def end_stream(self, number: int) -> None:
        """Tell the process to close a stream."""
        self.streams.pop(number, None)
        self.send(wire.CLOSE, number)
        self.stop_if_idle()

    def handle_exit(self) -> None:
        """Fail all open requests and streams, because the process has ended."""
        self.closed.set()
        failed = [self.end(number, refuse(HandlerFailed())) for number in list(self.waiting)]
        if failed:
            metrics_server.count_responses(failed)
            self.deliver(failed)
        for pieces in list(self.streams.values()):
            pieces.put(StreamBroken())
        if not self.stopping:
            self.on_lost()


class RemoteStream(Stream):
    """A stream whose pieces are fetched from the process one by one."""

    def __init__(self, link: Link, number: int, request: Request) -> None:
        super().__init__(request, self.fetch())
        self.link = link
        self.number = number

    def fetch(self) -> Generator[bytes, None, None]:
        """Yield the pieces as they come. Blocks the calling thread."""
        while True:
            self.link.post(self.link.send, wire.NEXT, self.number)
            piece = self.link.streams[self.number].get()
            if isinstance(piece, StreamBroken):
                raise piece
            if piece is None:
                return
            yield piece

    def close(self) -> None:
        """Close the stream, even if it was not read to the end."""
        super().close()
        self.link.post(self.link.end_stream, self.number)
