"""Supervises the server's processes: starts them, restarts those that die, and stops them in order on SIGTERM.

SageMaker sends SIGTERM to the process it started and SIGKILL 30 seconds later. The server's processes have GRACE
seconds to finish accepted requests. If a process cannot be kept alive, the others are stopped and the container exits
non-zero, so that SageMaker replaces it.
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

GRACE = 25.0  # seconds from SIGTERM until the server's processes are killed; SageMaker allows 30
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


@dataclass(eq=False)
class Child:
    """A process to keep alive."""

    name: str
    run: Callable[[], object]  # the body of the process, which exits with status 0 when it returns
    stop: signal.Signals = signal.SIGTERM  # asks the process to finish its work and exit
    restart: bool = True  # whether to restart it when it dies; otherwise the whole server ends


class Restarts:
    """Limits the rate of restarts."""

    def __init__(self, maximum: int = 5, seconds: float = 60.0) -> None:
        self.seconds = seconds
        self.times: deque[float] = deque(maxlen=maximum + 1)

    def too_many(self) -> bool:
        """Count a restart. Return True if there were more than `maximum` within `seconds`."""
        self.times.append(time.monotonic())
        return len(self.times) == self.times.maxlen and self.times[-1] - self.times[0] < self.seconds


def open_port(port: int, backlog: int) -> socket.socket:
    """Open a listening socket on all addresses. Raises StartError if the port is taken or not allowed."""
    try:
        return socket.create_server(("0.0.0.0", port), backlog=backlog)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise StartError(f"Cannot open port {port}: {reason}. Set SAGEMAKER_BIND_TO_PORT to another port.") from None


class Supervisor:
    """Keeps layers of processes alive. Clients talk to the first layer, which is stopped first."""

    def __init__(self, layers: Sequence[Sequence[Child]], on_stop: Callable[[], object] = lambda: None) -> None:
        self.layers = layers
        self.on_stop = on_stop
        self.running: dict[int, Child] = {}
        self.restarts = Restarts()
        self.signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def run(self) -> int:
        """Run until SIGTERM or SIGINT (status 0), or until a process cannot be kept alive (status 1)."""
        # This also covers forks made by the children, such as gunicorn's workers: a signal that arrives before a
        # process has set its own handlers would otherwise be lost, and the process would never stop.
        os.register_at_fork(before=hold_signals, after_in_parent=release_signals, after_in_child=reset_signals)
        for number in SIGNALS:
            signal.signal(number, lambda number, _: self.signals.put(number))
        for child in chain(*reversed(self.layers)):
            self.start(child)
        while True:
            if self.signals.get() != signal.SIGCHLD:
                return self.stop()
            for child, status in self.reap():
                ended = f"Process {child.name} ended ({describe_status(status)})"
                if not child.restart or status == CANNOT_START or self.restarts.too_many():
                    self.stop()
                    log.critical("%s, so the server stops. The reason is logged above.", ended)
                    return 1
                log.error("%s. Restarting it.", ended)
                self.start(child)

    def start(self, child: Child) -> None:
        """Fork the process."""
        pid = os.fork()
        if pid == 0:
            run_child(child)
        self.running[pid] = child

    def reap(self) -> list[tuple[Child, int]]:
        """Return the processes that have ended, each with its exit status or the negated signal that killed it."""
        ended = []
        while self.running:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            if child := self.running.pop(pid, None):  # None: as PID 1 of a container we also reap orphans
                ended.append((child, os.waitstatus_to_exitcode(status)))
        return ended

    def stop(self) -> int:
        """Stop the layers in order. Return status 0 if all processes exited, 1 if some had to be killed."""
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
            log.error("Process %s did not exit within %d seconds and was killed.", child.name, GRACE)
            os.kill(pid, signal.SIGKILL)
        return 1 if self.running else 0

    def wait(self, seconds: float) -> None:
        """Wait for a signal, for up to `seconds`."""
        with suppress(queue.Empty):
            self.signals.get(timeout=max(0.0, seconds))


def run_child(child: Child) -> NoReturn:
    """Run a child in the forked process, then exit."""
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
    """Block signals."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def release_signals() -> None:
    """Unblock signals."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def reset_signals() -> None:
    """Restore the default signal handlers in a new process and unblock signals."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    release_signals()


def describe_status(status: int) -> str:
    """Return an exit status in words."""
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
