"""Whether a converted model answers as the original does: on the user's rows, and on rows mixed from them."""

from __future__ import annotations  # for Python 3.8

import importlib
import time
from typing import Any, Callable, Collection, NamedTuple

import numpy as np
from convert_graph import RECORDS
from convert_steps import MISSING

MIXED = 1000
SMALLEST = {"predictions": 1e-6, "probabilities": 1.0}  # the size that smaller numbers count as: serving/expected.py

Answers = Callable[[Any], "dict[str, Any]"]  # rows -> predictions, and probabilities where there are some


class Difference(NamedTuple):
    """Where a converted model answers otherwise."""

    row: int  # from 1
    kind: str
    expected: Any
    found: Any
    size: float


def make_session(proto: Any) -> Any:
    """The converted model, as one process of the server runs it."""
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def answers_of(session: Any) -> Answers:
    """What a converted model answers for rows."""
    texts = {each.name: each.type == "tensor(string)" for each in session.get_inputs()}
    names = [output.name for output in session.get_outputs()]

    def answer(rows: Any) -> dict[str, Any]:
        if list(texts.values()) == [False]:
            inputs = {RECORDS: to_matrix(rows)}
        else:
            inputs = {name: (to_texts if text else to_numbers)(rows[name])[:, None] for name, text in texts.items()}
        return dict(zip((name.partition(".")[2] for name in names), session.run(names, inputs)))

    return answer


def to_matrix(rows: Any) -> Any:
    """Rows as numbers, of shape (records, columns)."""
    if hasattr(rows, "columns"):
        return np.column_stack([to_numbers(rows[name]) for name in rows.columns])
    return np.array(rows, dtype=np.float64)


def to_numbers(values: Any) -> Any:
    """A column as the server sends it: a category as its place, a missing value as NaN."""
    if hasattr(values, "cat"):
        codes = values.cat.codes.to_numpy().astype(np.float64)
        return np.where(codes < 0, np.nan, codes)
    return values.to_numpy(dtype=np.float64, na_value=np.nan)


def to_texts(values: Any) -> Any:
    """A column of texts as the server sends it."""
    return np.array([each if isinstance(each, str) else MISSING for each in values], dtype=object)


def compare(original: Answers, converted: Answers, rows: Any, ties: float = 0.0) -> list[Difference]:
    """The differences, largest first, one for each row and kind. A label counts as the same where the original's two
    highest probabilities differ by less than `ties`.
    """
    expected, found = original(rows), converted(rows)
    differences = []
    for kind, values in expected.items():
        sizes = measure(np.asarray(values), np.asarray(found[kind]), SMALLEST[kind])
        if kind == "predictions" and ties and "probabilities" in expected and np.ndim(expected["probabilities"]) == 2:
            highest = np.sort(expected["probabilities"], axis=1)
            sizes[highest[:, -1] - highest[:, -2] < ties] = 0
        pairs = zip(values, found[kind], sizes.tolist())
        differences += [Difference(row, kind, was, now, size) for row, (was, now, size) in enumerate(pairs, 1)]
    return sorted(differences, key=lambda each: -each.size)


def measure(expected: Any, found: Any, smallest: float) -> Any:
    """The largest difference of each row, relative to the size of its number; infinity for another label."""
    if expected.shape != found.shape:
        return np.full(len(expected), np.inf)
    if expected.dtype.kind != "f" or found.dtype.kind != "f":
        sizes = np.where(expected == found, 0.0, np.inf)
    else:
        with np.errstate(invalid="ignore"):
            scale = np.maximum(np.maximum(np.abs(expected), np.abs(found)), smallest)
            sizes = np.abs(expected.astype(np.float64) - found) / scale
        same = (expected == found) | (np.isnan(expected) & np.isnan(found))
        sizes = np.where(same, 0.0, np.where(np.isnan(sizes), np.inf, sizes))
    return sizes.reshape(len(expected), -1).max(axis=1)


def mix(rows: Any, closed: Collection[str]) -> Any:
    """Rows of values from different rows, half of the numbers from halfway between two of their column: there are the
    thresholds of trees that were trained on them. Columns that are `closed` keep to their values.
    """
    random = np.random.default_rng(7)

    def places() -> Any:
        return random.integers(0, len(rows), MIXED)

    if not hasattr(rows, "columns"):
        matrix: Any = np.array(rows, dtype=np.float64)
        return np.column_stack([halve(matrix[places(), at], random) for at in range(matrix.shape[1])]).tolist()
    columns = {name: rows[name].iloc[places()].reset_index(drop=True) for name in rows.columns}
    mixed = importlib.import_module("pandas").DataFrame(columns)
    for name in mixed.columns:
        if mixed[name].dtype in (np.float64, np.float32) and name not in closed:
            mixed[name] = halve(mixed[name].to_numpy(), random)
    return mixed


def halve(values: Any, random: Any) -> Any:
    """Half of the values, of those that are there, moved halfway to the next higher one."""
    known = np.unique(values[np.isfinite(values)])
    if len(known) < 2:
        return values
    place = np.minimum(np.searchsorted(known, values), len(known) - 2)
    return np.where(
        np.isfinite(values) & (random.random(len(values)) < 0.5), (known[place] + known[place + 1]) / 2, values
    )


def takes_missing(original: Answers, converted: Answers, rows: Any, column: Any, tolerance: float) -> bool:
    """Whether both answer the same where a column has no value; the original may refuse that."""
    if hasattr(rows, "columns"):
        gone = rows.copy()
        values = gone[column]
        gone[column] = values.where(values.isna() & False) if hasattr(values, "cat") else empty(values)
    else:
        gone = np.array(rows, dtype=np.float64)
        gone[:, column] = np.nan
        gone = gone.tolist()
    try:
        return compare(original, converted, gone)[0].size <= tolerance
    except Exception:
        return False


def empty(values: Any) -> Any:
    """A column with missing values only."""
    return np.nan if values.dtype.kind in "iuf" else values.astype(object).where(values.isna() & False, np.nan)


def time_once(act: Callable[[], Any]) -> float:
    """Seconds of a call: the median of as many as fit into a twentieth of a second."""
    act()
    taken: list[float] = []
    while sum(taken) < 0.05:
        started = time.perf_counter()
        act()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))
