"""Numbers shared by all processes of the server: each process updates its own, and a reader adds them up.

They are in memory allocated before the first fork. The counts of a killed process stay, and its successor continues
from them, so that no sum ever decreases. Nothing is written to disk: if the counters were in a mapped file, a full disk
would kill the process.
"""

import fcntl
import logging
import mmap
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import orjson

log = logging.getLogger(__name__)

MAX_PROCESSES = 4096  # that can have numbers at the same time
MAX_NUMBERS = 4096  # per process
MAX_NAMES = 2**20  # bytes
SIZE = 8  # bytes per number
HEADER = 16  # bytes: two numbers (where the names end, and the number of rows ever used)
NOWHERE = 0  # column for series that do not fit


class Series(NamedTuple):
    """Describes a number."""

    kind: str  # counter, gauge, histogram or summary
    metric: str
    help: str
    sample: str  # the name of the metric, with or without _total, _bucket, _count or _sum
    labels: dict[str, str]
    merge: str = "sum"  # or "max": how to combine the processes


class Memory:
    """The names of the series, then a row of numbers per process. A series has the same column in every row."""

    def __init__(self) -> None:
        self.first_process = os.getpid()
        self.fault = ""  # why there is no shared memory
        size = MAX_NAMES + MAX_PROCESSES * MAX_NUMBERS * SIZE
        try:
            self.file = open_memory(size)
            self.bytes: mmap.mmap | bytearray = mmap.mmap(self.file, size)
        except OSError as error:
            self.fault = f"Shared memory for metrics is not available: {error.strerror}."
            log.warning("GET /metrics answers 503. %s", self.fault)
            self.bytes = bytearray(MAX_NAMES + MAX_NUMBERS * SIZE)
        self.numbers = memoryview(self.bytes).cast("d")
        self.columns = {b"": NOWHERE}  # by name, as far as this process has read the names
        self.end = HEADER  # of the names read so far
        self.full = False
        self.reset()
        os.register_at_fork(after_in_child=self.reset)

    def reset(self) -> None:
        """Start in a new process, with its own lock and no row yet."""
        self.lock = threading.RLock()
        self.row = -1
        self.own: memoryview[float] | None = None

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Read all names, and keep other processes from adding names or taking rows in the block."""
        with self.lock:
            self.take(MAX_PROCESSES, wait=True)
            try:
                end = int(self.numbers[0]) or HEADER
                for name in bytes(self.bytes[self.end : end]).splitlines():
                    self.columns[name] = len(self.columns)
                self.end = end
                yield
            finally:
                self.release(MAX_PROCESSES)

    def take(self, row: int, wait: bool = False) -> bool:
        """Lock a row. Return False if another process holds it. The system releases it when this process ends."""
        try:
            if not self.fault:
                fcntl.lockf(self.file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB, 1, row)
        except OSError:
            return False
        return True

    def release(self, row: int) -> None:
        """Unlock a row."""
        if not self.fault:
            fcntl.lockf(self.file, fcntl.LOCK_UN, 1, row)

    def find(self, series: Series) -> int:
        """Return the column of a series; add the series if it is new. If there is no space, it is not counted."""
        name = orjson.dumps([*series])
        with self.exclusive():
            if name in self.columns:
                return self.columns[name]
            end = self.end + len(name) + 1
            if end > MAX_NAMES or len(self.columns) == MAX_NUMBERS:
                if not self.full:
                    log.warning("Too many metrics: %s %s is not counted.", series.sample, series.labels)
                self.full = True
                return NOWHERE
            self.bytes[self.end : end] = name + b"\n"
            self.numbers[0] = self.end = end
            self.columns[name] = len(self.columns)
            return self.columns[name]

    def own_row(self) -> "memoryview[float]":
        """Return the numbers of this process. They continue the sums, but not the gauges, of an ended process."""
        with self.exclusive():
            if self.own is None:
                free = (row for row in range(MAX_PROCESSES) if self.take(row))
                self.row = next(free, 0)  # share the first row if all are taken
                self.own = self.numbers_of(self.row)
                for name, column in self.columns.items():
                    if name.startswith(b'["gauge"'):
                        self.own[column] = 0
                self.numbers[1] = max(self.numbers[1], self.row + 1)
            return self.own

    def numbers_of(self, row: int) -> "memoryview[float]":
        """Return the numbers of a process."""
        start = MAX_NAMES // SIZE + row * MAX_NUMBERS
        return self.numbers[start : start + MAX_NUMBERS]

    def is_running(self, row: int) -> bool:
        """Return whether the process that took a row is running."""
        if row == self.row or not self.take(row):
            return True
        self.release(row)
        return False

    def read(self) -> Iterator[tuple[Series, float]]:
        """Yield every series with its number, combined over all processes; gauges over the running ones only."""
        with self.exclusive():
            every = range(int(self.numbers[1]))
            running = [row for row in every if self.is_running(row)]
            columns = {name: column for name, column in self.columns.items() if column != NOWHERE}
        rows = [self.numbers_of(row) for row in every]
        for name, column in columns.items():
            series = Series(*orjson.loads(name))
            numbers = [rows[row][column] for row in (running if series.kind == "gauge" else every)]
            yield series, max(numbers, default=0.0) if series.merge == "max" else sum(numbers)


def open_memory(size: int) -> int:
    """Open an unnamed file, in memory if the system supports it. Raises OSError."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("metrics")
    else:
        with tempfile.TemporaryFile() as unnamed:
            file = os.dup(unnamed.fileno())
    os.ftruncate(file, size)
    return file


MEMORY = Memory()


class Number:
    """The number of a series in this process."""

    def __init__(self, series: Series) -> None:
        self.column = MEMORY.find(series)

    def inc(self, amount: float = 1.0) -> None:
        """Add to the number."""
        with MEMORY.lock:
            (MEMORY.own or MEMORY.own_row())[self.column] += amount

    def set(self, value: float) -> None:
        """Set the number."""
        (MEMORY.own or MEMORY.own_row())[self.column] = value

    def get(self) -> float:
        """Return the value in this process."""
        return (MEMORY.own or MEMORY.own_row())[self.column]

    def cell(self) -> "memoryview[float]":
        """Return a view of only this number in this process: the fastest way to set it."""
        return MEMORY.own_row()[self.column : self.column + 1]
