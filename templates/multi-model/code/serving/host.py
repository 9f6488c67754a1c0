"""The process of one model: loads the model and handles requests until the web server closes the connection.

Each model has its own process, because only the end of a process frees all memory, whatever the library, and because
a model that loads, computes or crashes does not then delay the others.
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

OUT_OF_MEMORY = ("bad_alloc", "out of memory", "cannot allocate memory", "unable to allocate", "can't start new thread")


@dataclass(frozen=True)
class ForkRequest:
    """The model that a process is forked for."""

    folder: str
    label: str  # its name in the log
    modules: list[str]  # imported by earlier models; the spawner imports them before the fork


def run_host(link: socket.socket, request: ForkRequest, settings: Settings, handler: ModuleType) -> None:
    """Run the process until the web server closes the connection and all requests are answered."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the web server handles them, and closes the connection when done
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")  # the kernel kills this process before the web server
    logs.FIELDS["model"] = request.label
    link.sendall(wire.pack(wire.STARTED, os.getpid()))
    before = set(sys.modules)
    host = Host(link)
    try:
        invoker = Invoker(load_model(handler, Path(request.folder)), settings, host.deliver)
    except (StartError, RuntimeError, MemoryError) as error:
        log.error("%s", error)
        link.sendall(wire.pack(wire.FAILED, is_out_of_memory(error.__context__ or error)))
        return
    modules = [name for name in sys.modules if name not in before and name not in user_code.modules]
    link.sendall(wire.pack(wire.LOADED, memory.read_private(), modules))
    host.serve(invoker)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a model did not load because memory or threads ran out (status 507 for both)."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in OUT_OF_MEMORY)


class Host:
    """The model process's end of the connection to the web server."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.sending = threading.Lock()
        self.open = 0  # requests without a response
        self.closing = threading.Condition()
        self.streams: dict[int, queue.SimpleQueue[bool]] = {}  # requests for the next piece; False: close the stream

    def serve(self, invoker: Invoker) -> None:
        """Handle messages until the web server closes the connection, then wait for the open requests."""
        stream = self.link.makefile("rb")
        while message := wire.receive(stream):
            kind, number, *rest = message
            if kind == wire.INVOKE:
                request = Request(*rest)
                request.waiter = number
                self.submit(invoker, request)
            elif pulls := self.streams.get(number):
                pulls.put(kind == wire.NEXT)
        for pulls in list(self.streams.values()):
            pulls.put(False)
        with self.closing:
            self.closing.wait_for(lambda: not self.open)

    def submit(self, invoker: Invoker, request: Request) -> None:
        """Queue a request, or answer it with the error if the queue is full."""
        with self.closing:
            self.open += 1
        try:
            invoker.submit(request)
        except ServingError as error:
            request.response = refuse(error)
            metrics_server.count_responses([request])
            logs.write_requests([request])
            self.deliver([request])

    def deliver(self, requests: list[Request]) -> None:
        """Send responses. A stream always comes alone and is sent piece by piece."""
        response = requests[0].response
        if response and isinstance(response.body, Stream):
            self.send_stream(requests[0], response.body)
        else:
            self.send(b"".join(map(pack_response, requests)))
        if requests[0].marks is not None:
            stages.write_stages(requests)
        with self.closing:
            self.open -= len(requests)
            self.closing.notify()

    def send_stream(self, request: Request, stream: Stream) -> None:
        """Send one piece per request for it, so that a slow client does not fill the memory."""
        number: int = request.waiter
        pulls = self.streams[number] = queue.SimpleQueue()
        try:
            self.send(pack_response(request))
            while pulls.get():
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
        """Send complete messages; do nothing if the web server is gone."""
        with self.sending, suppress(OSError):
            self.link.sendall(data)


def pack_response(request: Request) -> bytes:
    """Encode a response as a message."""
    response: Any = request.response
    body = None if isinstance(response.body, Stream) else response.body
    return wire.pack(wire.RESPONSE, request.waiter, response.status, body, response.media_type, dict(response.headers))
