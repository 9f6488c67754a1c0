"""Columns that a model takes by name: the values of a request as one array for each, in the type of the training.

The columns are those of model/signature.json, or else those that the model itself knows.
"""

import importlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path
from types import NoneType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.errors import BadRequest, StartError

FILE = "signature.json"
# The types of columns of which the model itself knows no more: each request decides, or it is some number.
ANY, NUMBER = "any", "number"

Values = Sequence[Any]  # of one column: plain Python, and None where a value is missing


class Column(NamedTuple):
    """A column that the model takes."""

    name: str
    type: str = ANY
    required: bool = False  # every record has a value; otherwise it can be null or left out
    gap: Any = math.nan  # what stands for a missing text in a DataFrame
    categories: Sequence[Any] = ()  # the value is one of these, and arrives as its position; any other is missing


class Columns(dict[str, NDArray[Any]]):
    """The values of the records by column, in the model's order: arrays of shape (records,)."""

    def to_frame(self) -> Any:
        """The same as a pandas.DataFrame."""
        return importlib.import_module("pandas").DataFrame(self, copy=False)  # which not all images have


FRAME, ARRAY, ROWS = "frame", "array", "rows"


class Taken(NamedTuple):
    """What a model takes by name."""

    columns: Sequence[Column]
    # What becomes of them: FRAME, a pandas.DataFrame for predict(); or what decode() gets, ARRAY, of numbers of shape
    # (records, columns), or ROWS, a list of values for each record.
    form: str = FRAME


class Type(NamedTuple):
    """A type of values, by MLflow's name of it."""

    noun: str  # for the client
    dtype: str  # NumPy's
    takes: frozenset[type]
    parse: Callable[[str], Any] = str  # a field of CSV; raises ValueError or KeyError


def parse_whole(field: str) -> float:
    """A whole number as int, any other number as float."""
    try:
        return int(field)
    except ValueError:
        return float(field)


NUMBERS, TEXTS = frozenset({int, float}), frozenset({str})
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?Z?)?")
BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
TYPES = {
    "double": Type("a number", "float64", NUMBERS, float),
    "float": Type("a number", "float32", NUMBERS, float),
    "long": Type("a whole number", "int64", NUMBERS, parse_whole),
    "integer": Type("a whole number", "int32", NUMBERS, parse_whole),
    "boolean": Type("true or false", "bool", frozenset({bool}), BOOLEANS.__getitem__),
    "string": Type("a text", "object", TEXTS),
    NUMBER: Type("a number", "float64", NUMBERS | {bool}, float),
    "datetime": Type("a date, such as 2024-05-31 or 2024-05-31T12:00:00", "datetime64[us]", TEXTS),
}
SIGNED = frozenset(TYPES) - {NUMBER}  # those of a signature


def read_signature(model_dir: Path) -> tuple[Column, ...] | None:
    """The columns in model/signature.json; None where there is no such file. Raises StartError if it is broken."""
    path = model_dir / FILE
    if not path.is_file():
        return None
    try:
        columns = tuple(
            Column(str(each["name"]), str(each["type"]), bool(each.get("required", True)))
            for each in json.loads(path.read_bytes())["inputs"]
        )
        names, unknown = {column.name for column in columns}, {column.type for column in columns} - SIGNED
        problem = f"there is no type {min(unknown)}, only {', '.join(sorted(SIGNED))}" if unknown else ""
        problem = problem or ("two columns have one name" if len(names) < len(columns) else "")
        problem = problem or ("" if columns else "it has no inputs")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        problem = f'it is not {{"inputs": [{{"name": ..., "type": ...}}]}} ({type(error).__name__}: {error})'
    if problem:
        raise StartError(f"{path} cannot be used: {problem}. Correct it, or delete it.")
    return columns


def to_columns(cells: Mapping[str, Values], columns: Sequence[Column], parse: bool = False) -> Columns:
    """The values of each column as an array of its type; `parse`: they are fields of CSV.

    Raises BadRequest, with record and column, for a value of another type and for one that is missing.
    """
    return Columns((each.name, to_array(cells[each.name], each, parse)) for each in columns)


def to_array(values: Values, column: Column, parse: bool) -> NDArray[Any]:
    """The values of one column as an array of shape (records,)."""
    if column.categories:
        return to_codes(values, column, parse)
    if parse:
        values = parse_all(values, column)
    kinds = {*map(type, values)}
    if NoneType in kinds and column.required:
        raise BadRequest(f"Record {list(values).index(None) + 1}: {column.name} is missing.")
    kinds.discard(NoneType)
    if column.type == ANY:
        return guess(values, kinds)
    if kinds - TYPES[column.type].takes:
        raise refuse(values, column, lambda value: type(value) in TYPES[column.type].takes)
    return CONVERT.get(column.type, to_numbers)(values, column)


