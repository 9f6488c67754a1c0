"""GET /metrics, and metrics for a handler to define:

    from serving.metrics import Counter

    ORDERS = Counter("orders_total", "Orders that were scored, by country.", ["country"])
    ORDERS.labels("NO").inc()

Counter, Histogram, Summary and Gauge are prometheus_client's; their values are combined over all processes. A Gauge is
the sum over the running processes or, with multiprocess_mode="max", the maximum.
"""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest, values
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.samples import Sample

from serving.metrics_memory import MEMORY, Number, Series
from serving.request import Response

__all__ = ["Counter", "Gauge", "Histogram", "Summary", "show"]

TEXT = "text/plain; version=0.0.4; charset=utf-8"
PROC = Path("/proc")


class Value(Number):
    """A number with the interface that prometheus_client expects."""

    def __init__(
        self,
        kind: str,
        metric: str,
        sample: str,
        names: Sequence[str],
        labels: Sequence[str],
        about: str,
        multiprocess_mode: str = "",
        **_: object,
    ) -> None:
        if multiprocess_mode.endswith(("min", "mostrecent")):
            raise ValueError(f"{metric}: set multiprocess_mode to 'sum' or 'max', not {multiprocess_mode!r}.")
        encodable = [label.encode(errors="replace").decode() for label in labels]
        merge = "max" if multiprocess_mode.endswith("max") else "sum"
        super().__init__(Series(kind, metric, about, sample, dict(zip(names, encodable, strict=True)), merge))

    def get_exemplar(self) -> None:
        """Return None: the text format has no exemplars."""

    def set_exemplar(self, exemplar: object) -> None:
        """Do nothing: the text format has no exemplars."""


values.ValueClass = Value


class Numbers:
    """Collects all metrics."""

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, combined over all processes."""
        found: dict[str, Metric] = {}
        for series, number in MEMORY.read():
            metric = found.setdefault(series.metric, Metric(series.metric, series.help, series.kind))
            metric.add_sample(series.sample, series.labels, number)
        for metric in found.values():
            if metric.type == "histogram":
                accumulate(metric)
        yield from found.values()
        if PROC.is_dir():
            yield CounterMetricFamily("serving_cpu_seconds", "CPU time of all processes.", read_cpu_seconds())
            yield GaugeMetricFamily("serving_memory_bytes", "Memory used by all processes.", read_memory_bytes())


REGISTRY = CollectorRegistry()
REGISTRY.register(Numbers())


def show() -> Response:
    """Answer GET /metrics."""
    return Response(200, generate_latest(REGISTRY), TEXT)


def accumulate(metric: Metric) -> None:
    """Make the buckets of a histogram cumulative, and add a sample with the total count."""
    samples, metric.samples = metric.samples, []
    counts: dict[str, float] = defaultdict(float)
    for name, labels, value, *_ in sorted(samples, key=order_sample):
        others = {label: text for label, text in labels.items() if label != "le"}
        if labels != others:
            value = counts[str(others)] = counts[str(others)] + value
        metric.add_sample(name, labels, value)
        if labels.get("le") == "+Inf":
            metric.add_sample(f"{metric.name}_count", others, value)


def order_sample(sample: Sample) -> tuple[str, float]:
    """Sort key: by labels, then by bucket bound."""
    return str({**sample.labels, "le": ""}), float(sample.labels.get("le", "inf"))


def list_processes() -> dict[int, list[str]]:
    """Return the first process and its descendants, each with the fields of /proc/PID/stat starting with the state."""
    every: dict[int, list[str]] = {}
    children: dict[int, list[int]] = defaultdict(list)
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            pid, fields = int(folder.name), (folder / "stat").read_text().rpartition(")")[2].split()
            every[pid] = fields
            children[int(fields[1])].append(pid)
    ours = [MEMORY.first_process]
    for pid in ours:
        ours += children[pid]
    return {pid: every[pid] for pid in ours if pid in every}


def read_cpu_seconds() -> float:
    """Return the CPU time of all running processes, and of ended ones, which is included in that of their parents.

    A process that ends while the times are read would be counted twice, or not at all: they are then read again.
    """
    now = list_processes()
    for _ in range(5):
        before, now = now, list_processes()
        if all(fields[13:15] == now.get(pid, [])[13:15] for pid, fields in before.items()):
            break
    ticks = sum(int(number) for fields in before.values() for number in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def read_memory_bytes() -> int:
    """Return the memory of all running processes. Shared memory, such as a preloaded model, counts once."""
    return sum(read_memory_of(PROC / str(pid)) for pid in list_processes())


def read_memory_of(process: Path) -> int:
    """Return the proportional set size of a process in bytes; if unavailable, its resident set size."""
    with suppress(OSError, StopIteration):
        lines = (process / "smaps_rollup").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    with suppress(OSError):
        return int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
