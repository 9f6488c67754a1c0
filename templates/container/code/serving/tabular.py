"""For models that take rows of numbers, or strings: records to an array, with errors that name the record."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.content import Records
from serving.dataframes import UNNAMED
from serving.errors import BadRequest


def to_matrix(records: Records, features: int | None = None) -> NDArray[np.float64]:
    """Convert records of numbers to an array of shape (records, features). Missing values (null, empty) are NaN.

    Raises BadRequest if there are no records, or one is not a list of `features` numbers (None: as many as the first).
    """
    if isinstance(records, dict):
        raise BadRequest("This model takes lists of numbers, not inputs by name.")
    if not len(records):
        raise BadRequest("The request has no records.")
    try:
        matrix = np.asarray(records, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise BadRequest(find_fault(records, features)) from None
    if matrix.ndim != 2:
        raise BadRequest(find_fault(records, features))
    if features is not None and matrix.shape[1] != features:
        raise BadRequest(f"Expected {features} features per record, got {matrix.shape[1]}.")
    return matrix


def to_texts(records: Records) -> NDArray[np.object_]:
    """Convert strings, or lists of one string, to an array of shape (records,). Raises BadRequest for others."""
    texts = [record[0] if isinstance(record, list) and len(record) == 1 else record for record in records]
    if not texts:
        raise BadRequest("The request has no records.")
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise BadRequest(f"Record {number} is not a string.")
    return np.array(texts, dtype=object)


def takes_texts(model: Any) -> bool:
    """Return whether a scikit-learn model takes strings: a text vectorizer, or a pipeline that starts with one."""
    model = getattr(model, "best_estimator_", model)
    steps = getattr(model, "steps", None)
    return takes_texts(steps[0][1]) if steps else hasattr(model, "build_analyzer")


def check_finite(matrix: NDArray[np.float64]) -> None:
    """Raise BadRequest for NaN, infinity and values that overflow float32."""
    faulty = np.flatnonzero(~(np.abs(matrix) <= np.finfo(np.float32).max).all(axis=1))
    if faulty.size:
        raise BadRequest(
            f"Record {faulty[0] + 1} has a missing, infinite or too large value, which this model does not accept."
        )


def find_fault(records: list[Any] | NDArray[Any], features: int | None) -> str:
    """Describe, for the client, why records are not a matrix. Records are counted from 1."""
    expected = features or (len(records[0]) if isinstance(records[0], list) else None)
    for number, record in enumerate(records, start=1):
        if isinstance(record, dict):
            return f"Record {number} is an object. {UNNAMED}"
        if not isinstance(record, list):
            return f"Record {number} is not a list of numbers."
        for value in record:
            if not is_number(value):
                return f"Record {number}: {repr(value)[:40]} is not a number."
        if len(record) != expected:
            return f"Expected {expected} features per record, got {len(record)} in record {number}."
    return "The records are not lists of numbers."


def is_number(value: Any) -> bool:
    """Return whether NumPy converts the value to a float."""
    try:
        np.float64(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return not isinstance(value, (list, dict))
