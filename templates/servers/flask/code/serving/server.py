"""gunicorn as this server uses it: without its command line, and with its log and its limits as they are here."""

import logging
from collections.abc import Callable
from contextlib import suppress
from socket import SOCK_STREAM
from typing import Any

import gevent
from gevent import getcurrent
from gevent.socket import socket
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger
from gunicorn.http.errors import ParseException
from gunicorn.workers.base import Worker
from gunicorn.workers.ggevent import GeventWorker

from serving.processes import GRACE, Restarts
from serving.settings import Settings

BACKLOG = 2048
KEEP_ALIVE = 75  # seconds; longer than nginx keeps an idle connection, so that nginx closes it first
LINGER = 2.0  # seconds that a kept connection stays open after SIGTERM, for a request that is under way
NOT_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 42\r\nConnection: close\r\n\r\n"
    b'{"error":"The request is not valid HTTP."}'
)


class Gunicorn(BaseApplication):  # type: ignore[misc]
    """gunicorn on a port or a unix socket."""

    def __init__(self, create_app: Callable[[], object], settings: Settings, bind: str) -> None:
        self.load = create_app  # called in each worker, for threads do not outlive a fork
        self.options = {
            "bind": bind,
            "backlog": BACKLOG,
            "workers": settings.workers,
            "worker_class": EventWorker,
            "worker_connections": BACKLOG,
            "keepalive": KEEP_ALIVE,
            "timeout": 0,  # a long prediction is no reason to kill a worker; /ping tells whether it lives
            "graceful_timeout": int(GRACE) - 3,  # its workers end by themselves before it is killed
            "logger_class": GunicornLog,
            "control_socket_disable": True,
            "pre_fork": stop_dying(settings.workers, most=0 if settings.multi_model else 5),
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)


class EventWorker(GeventWorker):  # type: ignore[misc]
    """gunicorn's gevent worker, which patches none of Python: gevent serves the connections, and only them.

    Threads, locks and sockets of the handler stay what they are. A thread for each connection instead of a greenlet
    would get in the way of the predictions: all of them take turns on Python's one interpreter lock.
    """

    idle: set[Any]  # greenlets, whose connections wait for their next request
    sockets: list[Any]

    def patch(self) -> None:
        self.idle = set()
        self.sockets = [socket(each.FAMILY, SOCK_STREAM, fileno=each.sock.detach()) for each in self.sockets]

    def timeout_ctx(self) -> object:
        self.idle.add(getcurrent())
        return super().timeout_ctx()

    def handle_request(self, *arguments: object) -> None:
        self.idle.discard(getcurrent())
        super().handle_request(*arguments)

    def handle(self, *arguments: object) -> None:
        try:
            super().handle(*arguments)
        finally:
            self.idle.discard(getcurrent())

    def handle_exit(self, *arguments: object) -> None:
        super().handle_exit(*arguments)
        gevent.spawn_later(LINGER, self.close_idle)

    def handle_error(self, request: object, client: Any, address: object, error: Exception) -> None:
        if not isinstance(error, ParseException):
            super().handle_error(request, client, address, error)
            return
        with suppress(OSError):
            client.sendall(NOT_HTTP)

    def close_idle(self) -> None:
        gevent.killall(list(self.idle), block=False)


class GunicornLog(Logger):  # type: ignore[misc]
    """gunicorn's lines, from warnings up, through the log of this server."""

    def setup(self, cfg: object) -> None:
        self.error_log.propagate = True
        self.error_log.setLevel(max(logging.WARNING, logging.getLogger().level))


def stop_dying(workers: int, most: int) -> Callable[[Arbiter, Worker], None]:
    """A hook for gunicorn that ends it when workers die again and again, or at all if that loses models."""
    restarts = Restarts(most)

    def pre_fork(_: Arbiter, worker: Worker) -> None:
        if worker.age > workers and restarts.too_many():
            raise HaltServer("Workers die again and again.", 1)

    return pre_fork
