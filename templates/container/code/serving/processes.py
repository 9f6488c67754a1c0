"""Runs the server's processes: starts them, replaces those that die, and stops them in order on SIGTERM.

SageMaker sends SIGTERM to the process it started and SIGKILL 30 seconds later; requests already accepted have until
then. If a process cannot be kept alive, the others are stopped and the container ends non-zero, so that it is replaced.
"""

import logging
import os
import queue
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import NoReturn

from serving.errors import CANNOT_START, StartError

log = logging.getLogger(__name__)

GRACE = 25.0  # seconds from SIGTERM until what still runs is killed
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


@dataclass(eq=False)
class Child:
    """A process to keep alive."""

    name: str
    run: Callable[[], object]  # what the process does; when it returns, the process ends with status 0
    stop: signal.Signals = signal.SIGTERM  # asks it to finish what it has and end
    restart: bool = True  # replace it when it dies; otherwise its death ends everything


class Restarts:
    """Tells a process that died once from one that dies again and again."""

    def __init__(self, most: int = 5, seconds: float = 60.0) -> None:
        self.seconds = seconds
        self.times: deque[float] = deque(maxlen=most + 1)

    def too_many(self) -> bool:
        """Counts one more restart: True if it is more than `most` within `seconds`."""
        self.times.append(time.monotonic())
        return len(self.times) == self.times.maxlen and self.times[-1] - self.times[0] < self.seconds


def open_port(port: int, backlog: int) -> socket.socket:
    """A listening socket on every address. Raises StartError if the port is taken or not allowed."""
    try:
        return socket.create_server(("0.0.0.0", port), backlog=backlog)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise StartError(f"Port {port} cannot be opened: {reason}. Set SAGEMAKER_BIND_TO_PORT to another.") from None


class Supervisor:
    """Keeps layers of processes alive. The first layer is what clients talk to, and is stopped first."""

    def __init__(self, layers: Sequence[Sequence[Child]], on_stop: Callable[[], object] = lambda: None) -> None:
        self.layers = layers
        self.on_stop = on_stop
        self.running: dict[int, Child] = {}
        self.restarts = Restarts()
        self.signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def run(self) -> int:
        """Runs until SIGTERM or SIGINT (status 0), or until a process cannot be kept alive (status 1)."""
        # Also for the forks of the children, such as gunicorn's: a signal that meets a process before it has handlers
        # of its own would be lost on it, and it would never stop.
        os.register_at_fork(before=hold_signals, after_in_parent=release_signals, after_in_child=reset_signals)
        for number in SIGNALS:
            signal.signal(number, lambda number, _: self.signals.put(number))
        for child in chain(*reversed(self.layers)):
            self.start(child)
        while True:
            if self.signals.get() != signal.SIGCHLD:
                return self.stop()
            for child, status in self.reap():
                ended = f"Process {child.name} ended ({tell(status)})"
                if not child.restart or status == CANNOT_START or self.restarts.too_many():
                    self.stop()
                    log.critical("%s, so the server ends too. The lines above say why.", ended)
                    return 1
                log.error("%s. Starting another.", ended)
                self.start(child)

    def start(self, child: Child) -> None:
        """Forks the process."""
        pid = os.fork()
        if pid == 0:
            become(child)
        self.running[pid] = child

    def reap(self) -> list[tuple[Child, int]]:
        """The processes that have ended, with their exit status, or minus the signal that killed them."""
        ended = []
        while self.running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if child := self.running.pop(pid, None):  # as process 1 of a container, orphans are ours to reap too
                ended.append((child, os.waitstatus_to_exitcode(status)))
        return ended

    def stop(self) -> int:
        """Stops layer after layer. Status 0 if all ended by themselves, 1 if some had to be killed."""
        deadline = time.monotonic() + GRACE
        self.on_stop()
        for layer in self.layers:
            for pid, child in self.running.items():
                if child in layer:
                    os.kill(pid, child.stop)
            while any(child in layer for child in self.running.values()) and time.monotonic() < deadline:
                self.wait(deadline - time.monotonic())
                self.reap()
        for pid, child in self.running.items():
            log.error("Process %s did not end within %d seconds: killed.", child.name, GRACE)
            os.kill(pid, signal.SIGKILL)
        return 1 if self.running else 0

    def wait(self, seconds: float) -> None:
        """Until a signal comes, but no longer than `seconds`."""
        with suppress(queue.Empty):
            self.signals.get(timeout=max(0.0, seconds))


def become(child: Child) -> NoReturn:
    """The life of a forked process."""
    status = 1
    try:
        child.run()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        log.exception("Process %s failed.", child.name)
    finally:
        sys.stdout.flush()
        os._exit(status)


def hold_signals() -> None:
    """Lets signals wait."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def release_signals() -> None:
    """Lets them through."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def reset_signals() -> None:
    """Lets them through to a new process, where they do what they do by default."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    release_signals()


def tell(status: int) -> str:
    """An exit status in words."""
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
