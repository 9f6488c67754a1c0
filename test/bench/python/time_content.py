"""How fast content types are read and written, beside JSON: python time_content.py PROJECT SECONDS

It prints JSON: for each number of records and each type the milliseconds from a body to the matrix that a model gets,
and from an array of the same numbers to the body of an answer; medians of turns taken one by one.
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
    """A body as the matrix that scikit-learn gets."""
    from serving import content
    from serving.tabular import to_matrix

    return to_matrix(content.decode(body, media_type)[0], FEATURES)


def measure(cases: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """The median milliseconds of functions that take turns."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or not times[next(reversed(times))]:
        for name, case in cases.items():
            began = time.perf_counter()
            case()
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(each) * 1000 for name, each in times.items()}


def compare(count: int, seconds: float) -> dict[str, tuple[float, float]]:
    """The milliseconds for so many records, by media type: to read them, and to write them."""
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
