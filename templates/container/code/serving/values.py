"""Converts the values of a column to an array of its training type, with errors that name the record."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import metadata
from types import NoneType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.columns import ANY, CATEGORY, NUMBER, Column, Columns
from serving.errors import BadRequest

Values = Sequence[Any]  # of one column, in plain Python; None for a missing value


class Type(NamedTuple):
    """A column type."""

    noun: str  # for the client
    dtype: str  # NumPy's
    takes: frozenset[type]
    parse: Callable[[str], Any] = str  # parses a CSV field; raises ValueError or KeyError


def parse_number(field: str) -> float | None:
    """Parse a number, without Python's underscores. NaN counts as missing."""
    value = float(field.replace("_", "?"))
    return None if math.isnan(value) else value


def parse_whole(field: str) -> float | None:
    """Parse a whole number as int, any other number as float."""
    try:
        return int(field.replace("_", "?"))
    except ValueError:
        return parse_number(field)


def parse_any_number(field: str) -> float | None:
    """Parse a number, or true or false."""
    return BOOLEANS[field] if field in BOOLEANS else parse_number(field)


NUMBERS, TEXTS = frozenset({int, float}), frozenset({str})
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?Z?)?")
BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
TYPES = {
    "double": Type("a number", "float64", NUMBERS, parse_number),
    "float": Type("a number", "float32", NUMBERS, parse_number),
    "long": Type("a number", "int64", NUMBERS, parse_whole),
    "integer": Type("a number", "int32", NUMBERS, parse_whole),
    "boolean": Type("true or false", "bool", frozenset({bool}), BOOLEANS.__getitem__),
    "string": Type("a string", "object", TEXTS),
    ANY: Type("a number, a string, true or false", "object", NUMBERS | TEXTS | {bool}),
    CATEGORY: Type("a string or a whole number", "object", NUMBERS | TEXTS | {bool}),
    NUMBER: Type("a number", "float64", NUMBERS | {bool}, parse_any_number),
    "datetime": Type("a date like 2024-05-31 or 2024-05-31T12:00:00", "datetime64[us]", TEXTS),
}
# For columns of unknown type in CSV: the first of these that parses the whole column.
PARSERS: Mapping[str, Sequence[Callable[[str], Any]]] = {
    ANY: (parse_whole, BOOLEANS.__getitem__, str),
    CATEGORY: (BOOLEANS.__getitem__, str),
}
SIGNATURE_TYPES = frozenset(TYPES) - {NUMBER, ANY, CATEGORY}  # MLflow's types, as in a signature


def to_columns(cells: Mapping[str, Values], columns: Sequence[Column], parse: bool = False) -> Columns:
    """Convert the values of each column to an array of its type. `parse`: the values are CSV fields.

    Raises BadRequest, which names record and column, for a value of another type and for a missing one.
    """
    return Columns((each.name, to_array(cells[each.name], each, parse)) for each in columns)


def to_array(values: Values, column: Column, parse: bool) -> NDArray[Any]:
    """Convert the values of one column to an array of shape (records,)."""
    if column.categories:
        column = column._replace(type=type_of(column.categories))
    if parse:
        values = parse_all(values, column)
    check_present(values, column)
    kinds = {*map(type, values)} - {NoneType}
    if kinds - TYPES[column.type].takes:
        raise refuse(values, column, lambda value: type(value) in TYPES[column.type].takes)
    if known := column.values or (column.refuses_unknown and column.categories):
        check_known(values, column, known)
    if column.categories:
        return to_codes(values, column)
    return CONVERT.get(column.type, to_numbers)(values, column)


def check_present(values: Values, column: Column) -> None:
    """Raise BadRequest if a required value is missing."""
    if column.required and None in values:
        raise BadRequest(f"Record {list(values).index(None) + 1}: {column.name} is missing.")


def check_known(values: Values, column: Column, known: Sequence[Any]) -> None:
    """Raise BadRequest if a value is not among the known ones."""
    if {*values} <= {*known, None}:
        return
    number, value = next((at, each) for at, each in enumerate(values, 1) if each is not None and each not in known)
    listed = ", ".join(map(show, known[:5])) + (", ..." if len(known) > 5 else "")
    raise BadRequest(f"Record {number}: {column.name} is {show(value)}, not one of {listed}.")


