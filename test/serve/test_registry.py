"""The registry of loaded models, without a web server: serving/registry.py and serving/loading.py."""

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
from serving.loading import NotLoaded, OutOfMemory
from serving.registry import Registry
from serving.request import Request


class FakeSpawner:
    """Replaces the spawner at the other end of `control`: answers each fork request with the given messages."""

    def __init__(self, *messages: bytes) -> None:
        self.control, self.theirs = socket.socketpair(type=socket.SOCK_DGRAM)
        self.messages = messages
        self.forks = 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while True:
            _, (file, *_), _, _ = socket.recv_fds(self.theirs, 2**16, 1)
            self.forks += 1
            with socket.socket(fileno=file) as connection:
                connection.sendall(b"".join(self.messages))


def load_body(folder: Path) -> bytes:
    return json.dumps({"model_name": "a", "url": str(folder)}).encode()


def connect(_: socket.socket, on_lost: Any) -> Link:
    return Link(lambda _: None, on_lost, max_bytes=100)


@pytest.fixture
def spawner() -> Iterator[FakeSpawner]:
    yield FakeSpawner(wire.pack(wire.STARTED, 2**22), wire.pack(wire.LOADED, 5 * 2**20, ["some.module"]))


def test_a_model_known_to_be_too_large_is_not_started(spawner: FakeSpawner, tmp_path: Path) -> None:
    registry = Registry(spawner.control, connect)
    assert registry.load(load_body(tmp_path), None).status == 200
    assert registry.sizes == {("a", str(tmp_path)): 5 * 2**20}
    registry.entries.clear()
    registry.sizes["a", str(tmp_path)] = 2**60
    with pytest.raises(OutOfMemory):
        registry.load(load_body(tmp_path), None)
    assert spawner.forks == 1
    assert registry.entries == {}


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ((), NotLoaded),
        ((wire.pack(wire.STARTED, 2**22),), NotLoaded),
        ((wire.pack(wire.STARTED, 2**22), wire.pack(wire.FAILED, False)), NotLoaded),
        ((wire.pack(wire.STARTED, 2**22), wire.pack(wire.FAILED, True)), OutOfMemory),
        ((wire.pack(wire.FAILED, True),), OutOfMemory),
    ],
)
def test_a_model_whose_process_ends_while_loading_is_not_registered(
    messages: tuple[bytes, ...], error: type[Exception], tmp_path: Path
) -> None:
    registry = Registry(FakeSpawner(*messages).control, connect)
    with pytest.raises(error):
        registry.load(load_body(tmp_path), None)
    assert registry.entries == {}


def test_a_link_limits_the_bytes_in_flight() -> None:
    link = Link(lambda _: None, lambda: None, max_bytes=100)
    sent: list[bytes] = []
    link.write = sent.append
    link.submit(Request(b"x" * 60))
    with pytest.raises(Overloaded):
        link.submit(Request(b"x" * 60))
    link.receive(wire.pack(wire.RESPONSE, 0, 200, b"{}", "application/json", {}))
    link.submit(Request(b"x" * 60))
    assert len(sent) == 2


def test_messages_are_decoded_from_pieces_of_any_size() -> None:
    messages = [(wire.RESPONSE, 1, 200, b"x" * 300, "text/csv", {"a": "b"}), (wire.PIECE, 2, None)]
    data = b"".join(wire.pack(*message) for message in messages)
    for size in (1, 3, 100, len(data)):
        unpacker = wire.Unpacker()
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        assert [message for piece in pieces for message in unpacker.feed(piece)] == messages
