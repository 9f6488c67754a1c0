"""What the server counts of its own work, for GET /metrics: once for each batch, where that is enough.

No series has a label for the model: SageMaker loads as many models as it likes, under any names.
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
    """Counts values by the least of the bounds that they do not exceed. `buckets` and `sum` are its columns."""

    def __init__(self, metric: str, about: str, bounds: Sequence[float]) -> None:
        def find(sample: str, **labels: str) -> int:
            return MEMORY.find(Series("histogram", metric, about, f"{metric}_{sample}", labels))

        self.bounds = bounds
        self.buckets = [find("bucket", le=le) for le in [*(str(float(bound)) for bound in bounds), "+Inf"]]
        self.sum = find("sum")

    def observe(self, row: "memoryview[float]", value: float) -> None:
        """Counts a value."""
        row[self.buckets[bisect_left(self.bounds, value)]] += 1
        row[self.sum] += value


def counter(metric: str, about: str, **labels: str) -> Number:
    """A number that only grows."""
    return Number(Series("counter", metric, about, f"{metric}_total", labels))


def gauge(metric: str, about: str, merge: str = "sum") -> Number:
    """A number that is set."""
    return Number(Series("gauge", metric, about, metric, {}, merge))


class Answers(dict[int, int]):
    """The columns of the answers, by their status."""

    def __missing__(self, status: int) -> int:
        about = "Answered requests for predictions, by status."
        self[status] = counter("serving_requests", about, code=str(status)).column
        return self[status]


ANSWERS = Answers()
for usual in (200, 400, 500, 503):  # are there from the start, as 0
    ANSWERS[usual]
REFUSED = counter("serving_requests_refused", "Requests refused with 503: too many waited already.")
QUEUE = gauge("serving_queue_requests", "Requests that wait for their prediction.")
WAITING = Histogram("serving_queue_seconds", "How long requests waited for their prediction.", SECONDS)
PREDICTING = Histogram("serving_prediction_seconds", "How long predictions took; a stream, to its end.", SECONDS)
BATCHES = Histogram("serving_prediction_records", "How many records were predicted together.", RECORDS)
MODELS = gauge("serving_model_processes", "Processes that have a model loaded.")
LOADED = gauge("serving_model_loaded_timestamp_seconds", "When a model was last loaded, in Unix time.", merge="max")


def measure(predict: Callable[[Any], Any], inputs: Any, records: int, request: Request) -> Any:
    """What `predict` returns. How long that took is kept with the request, or counted at the end of a stream."""
    began = time.perf_counter()
    outputs = predict(inputs)
    if isinstance(outputs, Iterator):
        return time_pieces(outputs, records, began)
    request.prediction = records, time.perf_counter() - began
    return outputs


def time_pieces(pieces: Iterator[Any], records: int, began: float) -> Iterator[Any]:
    """The pieces, timed until the last one, or until nobody wants more."""
    try:
        yield from pieces
    finally:
        with MEMORY.lock:
            count_prediction(MEMORY.own or MEMORY.mine(), records, time.perf_counter() - began)


def count_answers(requests: Iterable[Request]) -> None:
    """Counts answered requests and the predictions that they took. It is short, because each batch ends here."""
    total, buckets = 0.0, WAITING.buckets
    with MEMORY.lock:
        row = MEMORY.own or MEMORY.mine()
        for request in requests:
            row[ANSWERS[request.answer.status]] += 1  # type: ignore[union-attr]
            waited = request.waited
            if waited is not None:
                row[buckets[bisect_left(SECONDS, waited)]] += 1
                total += waited
            if request.prediction:
                count_prediction(row, *request.prediction)
        row[WAITING.sum] += total


def count_prediction(row: "memoryview[float]", records: int, seconds: float) -> None:
    """Counts one. Inputs that do not tell their records are one."""
    BATCHES.observe(row, records or 1)
    PREDICTING.observe(row, seconds)
