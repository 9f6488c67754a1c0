"""serving/batching.py: joining, splitting and queueing."""

import threading
from typing import Any

import numpy as np
import pytest
from project import wait_for

from serving.batching import MAX_BYTES, Batcher, count, join, shape_of, split
from serving.errors import Overloaded
from serving.request import Request

ROWS = np.arange(6.0).reshape(3, 2)


@pytest.mark.parametrize(
    "inputs",
    [
        [[[1, 2]], [[3, 4], [5, 6]]],
        [ROWS[:1], ROWS[1:]],
        [{"a": ROWS[:1], "b": [[1]]}, {"a": ROWS[1:], "b": [[2], [3]]}],
    ],
)
def test_joined_inputs_are_split_again(inputs: list[Any]) -> None:
    assert shape_of(inputs[0]) == shape_of(inputs[1]) is not None
    counts = [count(each) for each in inputs]
    assert counts == [1, 2]
    joined = join(inputs)
    assert count(joined) == 3
    assert repr(split(joined, [1, 2])) == repr(inputs)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ROWS, ROWS.astype(np.float32)),
        (ROWS, np.ones((3, 4))),
        (ROWS, [[1.0, 2.0]]),
        ({"a": ROWS}, {"b": ROWS}),
        ({"a": ROWS}, {"a": np.ones((3, 4))}),
    ],
)
def test_inputs_of_different_kinds_are_not_joined(one: Any, other: Any) -> None:
    assert shape_of(one) != shape_of(other)


@pytest.mark.parametrize("inputs", ["text", 5, None, np.array(1.0), {}, {"a": 5}, {"a": ROWS, "b": [1]}, object()])
def test_inputs_without_records_are_not_joined(inputs: Any) -> None:
    assert shape_of(inputs) is None


@pytest.mark.parametrize("outputs", [[1, 2], 5.0, {"mean": 2.5}, {"a": [1, 2, 3], "b": 1}, iter([1, 2, 3]), np.eye(2)])
def test_outputs_without_one_entry_per_record_are_not_split(outputs: Any) -> None:
    assert split(outputs, [1, 2]) is None


class Worker:
    """A batcher whose thread blocks until `go` is set."""

    def __init__(self, **limits: int) -> None:
        self.batches: list[list[Request]] = []
        self.go = threading.Event()
        chosen = {"threads": 1, "max_requests": 4, "max_waiting": 8, "max_waiting_bytes": 4 * MAX_BYTES, **limits}
        self.batcher = Batcher(self.process, **chosen)

    def process(self, batch: list[Request]) -> None:
        self.batches.append(batch)
        self.go.wait(10)

    def start(self, *bodies: bytes) -> None:
        """Queue a first request, and the others while it is being processed."""
        self.batcher.submit(Request(b"first"))
        wait_for(lambda: self.batches, "the first batch")
        for body in bodies:
            self.batcher.submit(Request(body))

    def finish(self, count: int) -> list[list[bytes]]:
        """Wait until `count` requests are processed. Return the batches after the first."""
        self.go.set()
        wait_for(lambda: sum(map(len, self.batches)) > count, "all batches")
        return [[request.body for request in batch] for batch in self.batches[1:]]


def test_queued_requests_are_processed_together_up_to_the_limit() -> None:
    worker = Worker()
    worker.start(b"1", b"2", b"3", b"4", b"5")
    assert worker.finish(5) == [[b"1", b"2", b"3", b"4"], [b"5"]]


def test_a_large_request_is_processed_alone() -> None:
    large = b"x" * MAX_BYTES
    worker = Worker()
    worker.start(b"1", large, b"2", b"3")
    assert worker.finish(4) == [[b"1"], [large], [b"2", b"3"]]


def test_the_number_of_queued_requests_is_limited() -> None:
    worker = Worker(max_waiting=2)
    worker.start(b"1", b"2")
    with pytest.raises(Overloaded):
        worker.batcher.submit(Request(b"3"))
    worker.finish(2)
    worker.batcher.submit(Request(b"4"))


def test_the_bytes_of_queued_requests_are_limited() -> None:
    worker = Worker(max_waiting_bytes=10)
    worker.start(b"12345678")
    with pytest.raises(Overloaded):
        worker.batcher.submit(Request(b"901"))
    worker.batcher.submit(Request(b"90"))
    worker.finish(2)
