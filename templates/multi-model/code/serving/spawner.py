"""Forks a process for each model, from one that has the libraries imported and neither a thread nor a model."""

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
from serving.host import Order, live
from serving.processes import Child, run_child
from serving.settings import Settings

log = logging.getLogger(__name__)

MOST = 2**16  # bytes of an order


def send_order(control: socket.socket, order: Order, link: socket.socket) -> None:
    """Has a process forked, which gets its end of the line to the web server."""
    socket.send_fds(control, [marshal.dumps(astuple(order))], [link.fileno()])


def run(control: socket.socket, settings: Settings, handler: ModuleType) -> None:
    """The life of the process, until it is killed: forks one for each order.

    It need not know which of them still run: each ends when the web server hangs up.
    """
    signal.signal(signal.SIGCHLD, reap)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        data, (file, *_), _, _ = socket.recv_fds(control, MOST, 1)
        order = Order(*marshal.loads(data))
        for name in order.modules:
            with suppress(Exception):
                importlib.import_module(name)
        gc.freeze()  # what is not looked at is not copied by the processes that share it
        with socket.socket(fileno=file) as link:
            try:
                child = os.fork() == 0
            except OSError as error:
                log.error("There is no process for model %s: %s", order.label, error.strerror)
                link.sendall(wire.pack(wire.FAILED, True))
                continue
            if child:
                run_child(Child(order.label, partial(live, link, order, settings, handler)))


def reap(*_: object) -> None:
    """Takes note of the processes that have ended, whose CPU time is this one's from then on."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
