"""The web server's end of the line to a model's process. Each web server has a line of its own kind, made of this."""

import itertools
import queue
import threading
from collections.abc import Callable, Generator
from typing import Any

from serving import metrics_server, wire
from serving.errors import HandlerFailed, Overloaded
from serving.invocation import refuse
from serving.request import Answer, Request, Stream, StreamBroken


class Link:
    """Sends requests to the process and gives them back answered. All but `stop` and streams is for one thread.

    `write` sends bytes without waiting, `post` has a function called in the thread of the web server, from any other,
    `deliver` is given answered requests, and `hang_up` closes this end for writing.
    """

    write: Callable[[bytes], object]
    post: Callable[..., object]
    hang_up: Callable[[], object]

    def __init__(self, deliver: Callable[[list[Request]], object], on_lost: Callable[[], object], most: int) -> None:
        """`on_lost` is called if the process ends without being asked to; `most`: bytes that may be under way."""
        self.deliver = deliver
        self.on_lost = on_lost
        self.most = most
        self.size = 0  # bytes that are under way
        self.numbers = itertools.count()
        self.waiting: dict[int, Request] = {}
        self.streams: dict[int, queue.SimpleQueue[bytes | StreamBroken | None]] = {}
        self.stopping = False
        self.closed = threading.Event()
        self.unpacker = wire.Unpacker()

    def submit(self, request: Request) -> None:
        """Sends a request. Raises Overloaded if too much is under way already, or if the process is being replaced."""
        size = len(request.body)
        if self.size + size > self.most or self.closed.is_set():
            raise Overloaded
        self.size += size
        number = next(self.numbers)
        self.waiting[number] = request
        headers = request.content_type, request.accept, request.inference_id, request.custom_attributes
        self.send(wire.INVOKE, number, request.body, *headers)

    def send(self, *message: Any) -> None:
        """Sends a message, if the process is still there."""
        if not self.closed.is_set():
            self.write(wire.pack(*message))

    def stop(self) -> None:
        """Has the process end, once it has answered all that it was sent. From any thread; `closed` tells when."""
        self.stopping = True
        self.post(self.end_idle)

    def end_idle(self) -> None:
        """Hangs up if that is asked for and nothing is under way."""
        if self.stopping and not (self.waiting or self.streams or self.closed.is_set()):
            self.hang_up()

    def receive(self, data: bytes) -> None:
        """Takes what arrives of the process."""
        answered: list[Request] = []
        for kind, number, *rest in self.unpacker.feed(data):
            if kind == wire.ANSWER:
                answered.append(self.end(number, self.read_answer(number, *rest)))
            elif pieces := self.streams.get(number):
                pieces.put(rest[0] if kind == wire.PIECE else StreamBroken())
        if answered:
            self.deliver(answered)
            self.end_idle()

    def read_answer(self, number: int, status: int, body: Any, media_type: str, headers: dict[str, str]) -> Answer:
        """An answer as the web server sends it."""
        if body is None:
            self.streams[number] = queue.SimpleQueue()
            body = RemoteStream(self, number, self.waiting[number])
        return Answer(status, body, media_type, headers)

    def end(self, number: int, answer: Answer) -> Request:
        """A request with its answer, which is under way no more."""
        request = self.waiting.pop(number)
        self.size -= len(request.body)
        request.answer = answer
        return request

    def end_stream(self, number: int) -> None:
        """Tells the process that no more of a stream is wanted."""
        self.streams.pop(number, None)
        self.send(wire.CLOSE, number)
        self.end_idle()

    def lose(self) -> None:
        """The process has ended: what it has not answered fails."""
        self.closed.set()
        failed = [self.end(number, refuse(HandlerFailed())) for number in list(self.waiting)]
        if failed:
            metrics_server.count_answers(failed)
            self.deliver(failed)
        for pieces in list(self.streams.values()):
            pieces.put(StreamBroken())
        if not self.stopping:
            self.on_lost()


class RemoteStream(Stream):
    """A stream whose pieces come from the process, one for each that is asked for."""

    def __init__(self, link: Link, number: int, request: Request) -> None:
        super().__init__(request, self.fetch())
        self.link = link
        self.number = number

    def fetch(self) -> Generator[bytes, None, None]:
        """The pieces, as they come. Waits in the thread that asks."""
        while True:
            self.link.post(self.link.send, wire.NEXT, self.number)
            piece = self.link.streams[self.number].get()
            if isinstance(piece, StreamBroken):
                raise piece
            if piece is None:
                return
            yield piece

    def close(self) -> None:
        """Ends the stream, whether it was read to its end or not."""
        super().close()
        self.link.post(self.link.end_stream, self.number)
