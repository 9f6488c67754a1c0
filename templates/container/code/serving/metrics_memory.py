"""Numbers that all processes of the server share: each process adds to its own, and whoever reads adds those up.

They are in memory made before the first fork. What a process has counted stays when it is killed, and its successor
counts on from there, so that no sum ever falls. Nothing is written to a disk: counters in a file kill their process
once the disk is full.
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

MAX_PROCESSES = 4096  # that have numbers at a time
MAX_NUMBERS = 4096  # of each process
MAX_NAMES = 2**20  # bytes
SIZE = 8  # bytes of a number
HEADER = 16  # bytes: two numbers, where the names end and how many rows were ever taken
NOWHERE = 0  # the column of what there is no room for


class Series(NamedTuple):
    """What a number counts."""

    kind: str  # counter, gauge, histogram or summary
    metric: str
    help: str
    sample: str  # the name of the metric, or that and _total, _bucket, _count or _sum
    labels: dict[str, str]
    merge: str = "sum"  # of the numbers of the processes, or "max"


class Memory:
    """The names of the series, then a row of numbers for each process: a series has the same column in every row."""

    def __init__(self) -> None:
        self.first_process = os.getpid()
        self.fault = ""  # why there is no memory to share
        size = MAX_NAMES + MAX_PROCESSES * MAX_NUMBERS * SIZE
        try:
            self.file = open_memory(size)
            self.bytes: mmap.mmap | bytearray = mmap.mmap(self.file, size)
        except OSError as error:
            self.fault = f"There is no memory that the processes can share: {error.strerror}."
            log.warning("GET /metrics answers 503. %s", self.fault)
            self.bytes = bytearray(MAX_NAMES + MAX_NUMBERS * SIZE)
        self.numbers = memoryview(self.bytes).cast("d")
        self.columns = {b"": NOWHERE}  # by the names that this process has read
        self.end = HEADER  # of those names
        self.full = False
        self.begin()
        os.register_at_fork(after_in_child=self.begin)

    def begin(self) -> None:
        """A new process has a lock of its own, and no row yet."""
        self.lock = threading.RLock()
        self.row = -1
        self.own: memoryview[float] | None = None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Knows all names, while no other process adds one or takes a row."""
        with self.lock:
            self.take(MAX_PROCESSES, wait=True)
            try:
                end = int(self.numbers[0]) or HEADER
                for name in bytes(self.bytes[self.end : end]).splitlines():
                    self.columns[name] = len(self.columns)
                self.end = end
                yield
            finally:
                self.give_back(MAX_PROCESSES)

    def take(self, row: int, wait: bool = False) -> bool:
        """Locks a row, if no other process has. The system unlocks it when this process ends, however it ends."""
        try:
            if not self.fault:
                fcntl.lockf(self.file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB, 1, row)
        except OSError:
            return False
        return True

    def give_back(self, row: int) -> None:
        """Unlocks a row."""
        if not self.fault:
            fcntl.lockf(self.file, fcntl.LOCK_UN, 1, row)

    def find(self, series: Series) -> int:
        """The column of a series, which is added if it is new. If there is no room for it, it is not counted."""
        name = orjson.dumps([*series])
        with self.alone():
            if name in self.columns:
                return self.columns[name]
            end = self.end + len(name) + 1
            if end > MAX_NAMES or len(self.columns) == MAX_NUMBERS:
                if not self.full:
                    log.warning("There are too many metrics: %s %s is not counted.", series.sample, series.labels)
                self.full = True
                return NOWHERE
            self.bytes[self.end : end] = name + b"\n"
            self.numbers[0] = self.end = end
            self.columns[name] = len(self.columns)
            return self.columns[name]

    def mine(self) -> "memoryview[float]":
        """The numbers of this process. It begins with the sums of one that has ended, but not with its gauges."""
        with self.alone():
            if self.own is None:
                free = (row for row in range(MAX_PROCESSES) if self.take(row))
                self.row = next(free, 0)  # where all are taken, the first is shared
                self.own = self.of(self.row)
                for name, column in self.columns.items():
                    if name.startswith(b'["gauge"'):
                        self.own[column] = 0
                self.numbers[1] = max(self.numbers[1], self.row + 1)
            return self.own

    def of(self, row: int) -> "memoryview[float]":
        """The numbers of a process."""
        start = MAX_NAMES // SIZE + row * MAX_NUMBERS
        return self.numbers[start : start + MAX_NUMBERS]

    def is_running(self, row: int) -> bool:
        """Whether the process that took a row has not ended."""
        if row == self.row or not self.take(row):
            return True
        self.give_back(row)
        return False

    def read(self) -> Iterator[tuple[Series, float]]:
        """Every series with its number: of all processes, but gauges of those only that run."""
        with self.alone():
            every = range(int(self.numbers[1]))
            running = [row for row in every if self.is_running(row)]
            columns = {name: column for name, column in self.columns.items() if column != NOWHERE}
        rows = [self.of(row) for row in every]
        for name, column in columns.items():
            series = Series(*orjson.loads(name))
            numbers = [rows[row][column] for row in (running if series.kind == "gauge" else every)]
            yield series, max(numbers, default=0.0) if series.merge == "max" else sum(numbers)


def open_memory(size: int) -> int:
    """A file without a name; in memory, where the system has such files. Raises OSError."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("metrics")
    else:
        with tempfile.TemporaryFile() as unnamed:
            file = os.dup(unnamed.fileno())
    os.ftruncate(file, size)
    return file


MEMORY = Memory()


class Number:
    """The number of a series, for this process to change."""

    def __init__(self, series: Series) -> None:
        self.column = MEMORY.find(series)

    def inc(self, amount: float = 1.0) -> None:
        """Adds to it."""
        with MEMORY.lock:
            (MEMORY.own or MEMORY.mine())[self.column] += amount

    def set(self, value: float) -> None:
        """Replaces it."""
        (MEMORY.own or MEMORY.mine())[self.column] = value

    def get(self) -> float:
        """What it is in this process."""
        return (MEMORY.own or MEMORY.mine())[self.column]

    def cell(self) -> "memoryview[float]":
        """It alone, as this process has it: the quickest way to set it."""
        return MEMORY.mine()[self.column : self.column + 1]
