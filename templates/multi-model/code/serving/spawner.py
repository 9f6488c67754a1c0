"""Forks a process for each model, from one that has imported the libraries and has no threads and no model."""

import gc
import importlib
import logging
import marshal
import os
import signal
import socket
from contextlib import suppress
from dataclasses import astuple
from functools import partial
from types import ModuleType

from serving import wire
from serving.host import ForkRequest, run_host
from serving.processes import Child, run_child
from serving.settings import Settings

log = logging.getLogger(__name__)

MAX_REQUEST = 2**16  # bytes


def request_fork(control: socket.socket, request: ForkRequest, link: socket.socket) -> None:
    """Request a process for a model from the spawner. `link` is its end of the connection to the web server."""
    socket.send_fds(control, [marshal.dumps(astuple(request))], [link.fileno()])


def run(control: socket.socket, settings: Settings, handler: ModuleType) -> None:
    """Fork a process for each request until this one is killed.

    It does not track them: each ends when the web server closes its connection.
    """
    signal.signal(signal.SIGCHLD, reap)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        data, (file, *_), _, _ = socket.recv_fds(control, MAX_REQUEST, 1)
        request = ForkRequest(*marshal.loads(data))
        for name in request.modules:
            with suppress(Exception):
                importlib.import_module(name)
        gc.freeze()  # objects that are not collected stay shared with the forked processes
        with socket.socket(fileno=file) as link:
            try:
                child = os.fork() == 0
            except OSError as error:
                log.error("Cannot start a process for model %s: %s", request.label, error.strerror)
                link.sendall(wire.pack(wire.FAILED, True))
                continue
            if child:
                run_child(Child(request.label, partial(run_host, link, request, settings, handler)))


def reap(*_: object) -> None:
    """Reap the processes that have ended, which adds their CPU time to this one's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
