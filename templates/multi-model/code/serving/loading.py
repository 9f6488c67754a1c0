"""Waits while a model's process loads it, and watches the memory: the container must not die of a model."""

import os
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from serving import memory, wire
from serving.errors import ServingError
from serving.link import Link
from serving.processes import Restarts

POLL = 20  # milliseconds from one look at the memory to the next


@dataclass(eq=False)
class Entry:
    """A model that is loaded, or is being loaded."""

    name: str
    url: str  # the folder it lies in
    label: str  # what the log calls it: SageMaker's TargetModel
    link: Link | None = None  # once it is loaded
    pid: int | None = None
    wanted: bool = True  # until it is unloaded
    settled: threading.Event = field(default_factory=threading.Event)  # not while a process is loading it
    restarts: Restarts = field(default_factory=Restarts)


class ModelNotFound(ServingError):
    """No such model is loaded, or there is nothing where it should lie."""

    status, key = 404, "message"

    def __init__(self, name: str) -> None:
        super().__init__(f"Model not found: {name}")


class NoMemory(ServingError):
    """There is no room for the model; SageMaker unloads others and tries again."""

    status, key = 507, "message"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is not enough memory to load model {name}.")


class NotLoaded(ServingError):
    """The model does not load; the log tells why."""

    status, key = 500, "message"

    def __init__(self, name: str) -> None:
        super().__init__(f"Model {name} does not load. The reason is in the log of the endpoint.")


def wait_until_loaded(entry: Entry, line: socket.socket) -> tuple[int, list[str]]:
    """The bytes that the model takes, and the modules it needed. Kills the process before there is no memory left.

    Raises NoMemory, NotLoaded, or ModelNotFound if it was unloaded meanwhile, when the process has ended.
    """
    kills = memory.count_kills()
    lack = False

    def watch() -> None:
        nonlocal lack
        lack = lack or memory.read_free() < 0
        if lack or not entry.wanted:
            kill(entry)

    for kind, *told in read_messages(line, watch):
        if kind == wire.STARTED:
            entry.pid = told[0]
        elif kind == wire.FAILED:
            lack = told[0]
        else:
            watch()
            if not lack and entry.wanted:
                return told[0], told[1]
    if not entry.wanted:
        raise ModelNotFound(entry.name)
    lack = lack or memory.count_kills() > kills
    raise NoMemory(entry.name) if lack else NotLoaded(entry.name)


def read_messages(line: socket.socket, meanwhile: Callable[[], object]) -> Iterator[wire.Message]:
    """The messages of a process until it ends; `meanwhile` is called again and again while none comes."""
    poller, unpacker = select.poll(), wire.Unpacker()
    poller.register(line, select.POLLIN)
    while True:
        while not poller.poll(POLL):
            meanwhile()
        data = line.recv(2**16)
        if not data:
            return
        yield from unpacker.feed(data)


def kill(entry: Entry) -> None:
    """Ends the process of a model at once."""
    if entry.pid:
        with suppress(ProcessLookupError):
            os.kill(entry.pid, signal.SIGKILL)
