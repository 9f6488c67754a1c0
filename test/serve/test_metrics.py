"""GET /metrics of one model, over all processes of a server. For many models see test_many_metrics.py."""

import contextlib
import http.client
import itertools
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from project import Server, assemble, read_metrics, wait_for

BODY = b'{"instances": [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]]}'
HANDLER = """
import os, pathlib, time
from serving.metrics import Counter, Gauge, Histogram
HERE = pathlib.Path(__file__).parent
BATCHING = False
SEEN = Counter("seen_total", "Records by worker.", ["text"])
SIZES = Histogram("sizes", "Records of a request.", buckets=[1, 10])
LARGEST = Gauge("largest", "The largest process id.", multiprocess_mode="livemax")
def load(model_dir): return None
def predict(model, inputs):
    LARGEST.set(os.getpid())
    SIZES.observe(len(inputs))
    for text in inputs:
        SEEN.labels(text).inc()
    if inputs == ["pieces"]:
        return iter(map(str, range(3)))
    if inputs == ["x"]:
        time.sleep(0.01)
    if inputs == ["wait"]:
        (HERE / "started").touch()
        while not (HERE / "go").exists(): time.sleep(0.01)
    return [os.getpid()] * len(inputs)
"""


@pytest.fixture(scope="module")
def counting(variant: str, sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two workers, whose handler counts and returns its process id."""
    folder = assemble(tmp_path_factory.mktemp(variant) / "project", variant, sample)
    (folder / "code/model_handler.py").write_text(HANDLER)
    with Server(folder, variant, SM_WORKERS="2") as server:
        yield server.wait_until_ready()


def ask(server: Server, *inputs: str) -> int:
    """Send a request and return the process id of the worker that answers."""
    return int(server.invoke({"instances": list(inputs)}).json()["predictions"][0])


def ask_both(server: Server) -> set[int]:
    """Send requests until both workers have answered. Return their process ids."""
    pids: set[int] = set()
    clients = itertools.count(8, 8)  # nginx keeps connections alive, which may all go to one worker

    def both() -> bool:
        with ThreadPoolExecutor(count := next(clients)) as pool:
            pids.update(pool.map(lambda _: ask(server, "x"), range(count)))
        return len(pids) == 2

    wait_for(both, "answers of both workers")
    return pids


def test_the_page_counts_requests_of_all_workers_by_status(server: Server) -> None:
    before = read_metrics(server)
    with ThreadPoolExecutor(8) as clients:
        replies = list(clients.map(server.invoke, [BODY] * 40 + [b"{"] * 3 + [b""] * 2))
    replies += [server.invoke(BODY, "application/x-unheard-of"), server.invoke(b" " * (25 * 2**20 + 1))]
    after = read_metrics(server)
    for status, count in ((200, 40), (400, 5), (415, 1), (500, 0)):
        assert [reply.status for reply in replies].count(status) == count
        name = f'serving_requests_total{{code="{status}"}}'
        assert after[name] - before.get(name, 0) == count, name
    taken = after["serving_queue_seconds_count"] - before["serving_queue_seconds_count"]
    assert taken == 46  # all except the one that was too large
    records = after["serving_prediction_records_sum"] - before["serving_prediction_records_sum"]
    assert records == 40
    calls = after["serving_prediction_seconds_count"] - before["serving_prediction_seconds_count"]
    assert 1 <= calls <= 40
    assert after["serving_queue_requests"] == 0
    assert after["serving_model_processes"] >= 1
    assert 0 < time.time() - after["serving_model_loaded_timestamp_seconds"] < 600
    assert before["serving_cpu_seconds_total"] <= after["serving_cpu_seconds_total"] < 600
    assert 10 * 2**20 < after["serving_memory_bytes"] < 2**30


def test_the_page_is_prometheus_text_and_is_neither_logged_nor_counted(server: Server) -> None:
    first, log = server.request("GET", "/metrics"), server.log()
    assert first.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    again = read_metrics(server)
    assert [again[name] for name in again if "requests" in name] == [
        float(line.split()[1]) for line in first.body.decode().splitlines() if line[0] != "#" and "requests" in line
    ]
    assert server.log() == log
    assert server.request("POST", "/metrics").status == 405


def test_buckets_are_cumulative(server: Server) -> None:
    server.invoke(BODY)
    lines = server.request("GET", "/metrics").body.decode().splitlines()
    for metric in ("serving_queue_seconds", "serving_prediction_seconds", "serving_prediction_records"):
        counts = [float(line.split()[1]) for line in lines if line.startswith(f"{metric}_bucket")]
        assert counts == sorted(counts)
        assert f"{metric}_count {counts[-1]}" in lines
        assert counts[-1] > 0


def test_a_handlers_metrics_are_combined_over_all_workers(counting: Server) -> None:
    pids = ask_both(counting)
    ask(counting, "a", "b", "a")
    assert counting.invoke(["pieces"]).body == b"012"
    metrics = read_metrics(counting)
    assert metrics['seen_total{text="a"}'] == 2
    assert metrics['seen_total{text="b"}'] == 1
    requests = metrics['serving_requests_total{code="200"}']
    assert metrics['seen_total{text="x"}'] == requests - 2
    assert metrics['sizes_bucket{le="1.0"}'] == requests - 1
    assert metrics["sizes_count"] == metrics['sizes_bucket{le="10.0"}'] == requests
    assert metrics["largest"] == max(pids)
    assert metrics["serving_prediction_seconds_count"] == requests  # including streams


def test_the_page_answers_during_predictions_and_shows_the_queue(project: Path, variant: str) -> None:
    (project / "code/model_handler.py").write_text(HANDLER)
    with Server(project, variant, SM_WORKERS="1") as server, ThreadPoolExecutor(140) as clients:
        server.wait_until_ready()
        try:
            waiting = [clients.submit(server.invoke, ["wait"])]
            wait_for((project / "code/started").exists, "the handler to start")
            waiting += [clients.submit(server.invoke, ["wait"]) for _ in range(128 + 5)]
            wait_for(lambda: sum(request.done() for request in waiting) == 5, "five refusals")
            started = time.monotonic()
            metrics = read_metrics(server)
            assert time.monotonic() - started < 2
        finally:
            (project / "code/go").touch()
        assert metrics["serving_queue_requests"] == 128
        assert metrics["serving_requests_refused_total"] == metrics['serving_requests_total{code="503"}'] == 5
        assert sorted(request.result().status for request in waiting) == [200] * 129 + [503] * 5
        metrics = read_metrics(server)
        assert metrics["serving_queue_requests"] == 0
        assert metrics["serving_queue_seconds_count"] == metrics['serving_requests_total{code="200"}'] == 129


def test_counters_of_a_killed_worker_stay_and_gauges_are_dropped(counting: Server) -> None:
    pids = ask_both(counting)
    with ThreadPoolExecutor(1) as client:
        lost = client.submit(counting.invoke, ["wait"])
        wait_for((counting.folder / "code/started").exists, "the handler to start")
        before = read_metrics(counting)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(OSError, http.client.HTTPException):
            assert lost.result().status >= 500

    def replaced() -> bool:
        with contextlib.suppress(OSError, AssertionError, http.client.HTTPException):
            return read_metrics(counting)["serving_model_processes"] == 2
        return False

    wait_for(replaced, "other workers")
    (counting.folder / "code/go").touch()
    after = read_metrics(counting)
    assert after["serving_queue_requests"] == after["largest"] == 0
    for name, value in before.items():
        if name.rpartition("_")[2].partition("{")[0] in ("total", "bucket", "count", "sum"):
            assert after[name] >= value, name
    others = ask_both(counting)
    assert not others & pids
    assert read_metrics(counting)['seen_total{text="x"}'] > before['seen_total{text="x"}']


def test_nothing_is_written_to_disk(counting: Server) -> None:
    ask_both(counting)
    read_metrics(counting)
    written = [path.name for path in Path(counting.scratch.name).rglob("*") if not path.is_dir()]
    assert [name for name in written if not name.startswith(("serving", "nginx"))] == []
