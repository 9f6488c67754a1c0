"""The models that are loaded, without a web server: serving/registry.py and serving/loading.py."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving import wire
from serving.errors import Overloaded
from serving.link import Link
from serving.loading import NoMemory, NotLoaded
from serving.registry import Registry
from serving.request import Request


class Process:
    """Stands at the other end of `control`, where the spawner is, and answers an order with these messages."""

    def __init__(self, *messages: bytes) -> None:
        self.control, self.theirs = socket.socketpair(type=socket.SOCK_DGRAM)
        self.messages = messages
        self.orders = 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while True:
            _, (file, *_), _, _ = socket.recv_fds(self.theirs, 2**16, 1)
            self.orders += 1
            with socket.socket(fileno=file) as line:
                line.sendall(b"".join(self.messages))


def order(folder: Path) -> bytes:
    return json.dumps({"model_name": "a", "url": str(folder)}).encode()


def connect(line: socket.socket, on_lost: Any) -> Link:
    return Link(lambda _: None, on_lost, most=100)


@pytest.fixture
def loads() -> Iterator[Process]:
    yield Process(wire.pack(wire.STARTED, 2**22), wire.pack(wire.LOADED, 5 * 2**20, ["some.module"]))


def test_a_size_is_learnt_and_too_large_a_model_is_not_even_tried(loads: Process, tmp_path: Path) -> None:
    registry = Registry(loads.control, connect)
    assert registry.load(order(tmp_path), None).status == 200
    assert registry.sizes == {("a", str(tmp_path)): 5 * 2**20}
    registry.entries.clear()
    registry.sizes["a", str(tmp_path)] = 2**60
    with pytest.raises(NoMemory):
        registry.load(order(tmp_path), None)
    assert loads.orders == 1
    assert registry.entries == {}


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ((), NotLoaded),
        ((wire.pack(wire.STARTED, 2**22),), NotLoaded),
        ((wire.pack(wire.STARTED, 2**22), wire.pack(wire.FAILED, False)), NotLoaded),
        ((wire.pack(wire.STARTED, 2**22), wire.pack(wire.FAILED, True)), NoMemory),
        ((wire.pack(wire.FAILED, True),), NoMemory),
    ],
)
def test_a_process_that_ends_instead_of_loading_leaves_nothing(
    messages: tuple[bytes, ...], error: type[Exception], tmp_path: Path
) -> None:
    registry = Registry(Process(*messages).control, connect)
    with pytest.raises(error):
        registry.load(order(tmp_path), None)
    assert registry.entries == {}


def test_a_line_takes_no_more_than_its_bytes_at_a_time() -> None:
    link = Link(lambda _: None, lambda: None, most=100)
    sent: list[bytes] = []
    link.write = sent.append
    link.submit(Request(b"x" * 60))
    with pytest.raises(Overloaded):
        link.submit(Request(b"x" * 60))
    link.receive(wire.pack(wire.ANSWER, 0, 200, b"{}", "application/json", {}))
    link.submit(Request(b"x" * 60))
    assert len(sent) == 2


def test_messages_are_found_however_they_are_cut() -> None:
    messages = [(wire.ANSWER, 1, 200, b"x" * 300, "text/csv", {"a": "b"}), (wire.PIECE, 2, None)]
    data = b"".join(wire.pack(*message) for message in messages)
    for size in (1, 3, 100, len(data)):
        unpacker = wire.Unpacker()
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        assert [message for piece in pieces for message in unpacker.feed(piece)] == messages
