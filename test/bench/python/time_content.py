"""Measure how fast content types are decoded and encoded, compared with JSON: python time_content.py PROJECT SECONDS

Prints JSON: for each number of records and each type the milliseconds from a request body to the model's input, and
from an array of the same size to a response body, as medians of alternating runs.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

COUNTS = (1, 100, 10_000)
FEATURES = 20


def decode(body: bytes, media_type: str) -> Any:
    """Decode a body to the matrix that scikit-learn gets."""
    from serving import content
    from serving.tabular import to_matrix

    return to_matrix(content.decode(body, media_type)[0], FEATURES)


def measure(cases: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """Return the median milliseconds of functions that run alternately."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or not times[next(reversed(times))]:
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) * 1000 for name, each in times.items()}


def compare(count: int, seconds: float) -> dict[str, tuple[float, float]]:
    """Return the milliseconds to decode and to encode `count` records, by media type."""
    from serving import content

    array = np.random.default_rng(0).normal(size=(count, FEATURES))
    bodies = {name: content.encode(array, name).replace(b"predictions", b"instances") for name in content.ENCODERS}
    assert all((decode(body, name) == array).all() for name, body in bodies.items())
    reading = measure({name: partial(decode, body, name) for name, body in bodies.items()}, seconds)
    writing = measure({name: partial(content.encode, array, name) for name in bodies}, seconds)
    return {name: (reading[name], writing[name]) for name in bodies}


if __name__ == "__main__":
    sys.path.insert(0, str(Path(sys.argv[1]) / "code"))
    print(json.dumps({count: compare(count, float(sys.argv[2])) for count in COUNTS}))
