"""For models that take named arrays: records to one array for each input, checked against what the model expects."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.batching import count, cut, join
from serving.content import Records
from serving.errors import BadRequest, StartError

Arrays = dict[str, NDArray[Any]]  # by the name of the input


@dataclass(frozen=True)
class Input:
    """What a model expects of one of its inputs."""

    name: str
    dtype: str  # NumPy's name of it, such as "float32"; "str" for texts
    shape: tuple[int | None, ...] | None = None  # the first axis counts the records; None: of any length; or unknown

    def __post_init__(self) -> None:
        if self.shape == ():
            raise StartError(
                f"The input {self.name} is one value for all records: change load() and decode() in model_handler.py, "
                "which have one for each record."
            )

    def describe(self) -> str:
        """The expectation for the client, such as "8 numbers (float32) a record"."""
        noun = {"str": "text", "bool": "boolean"}.get(self.dtype, "number")
        unit = f" ({self.dtype})" if noun == "number" else ""
        if self.shape is None:
            return f"{noun}s{unit}"
        record = self.shape[1:]
        if record in ((), (1,)):
            return f"one {noun}{unit} a record"
        if len(record) == 1:
            return f"{record[0] or 'a list of'} {noun}s{unit} a record"
        return f"{noun}s{unit} of shape ({', '.join(str(length or 'any') for length in record)}) a record"


def to_inputs(records: Records, expected: Sequence[Input]) -> Arrays:
    """One array for each expected input, all with the same number of records.

    `records` are plain where the model has one input, else {"name": [...]} or a list of {"name": ...}. Raises
    BadRequest, with what was expected, for other names, types and shapes, for NaN and infinity, and for no records.
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
    """The arrays of one request to a model whose inputs do not all count records. It is predicted alone."""

    arrays: Arrays


def counts_records(expected: Sequence[Input]) -> bool:
    """Whether the first axis of each input can count the records: of any length for all of them, or of the same."""
    return len({each.shape[0] for each in expected if each.shape}) < 2


def to_whole(records: Records, expected: Sequence[Input]) -> Whole:
    """Each input as the model takes it, from {"name": ...}. Raises BadRequest, with what was expected, as to_inputs."""
    if isinstance(records, list) and len(records) == 1:
        records = records[0]
    if not isinstance(records, dict):
        example = ", ".join(f'"{each.name}": ...' for each in expected)
        raise BadRequest(f'This model takes one set of inputs at a time: send {{"inputs": {{{example}}}}}.')
    columns = to_columns(records, expected)
    return Whole({each.name: to_exact(columns[each.name], each) for each in expected})


def to_exact(values: Any, expected: Input) -> NDArray[Any]:
    """The values of one input as an array of its type and shape, which is that of all axes."""
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
    """The values of each input, whichever way the records came."""
    names = ", ".join(each.name for each in expected)
    columns: Mapping[str, Any]
    if isinstance(records, dict):
        columns = records
    elif isinstance(records, list) and records and all(isinstance(record, dict) for record in records):
        if any(record.keys() != records[0].keys() for record in records):
            raise BadRequest(f"Every record needs the inputs {names}.")
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
    """The values of one input as an array of its type and shape, records first; one record alone gets that axis."""
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
    """An array of this type. Raises ValueError, TypeError or OverflowError for values that are not of it."""
    target = np.dtype(object if dtype == "str" else dtype)
    if target.kind == "f":
        with np.errstate(over="ignore"):  # what is too large becomes infinite, which is an error of its own
            return np.asarray(values, dtype=np.float64).astype(target)
    # As objects: NumPy would make texts of numbers among texts, each as long as the longest.
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
    """The array with an axis for records if it was one record alone, and flat records, as CSV has them, in shape."""
    record = shape[1:]
    if array.ndim == len(record) and matches(array.shape, record):
        return array[np.newaxis]
    if record == (1,) and array.ndim < 2:  # a column of a table, as scikit-learn's converter makes them
        return array.reshape(-1, 1)
    if not record and array.ndim == 2 and 1 in array.shape:
        return array.reshape(-1)
    lengths = [length for length in record if length]
    if array.ndim == 2 and len(record) == len(lengths) > 1 and array.shape[1] == math.prod(lengths):
        return array.reshape(-1, *lengths)
    return array


def matches(shape: Sequence[int], expected: Sequence[int | None]) -> bool:
    """Whether each axis has the expected length; None is any length."""
    return len(shape) == len(expected) and all(want in (None, have) for have, want in zip(shape, expected, strict=True))


def find_fault(values: Any, expected: Input) -> str:
    """What is wrong with the values of an input, for the client. Records count from 1."""
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
    """The outputs of a model that takes exactly `size` records at a time (None: any number), run as often as needed.

    Of a model that takes one at a time and gives another number of entries, all of them are that record's.
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
    """The only output as it is; several as one object a record, {"name": value}."""
    if len(outputs) == 1:
        return next(iter(outputs.values()))
    if count(dict(outputs)) is None:  # not one entry a record
        return {"predictions": outputs}
    return [dict(zip(outputs, values, strict=True)) for values in zip(*outputs.values(), strict=True)]
