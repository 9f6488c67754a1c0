"""For models that take named arrays: records to one array per input, checked against what the model expects."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.batching import count, cut, join
from serving.content import Records
from serving.errors import BadRequest, StartError

Arrays = dict[str, NDArray[Any]]  # by input name


@dataclass(frozen=True)
class Input:
    """Name, type and shape of a model input."""

    name: str
    dtype: str  # NumPy's name, such as "float32"; "str" for strings
    shape: tuple[int | None, ...] | None = None  # axis 0 is the records; a None axis has any length; None: unknown

    def __post_init__(self) -> None:
        if self.shape == ():
            raise StartError(
                f"The input {self.name} is a single value for all records, but load() and decode() expect one per "
                "record: change them in code/model_handler.py."
            )

    def describe(self) -> str:
        """Describe the input for the client, such as "8 numbers (float32) per record"."""
        noun = {"str": "string", "bool": "boolean"}.get(self.dtype, "number")
        unit = f" ({self.dtype})" if noun == "number" else ""
        if self.shape is None:
            return f"{noun}s{unit}"
        record = self.shape[1:]
        if record in ((), (1,)):
            return f"one {noun}{unit} per record"
        if len(record) == 1:
            return f"{record[0] or 'a list of'} {noun}s{unit} per record"
        return f"{noun}s{unit} of shape ({', '.join(str(length or 'any') for length in record)}) per record"


def to_inputs(records: Records, expected: Sequence[Input]) -> Arrays:
    """Convert records to one array per expected input, all with the same number of records.

    `records` are plain if the model has one input, otherwise {"name": [...]} or a list of {"name": ...}. Raises
    BadRequest, which says what was expected, for other names, types and shapes, NaN, infinity, and no records.
    """
    columns = to_columns(records, expected)
    arrays = {each.name: to_array(columns[each.name], each) for each in expected}
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise BadRequest(f"The inputs have different numbers of records: {counts}.")
    if not all(counts.values()):
        raise BadRequest("The request has no records.")
    return arrays


@dataclass(frozen=True)
class Whole:
    """The arrays of one request, for a model whose inputs do not all have records on axis 0. It is predicted alone."""

    arrays: Arrays


def counts_records(expected: Sequence[Input]) -> bool:
    """Return whether axis 0 of each input can be the records: it has any length, or the same, in all of them."""
    return len({each.shape[0] for each in expected if each.shape}) < 2


def to_whole(records: Records, expected: Sequence[Input]) -> Whole:
    """Convert {"name": ...} to the arrays of a whole request. Raises BadRequest as to_inputs does."""
    if isinstance(records, list) and len(records) == 1:
        records = records[0]
    if not isinstance(records, dict):
        example = ", ".join(f'"{each.name}": ...' for each in expected)
        raise BadRequest(f'This model takes one set of inputs at a time: send {{"inputs": {{{example}}}}}.')
    columns = to_columns(records, expected)
    return Whole({each.name: to_exact(columns[each.name], each) for each in expected})


def to_exact(values: Any, expected: Input) -> NDArray[Any]:
    """Convert the values of one input to an array of exactly its type and shape."""
    shape = ", ".join(str(length or "any") for length in expected.shape or ())
    wanted = f"The input {expected.name} takes {expected.dtype}" + (f" of shape ({shape})" if shape else "")
    try:
        array = convert(values, expected.dtype)
    except (TypeError, ValueError, OverflowError):
        raise BadRequest(f"{wanted}, got something else.") from None
    if expected.shape is not None and not matches(array.shape, expected.shape):
        raise BadRequest(f"{wanted}, got shape ({', '.join(map(str, array.shape))}).")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise BadRequest(f"{wanted}, got a missing or infinite value.")
    return array


def to_columns(records: Records, expected: Sequence[Input]) -> Mapping[str, Any]:
    """Return the values of each input, for any form of the records."""
    names = ", ".join(each.name for each in expected)
    columns: Mapping[str, Any]
    if isinstance(records, dict):
        columns = records
    elif isinstance(records, list) and records and all(isinstance(record, dict) for record in records):
        if any(record.keys() != records[0].keys() for record in records):
            raise BadRequest(f"Every record must have the inputs {names}.")
        columns = {name: [record[name] for record in records] for name in records[0]}
    elif len(expected) == 1:
        return {expected[0].name: records}
    else:
        example = ", ".join(f'"{each.name}": [...]' for each in expected)
        raise BadRequest(f'This model has {len(expected)} inputs: send {{"inputs": {{{example}}}}}.')
    if columns.keys() != {each.name for each in expected}:
        raise BadRequest(f"Expected the inputs {names}, got {', '.join(map(str, columns)) or 'none'}.")
    return columns


def to_array(values: Any, expected: Input) -> NDArray[Any]:
    """Convert the values of one input to an array of its type and shape. A single record gets an axis for records."""
    if isinstance(values, list) and not values:
        raise BadRequest("The request has no records.")
    try:
        array = convert(values, expected.dtype)
    except (TypeError, ValueError, OverflowError):
        raise BadRequest(find_fault(values, expected)) from None
    if expected.shape is not None:
        array = fit(array, expected.shape)
        if not matches(array.shape[1:], expected.shape[1:]) or array.ndim != len(expected.shape):
            raise BadRequest(find_fault(values, expected))
        if expected.shape[0] and len(array) % expected.shape[0]:
            raise BadRequest(f"This model takes {expected.shape[0]} records at a time, got {len(array)}.")
    elif array.ndim == 0:
        array = array.reshape(1)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        record = 1 + int(np.argwhere(~np.isfinite(array))[0][0])
        raise BadRequest(f"Record {record} has a missing or infinite value. Expected {expected.describe()}.")
    return array


def convert(values: Any, dtype: str) -> NDArray[Any]:
    """Convert to an array of this type. Raises ValueError, TypeError or OverflowError for values of another type."""
    target = np.dtype(object if dtype == "str" else dtype)
    if target.kind == "f":
        with np.errstate(over="ignore"):  # too large a number becomes infinity, which is checked later
            return np.asarray(values, dtype=np.float64).astype(target)
    # As objects, because NumPy would convert numbers among strings to strings, each as long as the longest.
    array = values if isinstance(values, np.ndarray) else np.asarray(values, dtype=object)
    kinds = {str} if dtype == "str" else {bool, int, float}
    if "O" in (target.kind, array.dtype.kind) and not kinds.issuperset(map(type, array.flat)):
        raise TypeError
    with np.errstate(invalid="ignore"):
        cast = array.astype(target)
    if not np.array_equal(cast, array):  # 1.5 for a whole number, 300 for a uint8, NaN
        raise ValueError
    return cast


def fit(array: NDArray[Any], shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Add an axis for records to a single record, and reshape flat records, as from CSV."""
    record = shape[1:]
    if array.ndim == len(record) and matches(array.shape, record):
        return array[np.newaxis]
    if record == (1,) and array.ndim < 2:  # a table column, as the scikit-learn converter creates them
        return array.reshape(-1, 1)
    if not record and array.ndim == 2 and 1 in array.shape:
        return array.reshape(-1)
    lengths = [length for length in record if length]
    if array.ndim == 2 and len(record) == len(lengths) > 1 and array.shape[1] == math.prod(lengths):
        return array.reshape(-1, *lengths)
    return array