def to_codes(values: Values, column: Column, parse: bool) -> NDArray[np.float64]:
    """The positions of values in the column's categories; NaN for any other, as in training."""
    codes = {str(value) if parse else value: float(at) for at, value in enumerate(column.categories)}
    kinds = {str} if parse else {*map(type, column.categories)}
    if not {*map(type, values)} <= {*kinds, NoneType}:
        number, value = next((at, each) for at, each in enumerate(values, 1) if type(each) not in {*kinds, NoneType})
        known = ", ".join(map(show, column.categories[:5]))
        raise BadRequest(f"Record {number}: {column.name} is {show(value)}, and takes values such as {known}.")
    return np.array([codes.get(value, math.nan) for value in values])


def parse_all(values: Values, column: Column) -> Values:
    """Fields of CSV as values; an empty one is missing."""
    kinds: list[Callable[[str], Any]] = [parse_whole, float, str] if column.type == ANY else [TYPES[column.type].parse]
    for parse in kinds:
        try:
            return [parse(value) if value else None for value in values]
        except (ValueError, KeyError):
            continue
    return values  # of which one is of another type, as shows next


def guess(values: Values, kinds: set[type]) -> NDArray[Any]:
    """An array of the type that pandas would give it."""
    if kinds == {int} and None not in values:
        return to_whole(values, Column("", "long"))
    if kinds and kinds <= NUMBERS:
        return np.array(values, dtype=np.float64)
    if kinds == {bool} and None not in values:
        return np.array(values)
    array = np.empty(len(values), dtype=object)
    array[:] = [math.nan if value is None else value for value in values]
    return array


def to_numbers(values: Values, column: Column) -> NDArray[Any]:
    """Floats. A missing value is NaN."""
    dtype = np.dtype(TYPES[column.type].dtype)
    with np.errstate(over="ignore"):
        array = np.array(values, dtype=np.float64).astype(dtype)
    if np.isinf(array).any():
        raise refuse(values, column, lambda value: abs(value) <= np.finfo(dtype).max)
    return array


def to_whole(values: Values, column: Column) -> NDArray[Any]:
    """Whole numbers; floats if one is missing, as pandas has them."""
    limits = np.iinfo(TYPES[column.type].dtype)

    def fits(value: float) -> bool:
        return (isinstance(value, int) or value.is_integer()) and limits.min <= value <= limits.max

    if not all(value is None or fits(value) for value in values):
        raise refuse(values, column, fits)
    return np.array(values, dtype=np.float64 if None in values else limits.dtype)


def to_booleans(values: Values, column: Column) -> NDArray[Any]:
    """Booleans; objects if one is missing."""
    return np.array(values, dtype=object if None in values else bool)


def to_objects(values: Values, column: Column) -> NDArray[Any]:
    """Texts; what stands for a missing one is the column's gap."""
    array = np.empty(len(values), dtype=object)
    array[:] = values if None not in values else [column.gap if value is None else value for value in values]
    return array


def to_dates(values: Values, column: Column) -> NDArray[Any]:
    """Dates and times; NaT is missing."""
    unit = date_unit()

    def read(value: str | None) -> Any:
        return np.datetime64("NaT" if value is None else value.removesuffix("Z"), "us").astype(f"datetime64[{unit}]")

    def fits(value: str) -> bool:
        try:
            return bool(DATE.fullmatch(value)) and read(value).astype("datetime64[D]") == np.datetime64(value[:10], "D")
        except ValueError:
            return False

    if not all(value is None or fits(value) for value in values):
        raise refuse(values, column, fits)
    return np.array([read(value) for value in values])


@cache
def date_unit() -> str:
    """What pandas makes of dates: nanoseconds before version 3, then microseconds."""
    try:
        return "ns" if metadata.version("pandas") < "3" else "us"
    except metadata.PackageNotFoundError:
        return "us"


CONVERT: Mapping[str, Callable[[Values, Column], NDArray[Any]]] = {
    "long": to_whole,
    "integer": to_whole,
    "boolean": to_booleans,
    "string": to_objects,
    "datetime": to_dates,
}


def refuse(values: Values, column: Column, fits: Callable[[Any], bool]) -> BadRequest:
    """The error for the first value that does not fit. Records count from 1."""
    number, value = next((at, each) for at, each in enumerate(values, 1) if each is not None and not fits(each))
    return BadRequest(f"Record {number}: {column.name} is {show(value)}, not {TYPES[column.type].noun}.")


def show(value: Any) -> str:
    """A value as the client wrote it, or its beginning."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}..."
