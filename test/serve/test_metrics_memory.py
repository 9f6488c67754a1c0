"""serving/metrics_memory.py: numbers shared by processes; and serving/metrics.py, which exports them."""

import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable

import prometheus_client
import pytest
from project import wait_for
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.values import MutexValue

from serving import metrics, metrics_memory, metrics_page, metrics_server
from serving.metrics_memory import Memory, Number, Series


@pytest.fixture(params=["in memory", "on disk"])
def memory(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """Memory for this test only. Some systems do not support files in memory."""
    if request.param == "on disk":
        monkeypatch.delattr(os, "memfd_create")
    fresh = Memory()
    for module in (metrics_memory, metrics_server, metrics_page, metrics):
        monkeypatch.setattr(module, "MEMORY", fresh)
    return fresh


def number(name: str, kind: str = "counter", merge: str = "sum", **labels: str) -> Number:
    return Number(Series(kind, name, "Help.", name, labels, merge))


def read(memory: Memory) -> dict[str, float]:
    return {series.sample: value for series, value in memory.read()}


def fork(work: Callable[[], object]) -> int:
    """Fork a process that does some work, and then waits to be killed."""
    done, ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        work()
        os.write(ready, b"x")
        time.sleep(60)
        os._exit(0)
    assert os.read(done, 1) == b"x"
    os.close(done)
    os.close(ready)
    return pid


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def test_processes_add_up_and_counts_of_a_dead_one_stay(memory: Memory) -> None:
    calls, open_now, largest = number("calls"), number("open", "gauge"), number("largest", "gauge", "max")

    def work() -> None:
        calls.inc(2)
        open_now.set(5)
        largest.set(7)

    calls.inc()
    open_now.set(1)
    pids = [fork(work), fork(work)]
    assert read(memory) == {"calls": 5, "open": 11, "largest": 7}
    kill(pids[0])
    assert read(memory) == {"calls": 5, "open": 6, "largest": 7}
    kill(pids[1])
    assert read(memory) == {"calls": 5, "open": 1, "largest": 0}


def test_a_new_process_takes_the_row_of_a_dead_one(memory: Memory) -> None:
    calls, open_now = number("calls"), number("open", "gauge")
    for count in range(1, 6):
        pid = fork(lambda: (calls.inc(), open_now.inc()))
        assert read(memory) == {"calls": count, "open": 1}
        kill(pid)
    assert memory.numbers[1] == 1  # rows


def test_series_added_concurrently_do_not_collide(memory: Memory) -> None:
    pids = [fork(lambda name=name: [number(f"{name}{each}").inc(each) for each in range(50)]) for name in "abc"]
    number("a7").inc()
    found = read(memory)
    assert found == {f"{name}{each}": each + (f"{name}{each}" == "a7") for name in "abc" for each in range(50)}
    for pid in pids:
        kill(pid)


def test_threads_lose_no_counts(memory: Memory) -> None:
    calls = number("calls")
    threads = [threading.Thread(target=lambda: [calls.inc() for _ in range(5000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert read(memory) == {"calls": 20_000}


def test_a_fork_while_another_thread_counts_does_not_deadlock(memory: Memory) -> None:
    calls = number("calls")
    with memory.lock:
        forked: list[int] = []
        thread = threading.Thread(target=lambda: forked.append(fork(calls.inc)))
        thread.start()
        wait_for(lambda: forked, "a process that counts")
    kill(forked[0])
    assert read(memory) == {"calls": 1}


def test_the_number_of_series_is_limited(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metrics_memory, "MAX_NUMBERS", 4)  # including NOWHERE, for those that do not fit
    numbers = [number("visits", client=str(each)) for each in range(9)]
    for each in numbers:
        each.inc()
    assert [series.labels["client"] for series, value in memory.read() if value == 1] == ["0", "1", "2"]
    assert [record.getMessage() for record in caplog.records] == [
        "Too many metrics: visits {'client': '3'} is not counted."
    ]


def test_without_shared_memory_only_the_page_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: str) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", fail)
    memory = Memory()
    for module in (metrics_memory, metrics_server, metrics_page):
        monkeypatch.setattr(module, "MEMORY", memory)
    fault = "Shared memory for metrics is not available: Too many open files."
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.WARNING, f"GET /metrics answers 503. {fault}")
    ]
    number("calls").inc()
    assert read(memory) == {"calls": 1}
    answer = metrics_page.show()
    assert (answer.status, answer.body) == (503, f'{{"error":"{fault}"}}'.encode())


def test_a_page_that_fails_is_a_503(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(metrics, "REGISTRY", None)
    answer = metrics_page.show()
    assert answer.status == 503
    assert answer.body == b'{"error":"The metrics cannot be shown. Details are in the log."}'
    assert "GET /metrics failed." in caplog.text


TEXTS = ["plain", "ünï©ode", 'a"b\\c\nd', "", "{x=1}", "+Inf"]


def count_at_random(seed: int) -> str:
    """The page after random steps, with prometheus_client's own numbers or those in shared memory."""
    registry, pick = CollectorRegistry(), random.Random(seed)
    counter = prometheus_client.Counter("c", "A\ncounter \\.", ["one", "other"], registry=registry)
    histogram = prometheus_client.Histogram("h", "", ["one"], buckets=[-1, 0.25, 1e7], registry=registry)
    summary = prometheus_client.Summary("s", "A summary.", registry=registry)
    gauge = prometheus_client.Gauge("g", "A gauge.", ["one"], registry=registry)
    for _ in range(300):
        one, other, amount = pick.choice(TEXTS), pick.choice(TEXTS), pick.choice([0, 0.125, 3, 1e9, 0.25])
        counter.labels(one, other).inc(amount)
        histogram.labels(one).observe(pick.choice([-2, -1, 1]) * amount)
        summary.observe(amount)
        gauge.labels(one).dec(amount)
    return generate_latest(registry).decode()


def lines_of(page: str) -> list[str]:
    """The lines with numbers, except for creation times."""
    return sorted(line for line in page.splitlines() if "_created" not in line)


@pytest.mark.parametrize("seed", range(3))
def test_the_page_equals_that_of_prometheus_client(seed: int, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    count_at_random(seed)
    page = metrics_page.show().body
    assert isinstance(page, bytes)
    monkeypatch.setattr("prometheus_client.values.ValueClass", MutexValue)
    ours = [line for line in lines_of(page.decode()) if "serving_" not in line]
    theirs = lines_of(count_at_random(seed))
    # With a bound below zero, prometheus_client omits the sum, but only in single-process mode.
    assert [line for line in ours if not line.startswith("h_sum")] == theirs


def test_an_invalid_unicode_label_is_harmless(memory: Memory) -> None:
    prometheus_client.Counter("odd", "Help.", ["text"], registry=None).labels("\ud800").inc()
    page = metrics_page.show().body
    assert isinstance(page, bytes)
    assert b'odd_total{text="?"} 1.0\n' in page


def test_unsupported_gauge_modes_are_refused() -> None:
    with pytest.raises(ValueError, match="set multiprocess_mode to 'sum' or 'max', not 'livemin'"):
        metrics.Gauge("least", "Help.", registry=None, multiprocess_mode="livemin")
