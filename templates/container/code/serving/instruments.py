"""What the server counts of its own work, for GET /metrics: once for each batch, where that is enough.

No series has a label for the model: SageMaker loads as many models as it likes, under any names.
"""

import logging
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import orjson

from serving.request import Answer, Request
from serving.shared import MEMORY, Number, Series

log = logging.getLogger(__name__)

SECONDS = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
RECORDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096)


class Histogram:
    """Counts values by the least of the bounds that they do not exceed."""

    def __init__(self, metric: str, about: str, bounds: Sequence[float]) -> None:
        def find(sample: str, **labels: str) -> int:
            return MEMORY.find(Series("histogram", metric, about, f"{metric}_{sample}", labels))

        self.bounds = bounds
        self.buckets = [find("bucket", le=le) for le in [*(str(float(bound)) for bound in bounds), "+Inf"]]
        self.sum = find("sum")

    def observe(self, *values: float) -> None:
        """Counts them."""
        with MEMORY.lock:
            row = MEMORY.own or MEMORY.mine()
            for value in values:
                row[self.buckets[bisect_left(self.bounds, value)]] += 1
            row[self.sum] += sum(values)


def counter(metric: str, about: str, **labels: str) -> Number:
    """A number that only grows."""
    return Number(Series("counter", metric, about, f"{metric}_total", labels))


def gauge(metric: str, about: str, merge: str = "sum") -> Number:
    """A number that is set."""
    return Number(Series("gauge", metric, about, metric, {}, merge))


@cache
def answered(status: int) -> Number:
    """The counter of the answers with a status."""
    return counter("serving_requests", "Answered requests for predictions, by status.", code=str(status))


for usual in (200, 400, 500, 503):  # are there from the start, as 0
    answered(usual)
REFUSED = counter("serving_requests_refused", "Requests refused with 503: too many waited already.")
QUEUE = gauge("serving_queue_requests", "Requests that wait for their prediction.")
WAITING = Histogram("serving_queue_seconds", "How long requests waited for their prediction.", SECONDS)
PREDICTING = Histogram("serving_prediction_seconds", "How long predictions took; a stream, to its end.", SECONDS)
BATCHES = Histogram("serving_prediction_records", "How many records were predicted together.", RECORDS)
MODELS = gauge("serving_model_processes", "Processes that have a model loaded.")
LOADED = gauge("serving_model_loaded_timestamp_seconds", "When a model was last loaded, in Unix time.", merge="max")


def count_answers(requests: Iterable[Request]) -> None:
    """Counts requests that have their answers."""
    tally: dict[int, int] = {}
    for request in requests:
        if request.answer:
            tally[request.answer.status] = tally.get(request.answer.status, 0) + 1
    for status, count in tally.items():
        answered(status).inc(count)


def measure(predict: Callable[[Any], Any], count: Callable[[Any], int | None]) -> Callable[[Any], Any]:
    """A `predict` that is timed. `count` tells the records in its inputs; None: they are one."""

    def timed(inputs: Any) -> Any:
        records, began = count(inputs), time.perf_counter()
        outputs = predict(inputs)
        BATCHES.observe(1 if records is None else records)
        if isinstance(outputs, Iterator):
            return time_pieces(outputs, began)
        PREDICTING.observe(time.perf_counter() - began)
        return outputs

    return timed


def time_pieces(pieces: Iterator[Any], began: float) -> Iterator[Any]:
    """The pieces, which are timed until the last one, or until nobody wants more."""
    try:
        yield from pieces
    finally:
        PREDICTING.observe(time.perf_counter() - began)


def show() -> Answer:
    """The answer for GET /metrics: 503 with the reason, where there is no such page."""
    fault = MEMORY.fault
    if not fault:
        try:
            from serving import metrics  # takes 0.1 s: not at the start

            return metrics.show()
        except Exception as error:
            log.exception("GET /metrics failed.")
            fault = f"The metrics cannot be shown: {error}"
    return Answer(503, orjson.dumps({"error": fault}))
