"""Comparison of a converted model with the original, on the user's rows and on rows mixed from them."""

from __future__ import annotations  # for Python 3.8

import importlib
import time
from typing import Any, Callable, Collection, NamedTuple

import numpy as np
from convert_graph import RECORDS
from convert_steps import MISSING

MIXED = 1000
MIN_SCALE = {"predictions": 1e-6, "probabilities": 1.0}  # for relative differences, as in serving/expected.py

Predict = Callable[[Any], "dict[str, Any]"]  # rows -> predictions, and probabilities if any


class Difference(NamedTuple):
    """A prediction in which the converted model differs."""

    row: int  # from 1
    kind: str
    expected: Any
    found: Any
    size: float


def make_session(proto: Any) -> Any:
    """Create a session for the converted model, as in a worker of the server."""
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def make_predictor(session: Any) -> Predict:
    """Return a function that predicts rows with the converted model."""
    texts = {each.name: each.type == "tensor(string)" for each in session.get_inputs()}
    names = [output.name for output in session.get_outputs()]

    def predict(rows: Any) -> dict[str, Any]:
        if list(texts.values()) == [False]:
            inputs = {RECORDS: to_matrix(rows)}
        else:
            inputs = {name: (to_texts if text else to_numbers)(rows[name])[:, None] for name, text in texts.items()}
        return dict(zip((name.partition(".")[2] for name in names), session.run(names, inputs)))

    return predict


def to_matrix(rows: Any) -> Any:
    """Return rows as numbers of shape (records, columns)."""
    if hasattr(rows, "columns"):
        return np.column_stack([to_numbers(rows[name]) for name in rows.columns])
    return np.array(rows, dtype=np.float64)


def to_numbers(values: Any) -> Any:
    """Return a column as the server passes it: categories as their index, missing values as NaN."""
    if hasattr(values, "cat"):
        codes = values.cat.codes.to_numpy().astype(np.float64)
        return np.where(codes < 0, np.nan, codes)
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def to_texts(values: Any) -> Any:
    """Return a column of texts as the server passes it."""
    return np.array([each if isinstance(each, str) else MISSING for each in values], dtype=object)


def compare(original: Predict, converted: Predict, rows: Any, ties: float = 0.0) -> list[Difference]:
    """Return the differences, largest first, one per row and kind.

    Labels count as equal if the two highest probabilities of the original differ by less than `ties`.
    """
    expected, found = original(rows), converted(rows)
    differences = []
    for kind, values in expected.items():
        sizes = measure(np.asarray(values), np.asarray(found[kind]), MIN_SCALE[kind])
        if kind == "predictions" and ties and "probabilities" in expected and np.ndim(expected["probabilities"]) == 2:
            highest = np.sort(expected["probabilities"], axis=1)
            sizes[highest[:, -1] - highest[:, -2] < ties] = 0
        pairs = zip(values, found[kind], sizes.tolist())
        differences += [Difference(row, kind, was, now, size) for row, (was, now, size) in enumerate(pairs, 1)]
    return sorted(differences, key=lambda each: -each.size)


def measure(expected: Any, found: Any, min_scale: float) -> Any:
    """Return the largest relative difference of each row; infinity if a label differs."""
    if expected.shape != found.shape:
        return np.full(len(expected), np.inf)
    if expected.dtype.kind != "f" or found.dtype.kind != "f":
        sizes = np.where(expected == found, 0.0, np.inf)
    else:
        with np.errstate(invalid="ignore"):
            scale = np.maximum(np.maximum(np.abs(expected), np.abs(found)), min_scale)
            sizes = np.abs(expected.astype(np.float64) - found) / scale
        same = (expected == found) | (np.isnan(expected) & np.isnan(found))
        sizes = np.where(same, 0.0, np.where(np.isnan(sizes), np.inf, sizes))
    return sizes.reshape(len(expected), -1).max(axis=1)


def mix(rows: Any, closed: Collection[str]) -> Any:
    """Return rows that combine values of different rows. Half of the numbers are midpoints between two values of their
    column, where trees trained on them have their thresholds. Columns in `closed` keep their values.
    """
    random = np.random.default_rng(7)

    def places() -> Any:
        return random.integers(0, len(rows), MIXED)

    if not hasattr(rows, "columns"):
        matrix: Any = np.array(rows, dtype=np.float64)
        return np.column_stack([move_halfway(matrix[places(), at], random) for at in range(matrix.shape[1])]).tolist()
    columns = {name: rows[name].iloc[places()].reset_index(drop=True) for name in rows.columns}
    mixed = importlib.import_module("pandas").DataFrame(columns)
    for name in mixed.columns:
        if mixed[name].dtype in (np.float64, np.float32) and name not in closed:
            mixed[name] = move_halfway(mixed[name].to_numpy(), random)
    return mixed


def move_halfway(values: Any, random: Any) -> Any:
    """Move half of the finite values halfway to the next higher one."""
    known = np.unique(values[np.isfinite(values)])
    if len(known) < 2:
        return values
    place = np.minimum(np.searchsorted(known, values), len(known) - 2)
    return np.where(
        np.isfinite(values) & (random.random(len(values)) < 0.5), (known[place] + known[place + 1]) / 2, values
    )


def accepts_missing(original: Predict, converted: Predict, rows: Any, column: Any, tolerance: float) -> bool:
    """Return whether both models predict the same without values in a column. The original can reject that."""
    if hasattr(rows, "columns"):
        missing = rows.copy()
        values = missing[column]
        missing[column] = values.where(values.isna() & False) if hasattr(values, "cat") else empty(values)
    else:
        missing = np.array(rows, dtype=np.float64)
        missing[:, column] = np.nan
        missing = missing.tolist()
    try:
        return compare(original, converted, missing)[0].size <= tolerance
    except Exception:
        return False


def empty(values: Any) -> Any:
    """Return the column with missing values only."""
    return np.nan if values.dtype.kind in "iuf" else values.astype(object).where(values.isna() & False, np.nan)


def time_call(function: Callable[[], Any]) -> float:
    """Return the median time of a call in seconds, over 50 ms of calls."""
    function()
    times: list[float] = []
    while sum(times) < 0.05:
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return float(np.median(times))
