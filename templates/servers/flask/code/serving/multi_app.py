"""The web server for many models: SageMaker's multi-model API, on gunicorn, in one process."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import gevent
from gevent.queue import SimpleQueue
from gevent.socket import SHUT_WR
from gevent.socket import socket as Line
from gevent.threadpool import ThreadPool

from serving.app import App, Environ, Methods, read_body, resolve, run_app
from serving.errors import ServingError
from serving.invocation import refuse
from serving.link import Link
from serving.processes import Child
from serving.registry import MODELS, Registry, find_route, respond
from serving.request import Response
from serving.settings import Settings

MAX_LOADS = 64  # concurrent


def run(settings: Settings, control: socket.socket, spawn: Callable[[], object]) -> int:
    """Open the port and serve until SIGTERM. `spawn` runs in the process at the other end of `control`.

    Returns the exit status. Raises StartError if the port is taken.
    """
    spawner = Child("spawner", spawn, restart=False)
    return run_app(replace(settings, workers=1), lambda: MultiApp(settings, control), spawner)


class MultiApp(App):
    """The WSGI application. It makes no predictions itself, so that /ping and the API never wait for a model."""

    def __init__(self, settings: Settings, control: socket.socket) -> None:
        self.settings = settings
        self.hub = gevent.get_hub()
        self.registry = Registry(control, self.connect)
        self.threads = ThreadPool(MAX_LOADS)
        self.routes = {
            "/ping": {"GET": self.ping},
            "/execution-parameters": {"GET": self.execution_parameters},
            "/metrics": {"GET": self.metrics},
            MODELS: {"GET": self.list_models, "POST": self.load},
        }

    def find(self, path: str) -> Methods | None:
        return find_route(self, path)  # type: ignore[no-any-return]

    def load(self, environ: Environ) -> Response:
        label = environ.get("HTTP_X_AMZN_SAGEMAKER_TARGET_MODEL")
        try:
            body = read_body(environ["wsgi.input"], self.settings.max_body)
        except ServingError as error:
            return refuse(error)
        return self.in_thread(self.registry.load, body, label)

    def unload(self, name: str, environ: Environ) -> Response:
        return self.in_thread(self.registry.unload, name)

    def show(self, name: str, environ: Environ) -> Response:
        return self.in_thread(self.registry.show, name)

    def list_models(self, environ: Environ) -> Response:
        query = dict(parse_qsl(environ["QUERY_STRING"]))
        return self.in_thread(self.registry.list_models, query.get("limit", ""), query.get("next_page_token", ""))

    def in_thread(self, step: Callable[..., Response], *arguments: Any) -> Response:
        """Run a step of the registry in a thread and return its response."""
        return self.threads.apply(respond, (step, *arguments))  # type: ignore[no-any-return]

    def connect(self, line: socket.socket, on_lost: Callable[[], object]) -> Link:
        """Create the web server's end of a connection to a model process. Called in a thread."""
        in_hub = partial(self.hub.loop.run_callback_threadsafe, resolve)  # only the hub can wake greenlets
        link = GreenLink(in_hub, on_lost, max_bytes=4 * self.settings.max_body)
        link.post = self.hub.loop.run_callback_threadsafe
        opened = threading.Event()
        link.post(link.open, line, opened)
        opened.wait()
        return link


class GreenLink(Link):
    """A link with two greenlets, one to send and one to receive."""

    def open(self, line: socket.socket, opened: threading.Event) -> None:
        """Start sending and receiving, in the web server's thread."""
        self.line = Line(line.family, line.type, fileno=line.detach())
        self.outgoing: SimpleQueue[bytes | None] = SimpleQueue()  # None ends it
        self.write = self.outgoing.put
        self.hang_up = partial(self.outgoing.put, None)
        gevent.spawn(self.send_all)
        gevent.spawn(self.receive_all)
        opened.set()

    def send_all(self) -> None:
        """Send everything that is written to the link."""
        while (data := self.outgoing.get()) is not None:
            try:
                self.line.sendall(data)
            except OSError:
                return  # receive_all notices, too
        with suppress(OSError):  # closed, if the process has ended
            self.line.shutdown(SHUT_WR)

    def receive_all(self) -> None:
        """Receive until the process ends."""
        try:
            while data := self.line.recv(2**16):
                self.receive(data)
        except OSError:
            pass
        self.handle_exit()
        self.outgoing.put(None)
        self.line.close()