def type_of(categories: Sequence[Any]) -> str:
    """Return the column type of these categories."""
    kinds = {*map(type, categories)}
    if kinds == {bool}:
        return "boolean"
    return "string" if kinds == {str} else NUMBER if kinds <= NUMBERS else ANY


def to_codes(values: Values, column: Column) -> NDArray[np.float64]:
    """Return positions of the values in the column's categories; NaN for missing and unknown values, as in training."""
    codes = {value: float(at) for at, value in enumerate(column.categories)}
    return np.array([codes.get(value, math.nan) for value in values])


def parse_all(values: Values, column: Column) -> Values:
    """Parse CSV fields; an empty one is a missing value."""
    fields = values if column.type in ("string", CATEGORY) else [field.strip() for field in values]
    for parse in PARSERS.get(column.type, (TYPES[column.type].parse,)):
        try:
            return [parse(field) if field else None for field in fields]
        except (ValueError, KeyError):
            continue

    def fits(field: str) -> bool:
        try:
            TYPES[column.type].parse(field)
        except (ValueError, KeyError):
            return not field
        return True

    raise refuse(fields, column, fits)


def infer(values: Values, column: Column) -> NDArray[Any]:
    """Convert to an array of the type that pandas would infer."""
    kinds = {*map(type, values)} - {NoneType}
    if kinds == {int} and None not in values:
        return to_whole(values, column._replace(type="long"))
    if kinds <= NUMBERS and column.missing_value is not None:
        return np.array(values, dtype=np.float64)
    if kinds == {bool} and None not in values:
        return np.array(values)
    return to_objects(values, column)


def to_numbers(values: Values, column: Column) -> NDArray[Any]:
    """Return floats. A missing value is NaN."""
    dtype = np.dtype(TYPES[column.type].dtype)
    with np.errstate(over="ignore"):
        array = np.array(values, dtype=np.float64).astype(dtype)
    if np.isinf(array).any():
        limit = np.finfo(dtype)
        raise refuse(values, column, lambda value: abs(value) <= limit.max, f"too large for {limit.bits} bits")
    return array


def to_whole(values: Values, column: Column) -> NDArray[Any]:
    """Return whole numbers; floats if one is missing, as in pandas."""
    limits = np.iinfo(TYPES[column.type].dtype)

    if not all(value is None or isinstance(value, int) or value.is_integer() for value in values):
        raise refuse(values, column, lambda value: isinstance(value, int) or value.is_integer(), "not a whole number")
    if not all(value is None or limits.min <= value <= limits.max for value in values):
        raise refuse(
            values, column, lambda value: limits.min <= value <= limits.max, f"too large for {limits.bits} bits"
        )
    return np.array(values, dtype=np.float64 if None in values else limits.dtype)


def to_booleans(values: Values, column: Column) -> NDArray[Any]:
    """Return booleans; objects if one is missing, now or in training."""
    return to_objects(values, column) if None in values or column.can_be_omitted else np.array(values)


def to_objects(values: Values, column: Column) -> NDArray[Any]:
    """Return objects, such as strings. The column's `missing_value` replaces missing values."""
    array = np.empty(len(values), dtype=object)
    array[:] = values if None not in values else [column.missing_value if value is None else value for value in values]
    return array


def to_dates(values: Values, column: Column) -> NDArray[Any]:
    """Return dates and times; NaT for missing values."""
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
    """Return the unit of pandas' dates: nanoseconds before version 3, microseconds since."""
    try:
        return "ns" if metadata.version("pandas") < "3" else "us"
    except metadata.PackageNotFoundError:
        return "us"


CONVERT: Mapping[str, Callable[[Values, Column], NDArray[Any]]] = {
    ANY: infer,
    CATEGORY: to_objects,
    "long": to_whole,
    "integer": to_whole,
    "boolean": to_booleans,
    "string": to_objects,
    "datetime": to_dates,
}


def refuse(values: Values, column: Column, fits: Callable[[Any], bool], problem: str = "") -> BadRequest:
    """Return the error for the first value that does not fit: it has another type, or `problem`."""
    number, value = next((at, each) for at, each in enumerate(values, 1) if each is not None and not fits(each))
    return BadRequest(
        f"Record {number}: {column.name} is {show(value)}, {problem or 'not ' + TYPES[column.type].noun}."
    )


def show(value: Any) -> str:
    """Return a value as the client wrote it, shortened if it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:40]}..."
