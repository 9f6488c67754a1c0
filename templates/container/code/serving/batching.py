"""Adaptive batching: requests that arrive during a prediction form the next batch. No request is ever delayed."""

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from serving import metrics_server
from serving.errors import Overloaded
from serving.request import Request

log = logging.getLogger(__name__)

MAX_BYTES = 2**20  # per batch; a larger request is predicted alone


class Batcher:
    """A queue of requests and the threads that process them in batches."""

    def __init__(
        self,
        process: Callable[[list[Request]], None],
        threads: int,
        max_requests: int,
        max_waiting: int,
        max_waiting_bytes: int,
    ) -> None:
        """`process` gets up to `max_requests` requests at a time; it must not raise."""
        self.process = process
        self.max_requests = max_requests
        self.max_waiting = max_waiting
        self.max_waiting_bytes = max_waiting_bytes
        self.waiting = 0
        self.waiting_bytes = 0
        self.lock = threading.Lock()
        self.gauge = metrics_server.QUEUE.cell()
        self.queue: queue.SimpleQueue[Request] = queue.SimpleQueue()
        for number in range(threads):
            threading.Thread(target=self.work, name=f"prediction-{number}", daemon=True).start()

    def submit(self, request: Request) -> None:
        """Queue a request, from any thread. Raises Overloaded if the queue is full."""
        size = len(request.body)
        with self.lock:
            if self.waiting >= self.max_waiting or self.waiting_bytes + size > self.max_waiting_bytes:
                raise Overloaded
            self.waiting += 1
            self.waiting_bytes += size
            self.gauge[0] = self.waiting
        request.queued = time.perf_counter()
        self.queue.put(request)

    def work(self) -> None:
        """Process batches in a prediction thread. If it fails, the process exits and is restarted."""
        latest = 0  # size of the last batch
        kept: list[Request] = []  # taken from the queue, but too large for that batch
        try:
            while True:
                first = kept[0] if kept else self.queue.get()
                if self.queue.qsize() + 1 < latest:
                    time.sleep(0)  # fewer than last time: give the web server a chance to submit more
                batch, kept = self.gather(first)
                latest = len(batch)
                size, now = 0, time.perf_counter()
                for request in batch:
                    size += len(request.body)
                    request.waited = now - request.queued
                with self.lock:
                    self.waiting -= len(batch)
                    self.waiting_bytes -= size
                    self.gauge[0] = self.waiting
                self.process(batch)
        except BaseException:
            log.critical("A prediction thread failed.", exc_info=True)
            os._exit(1)

    def gather(self, first: Request) -> tuple[list[Request], list[Request]]:
        """Return the next batch, starting with `first`, and at most one request that no longer fit into it."""
        batch, size = [first], len(first.body)
        while len(batch) < self.max_requests:
            try:
                request = self.queue.get_nowait()
            except queue.Empty:
                break
            size += len(request.body)
            if size > MAX_BYTES:
                return batch, [request]
            batch.append(request)
        return batch, []


def join(inputs: Sequence[Any]) -> Any:
    """Concatenate the inputs of several requests. They have the same `shape_of`, which is not None."""
    first = inputs[0]
    if isinstance(first, dict):
        return type(first)((name, join([each[name] for each in inputs])) for name in first)
    if isinstance(first, list):
        return [record for each in inputs for record in each]
    return np.concatenate(inputs)


def shape_of(inputs: Any) -> Hashable:
    """Return a key that inputs must share to be joined: kind, type and shape of a record. None: cannot be joined."""
    if isinstance(inputs, dict):
        shapes = tuple((name, shape_of(value)) for name, value in inputs.items())
        fits = shapes and None not in dict(shapes).values() and count(inputs) is not None
        return shapes if fits else None
    if isinstance(inputs, np.ndarray) and inputs.ndim:
        return inputs.dtype.str, inputs.shape[1:]
    return "list" if isinstance(inputs, list) else None


def count(values: Any) -> int | None:
    """Return the number of records in a list, an array, a DataFrame, or a dict of these; None for anything else."""
    if isinstance(values, dict):
        counts = {count(value) for value in values.values()}
        return counts.pop() if len(counts) == 1 else None
    if isinstance(values, (list, tuple)) or (isinstance(values, np.ndarray) and values.ndim) or is_pandas(values):
        return len(values)
    return None


def is_pandas(values: Any) -> bool:
    """Return whether `values` is a DataFrame or a Series."""
    return hasattr(values, "iloc")


def split(outputs: Any, counts: Iterable[int]) -> list[Any] | None:
    """Split the outputs for joined inputs by request. None if there is not exactly one entry per record."""
    ends = list(accumulate(counts, initial=0))
    if count(outputs) != ends[-1]:
        return None
    return [cut(outputs, start, end) for start, end in pairwise(ends)]


def cut(outputs: Any, start: int, end: int) -> Any:
    """Return the entries from `start` to `end`."""
    if isinstance(outputs, dict):
        return {name: cut(value, start, end) for name, value in outputs.items()}
    return outputs.iloc[start:end] if is_pandas(outputs) else outputs[start:end]


def are_close(one: Any, other: Any) -> bool:
    """Return whether outputs are equal up to rounding, which can depend on the number of records."""
    if hasattr(one, "columns") and hasattr(other, "columns"):
        one, other = ({name: frame[name].to_numpy() for name in frame} for frame in (one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(are_close(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(are_close, one, other))
    first, second = np.asarray(one), np.asarray(other)
    if first.shape != second.shape:
        return False
    if first.dtype.kind != "f":
        return np.array_equal(first, second)
    largest = np.abs(first[np.isfinite(first)]).max(initial=0)
    return np.allclose(first, second, rtol=0, atol=1e-3 * largest, equal_nan=True)
