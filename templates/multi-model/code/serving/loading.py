"""Waits while a process loads its model, and watches memory so that a large model does not kill the container."""

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

POLLING_INTERVAL = 20  # milliseconds between checks of the memory


@dataclass(eq=False)
class Entry:
    """A model that is loaded, or is being loaded."""

    name: str
    url: str  # its folder
    label: str  # its name in the log: SageMaker's TargetModel
    link: Link | None = None  # set once it is loaded
    pid: int | None = None
    wanted: bool = True  # False once it is unloaded
    load_ended: threading.Event = field(default_factory=threading.Event)  # cleared while a process loads it
    restarts: Restarts = field(default_factory=Restarts)


class ModelNotFound(ServingError):
    """No model of this name is loaded, or its folder does not exist."""

    status, key = 404, "message"

    def __init__(self, name: str) -> None:
        super().__init__(f"Model not found: {name}")


class OutOfMemory(ServingError):
    """There is not enough memory for the model. SageMaker unloads others and retries."""

    status, key = 507, "message"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is not enough memory to load model {name}.")


class NotLoaded(ServingError):
    """The model could not be loaded; details are in the log."""

    status, key = 500, "message"

    def __init__(self, name: str) -> None:
        super().__init__(f"Model {name} could not be loaded. Details are in the endpoint's log.")


def wait_until_loaded(entry: Entry, connection: socket.socket) -> tuple[int, list[str]]:
    """Return the size of the model in bytes and the modules it imported. Kills the process before memory runs out.

    When the process has ended, raises OutOfMemory, NotLoaded, or ModelNotFound if it was unloaded meanwhile.
    """
    kills = memory.count_kills()
    out_of_memory = False

    def watch() -> None:
        nonlocal out_of_memory
        out_of_memory = out_of_memory or memory.read_free() < 0
        if out_of_memory or not entry.wanted:
            kill(entry)

    for kind, *fields in read_messages(connection, watch):
        if kind == wire.STARTED:
            entry.pid = fields[0]
        elif kind == wire.FAILED:
            out_of_memory = fields[0]
        else:
            watch()
            if not out_of_memory and entry.wanted:
                return fields[0], fields[1]
    if not entry.wanted:
        raise ModelNotFound(entry.name)
    out_of_memory = out_of_memory or memory.count_kills() > kills
    raise OutOfMemory(entry.name) if out_of_memory else NotLoaded(entry.name)


def read_messages(connection: socket.socket, on_idle: Callable[[], object]) -> Iterator[wire.Message]:
    """Yield the messages of a process until it ends. Calls `on_idle` at each polling interval without a message."""
    poller, unpacker = select.poll(), wire.Unpacker()
    poller.register(connection, select.POLLIN)
    while True:
        while not poller.poll(POLLING_INTERVAL):
            on_idle()
        data = connection.recv(2**16)
        if not data:
            return
        yield from unpacker.feed(data)


def kill(entry: Entry) -> None:
    """Kill the process of a model."""
    if entry.pid:
        with suppress(ProcessLookupError):
            os.kill(entry.pid, signal.SIGKILL)