def matches(shape: Sequence[int], expected: Sequence[int | None]) -> bool:
    """Return whether each axis has the expected length; None matches any length."""
    return len(shape) == len(expected) and all(want in (None, have) for have, want in zip(shape, expected, strict=True))


def find_fault(values: Any, expected: Input) -> str:
    """Describe, for the client, what is wrong with the values of an input. Records are counted from 1."""
    wanted = f"Expected {expected.describe()}"
    for number, value in enumerate(values if isinstance(values, (list, np.ndarray)) else [], 1):
        try:
            shape = convert(value, expected.dtype).shape
        except (TypeError, ValueError, OverflowError):
            return f"{wanted}, got something else in record {number}."
        if expected.shape is not None and not matches(shape, expected.shape[1:]):
            got = f"shape ({', '.join(map(str, shape))})" if len(shape) > 1 else str(*shape) or "a single value"
            return f"{wanted}, got {got} in record {number}."
    return f"{wanted}, in the same shape for all." if isinstance(values, list) else f"{wanted}."


def run_in_slices(run: Callable[[Arrays], dict[str, Any]], inputs: Arrays, size: int | None) -> dict[str, Any]:
    """Run a model that takes exactly `size` records at a time (None: any number) as often as needed.

    If a model takes one record at a time and returns several entries, all of them belong to that record.
    """
    rows = count(inputs) or 0
    if size is None or rows == size > 1:
        return run(inputs)
    parts = [run(cut(inputs, start, start + size)) for start in range(0, rows, size)]
    if size == 1:
        for name in parts[0]:
            if any(count(part[name]) != 1 for part in parts):
                parts = [{**part, name: [part[name]]} for part in parts]
    return join(parts)  # type: ignore[no-any-return]


def to_predictions(outputs: Mapping[str, Any]) -> Any:
    """Return a single output unchanged, several as one object per record, {"name": value}."""
    if len(outputs) == 1:
        return next(iter(outputs.values()))
    if count(dict(outputs)) is None:  # not one entry per record
        return {"predictions": outputs}
    return [dict(zip(outputs, values, strict=True)) for values in zip(*outputs.values(), strict=True)]
