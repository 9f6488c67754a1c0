"""Measure the overhead of a request with one record, by format: python time_columns.py PROJECT SECONDS

Uses a pipeline on a DataFrame and a model on an array, both loaded by the project's own code. Prints JSON: for each
format the milliseconds from request body to response body and those of predict() alone, as medians of alternating runs.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame({f"number{at}": RANDOM.normal(size=500) for at in range(8)}).assign(
    city=RANDOM.choice(["Oslo", "Rome"], 500), kind=RANDOM.choice(["a", "b", "c"], 500)
)
LABELS = FRAME["number0"] > 0
ROW = FRAME.iloc[:1]


def load(model: Any) -> Any:
    """Load a model as the server does."""
    from serving.models import import_handler, load_model

    folder = Path(tempfile.mkdtemp())
    joblib.dump(model, folder / "model.joblib")
    return load_model(import_handler(), folder)


def answer(model: Any, content_type: str, body: bytes) -> bytes:
    """Answer a request as the server does, without HTTP."""
    from serving import content
    from serving.request import CURRENT, Request

    CURRENT.set(Request(body, content_type))
    records, _ = content.decode(body, content_type, model.decoders)
    return content.encode(model.encode(model.predict(model.decode(records))), "application/json")


def prepare() -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Return for each format a function that answers a request, and one that calls only the library."""
    numbers = list(FRAME.columns[:8])
    columns = ColumnTransformer([("n", StandardScaler(), numbers), ("t", OneHotEncoder(), ["city", "kind"])])
    pipeline = make_pipeline(columns, LogisticRegression()).fit(FRAME, LABELS)
    matrix = FRAME[numbers].to_numpy()
    plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(matrix, LABELS)
    record = ROW.to_dict("records")[0]
    bodies = {
        "objects": ("application/json", json.dumps({"instances": [record]}).encode()),
        "lists": ("application/json", json.dumps({"instances": [list(record.values())]}).encode()),
        "dataframe_split": (
            "application/json",
            json.dumps({"dataframe_split": {"columns": list(record), "data": [list(record.values())]}}).encode(),
        ),
        "CSV with a header": ("text/csv", ROW.to_csv(index=False).encode()),
    }
    by_column, by_position = load(pipeline), load(plain)
    cases = {name: (partial(answer, by_column, *body), partial(pipeline.predict, ROW)) for name, body in bodies.items()}
    body = json.dumps({"instances": matrix[:1].tolist()}).encode()
    cases["an array"] = partial(answer, by_position, "application/json", body), partial(plain.predict, matrix[:1])
    return cases


def measure(one: Callable[[], Any], other: Callable[[], Any], seconds: float) -> tuple[float, float]:
    """Return the median milliseconds of two functions that run alternately."""
    times: list[tuple[float, float]] = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        start = time.perf_counter()
        one()
        between = time.perf_counter()
        other()
        times.append((between - start, time.perf_counter() - between))
    first, second = zip(*times, strict=True)
    return statistics.median(first) * 1000, statistics.median(second) * 1000


if __name__ == "__main__":
    sys.path.insert(0, str(Path(sys.argv[1]) / "code"))
    print(json.dumps({name: measure(*case, float(sys.argv[2])) for name, case in prepare().items()}))
