"""The process of one model: loads it, and answers what the web server sends until that hangs up.

A process for each model, because only the end of a process gives all of its memory back, whatever the library, and
because a model that is loaded, computes or crashes does not hold up the others then.
"""

import logging
import os
import queue
import signal
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from serving import logs, memory, metrics_server, stages, user_code, wire
from serving.errors import ServingError, StartError
from serving.invocation import Invoker, refuse
from serving.models import load_model
from serving.request import Request, Stream, StreamBroken
from serving.settings import Settings

log = logging.getLogger(__name__)

LACKS = ("bad_alloc", "out of memory", "cannot allocate memory", "unable to allocate", "can't start new thread")


@dataclass(frozen=True)
class Order:
    """The model that a process is forked for."""

    folder: str
    label: str  # what the log calls it
    modules: list[str]  # that models before it needed, to be imported before the fork


def live(link: socket.socket, order: Order, settings: Settings, handler: ModuleType) -> None:
    """The life of the process. It ends when the web server hangs up and all requests have their answers."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the web server hears them, and hangs up when it has finished
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")  # if one has to be killed, then not the web server
    logs.FIELDS["model"] = order.label
    link.sendall(wire.pack(wire.STARTED, os.getpid()))
    before = set(sys.modules)
    host = Host(link)
    try:
        invoker = Invoker(load_model(handler, Path(order.folder)), settings, host.deliver)
    except (StartError, RuntimeError, MemoryError) as error:
        log.error("%s", error)
        link.sendall(wire.pack(wire.FAILED, is_lack(error.__context__ or error)))
        return
    modules = [name for name in sys.modules if name not in before and name not in user_code.modules]
    link.sendall(wire.pack(wire.LOADED, memory.read_private(), modules))
    host.serve(invoker)


def is_lack(error: BaseException) -> bool:
    """Whether a model did not load because there was no memory, or no more threads (SageMaker: 507 for both)."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in LACKS)


class Host:
    """The end of the line to the web server."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.sending = threading.Lock()
        self.open = 0  # requests without an answer
        self.closing = threading.Condition()
        self.streams: dict[int, queue.SimpleQueue[bool]] = {}  # for each the orders of its next pieces; False: no more

    def serve(self, invoker: Invoker) -> None:
        """Takes messages until the web server hangs up, then waits for the answers that are still due."""
        stream = self.link.makefile("rb")
        while message := wire.receive(stream):
            kind, number, *rest = message
            if kind == wire.INVOKE:
                request = Request(*rest)
                request.waiter = number
                self.submit(invoker, request)
            elif orders := self.streams.get(number):
                orders.put(kind == wire.NEXT)
        for orders in list(self.streams.values()):
            orders.put(False)
        with self.closing:
            self.closing.wait_for(lambda: not self.open)

    def submit(self, invoker: Invoker, request: Request) -> None:
        """Queues a request; where too many wait already, that is the answer."""
        with self.closing:
            self.open += 1
        try:
            invoker.submit(request)
        except ServingError as error:
            request.answer = refuse(error)
            metrics_server.count_answers([request])
            logs.write_requests([request])
            self.deliver([request])

    def deliver(self, requests: list[Request]) -> None:
        """Sends answers; a stream, which always comes alone, piece by piece."""
        answer = requests[0].answer
        if answer and isinstance(answer.body, Stream):
            self.send_stream(requests[0], answer.body)
        else:
            self.send(b"".join(map(pack_answer, requests)))
        if requests[0].marks is not None:
            stages.write_stages(requests)
        with self.closing:
            self.open -= len(requests)
            self.closing.notify()

    def send_stream(self, request: Request, stream: Stream) -> None:
        """Sends a piece each time one is asked for, so that a slow client does not fill the memory."""
        number: int = request.waiter
        orders = self.streams[number] = queue.SimpleQueue()
        try:
            self.send(pack_answer(request))
            while orders.get():
                piece = next(stream, None)
                self.send(wire.pack(wire.PIECE, number, piece))
                if piece is None:
                    break
        except StreamBroken:
            self.send(wire.pack(wire.BROKEN, number))
        finally:
            stream.close()
            del self.streams[number]

    def send(self, data: bytes) -> None:
        """Sends messages whole; to a web server that is gone, nothing."""
        with self.sending, suppress(OSError):
            self.link.sendall(data)


def pack_answer(request: Request) -> bytes:
    """An answer as a message."""
    answer: Any = request.answer
    body = None if isinstance(answer.body, Stream) else answer.body
    return wire.pack(wire.ANSWER, request.waiter, answer.status, body, answer.media_type, dict(answer.headers))
