"""The server's own metrics, for GET /metrics. They are updated once per batch where possible.

No series has a label for the model: the number of models that SageMaker loads, and their names, are unbounded.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from serving.metrics_memory import MEMORY, Number, Series
from serving.request import Request

SECONDS = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
RECORDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096)


class Histogram:
    """Counts each value in the first bucket whose bound it does not exceed. `buckets` and `sum` are columns."""

    def __init__(self, metric: str, about: str, bounds: Sequence[float]) -> None:
        def find(sample: str, **labels: str) -> int:
            return MEMORY.find(Series("histogram", metric, about, f"{metric}_{sample}", labels))

        self.bounds = bounds
        self.buckets = [find("bucket", le=le) for le in [*(str(float(bound)) for bound in bounds), "+Inf"]]
        self.sum = find("sum")

    def observe(self, row: "memoryview[float]", value: float) -> None:
        """Count a value."""
        row[self.buckets[bisect_left(self.bounds, value)]] += 1
        row[self.sum] += value


def counter(metric: str, about: str, **labels: str) -> Number:
    """Create a number that only grows."""
    return Number(Series("counter", metric, about, f"{metric}_total", labels))


def gauge(metric: str, about: str, merge: str = "sum") -> Number:
    """Create a number that is set."""
    return Number(Series("gauge", metric, about, metric, {}, merge))


class Responses(dict[int, int]):
    """The columns of the counters of responses, by status."""

    def __missing__(self, status: int) -> int:
        about = "Prediction requests answered, by status."
        self[status] = counter("serving_requests", about, code=str(status)).column
        return self[status]


RESPONSES = Responses()
for usual in (200, 400, 500, 503):  # start at 0 instead of being absent
    RESPONSES[usual]
REFUSED = counter("serving_requests_refused", "Requests refused with 503 because the queue was full.")
QUEUE = gauge("serving_queue_requests", "Requests waiting for their prediction.")
WAITING = Histogram("serving_queue_seconds", "Time requests waited for their prediction.", SECONDS)
PREDICTING = Histogram("serving_prediction_seconds", "Duration of predictions; of a stream, until its end.", SECONDS)
BATCHES = Histogram("serving_prediction_records", "Records per prediction.", RECORDS)
MODELS = gauge("serving_model_processes", "Processes with a loaded model.")
LOADED = gauge("serving_model_loaded_timestamp_seconds", "Unix time when a model was last loaded.", merge="max")


def measure(predict: Callable[[Any], Any], inputs: Any, records: int, request: Request) -> Any:
    """Call `predict` and return its result. The duration is stored in the request, or counted when a stream ends."""
    began = time.perf_counter()
    outputs = predict(inputs)
    if isinstance(outputs, Iterator):
        return time_pieces(outputs, records, began)
    request.prediction = records, time.perf_counter() - began
    return outputs


def time_pieces(pieces: Iterator[Any], records: int, began: float) -> Iterator[Any]:
    """Yield the pieces, and count the prediction once they are exhausted or closed."""
    try:
        yield from pieces
    finally:
        with MEMORY.lock:
            count_prediction(MEMORY.own or MEMORY.own_row(), records, time.perf_counter() - began)


def count_responses(requests: Iterable[Request]) -> None:
    """Count answered requests and their predictions. This runs for every batch, so it must be fast."""
    total, buckets = 0.0, WAITING.buckets
    with MEMORY.lock:
        row = MEMORY.own or MEMORY.own_row()
        for request in requests:
            row[RESPONSES[request.response.status]] += 1  # type: ignore[union-attr]
            waited = request.waited
            if waited is not None:
                row[buckets[bisect_left(SECONDS, waited)]] += 1
                total += waited
            if request.prediction:
                count_prediction(row, *request.prediction)
        row[WAITING.sum] += total


def count_prediction(row: "memoryview[float]", records: int, seconds: float) -> None:
    """Count a prediction. Inputs with an unknown number of records count as one record."""
    BATCHES.observe(row, records or 1)
    PREDICTING.observe(row, seconds)
