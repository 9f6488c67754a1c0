"""Configures gunicorn: without its command line, with this server's log and limits."""

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
KEEP_ALIVE = 75  # seconds; longer than nginx keeps idle connections, so that nginx closes them first
LINGER = 2.0  # seconds that idle connections stay open after SIGTERM, for a request already sent
NOT_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: 42\r\nConnection: close\r\n\r\n"
    b'{"error":"The request is not valid HTTP."}'
)


class Gunicorn(BaseApplication):  # type: ignore[misc]
    """gunicorn on a port or a unix socket."""

    def __init__(self, create_app: Callable[[], object], settings: Settings, bind: str) -> None:
        self.load = create_app  # called in each worker, because threads do not survive a fork
        self.options = {
            "bind": bind,
            "backlog": BACKLOG,
            "workers": settings.workers,
            "worker_class": EventWorker,
            "worker_connections": BACKLOG,
            "keepalive": KEEP_ALIVE,
            "timeout": 0,  # do not kill a worker for a long prediction; /ping shows whether it is alive
            "graceful_timeout": int(GRACE) - 3,  # workers end before the supervisor kills gunicorn
            "logger_class": GunicornLog,
            "control_socket_disable": True,
            "pre_fork": limit_restarts(settings.workers, 0 if settings.multi_model else 5),
        }
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options.items():
            self.cfg.set(name, value)


class EventWorker(GeventWorker):  # type: ignore[misc]
    """gunicorn's gevent worker without monkey-patching: gevent serves only the connections.

    The handler's threads, locks and sockets are not affected. Threads instead of greenlets for the connections would
    slow down predictions, because all threads share the interpreter lock.
    """

    idle: set[Any]  # greenlets whose connections wait for the next request
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
    """Passes gunicorn's log, at WARNING and above, to this server's log."""

    def setup(self, cfg: object) -> None:
        self.error_log.propagate = True
        self.error_log.setLevel(max(logging.WARNING, logging.getLogger().level))


def limit_restarts(workers: int, maximum: int) -> Callable[[Arbiter, Worker], None]:
    """Create a hook that stops gunicorn if workers die too often; on a multi-model server, any death loses models."""
    restarts = Restarts(maximum)

    def pre_fork(_: Arbiter, worker: Worker) -> None:
        if worker.age > workers and restarts.too_many():
            raise HaltServer("Workers keep dying.", 1)

    return pre_fork
