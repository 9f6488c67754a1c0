"""The columns a model takes by name, and the values of a request as one array per column.

The columns come from model/signature.json (signature.py) or, without it, from the model itself.
"""

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Column types in addition to those of a signature. ANY: inferred from each request. NUMBER: any number. CATEGORY: a
# string or a whole number, or a boolean; a CSV field is a string, unless it is true or false.
ANY, NUMBER, CATEGORY = "any", "number", "category"


class Column(NamedTuple):
    """An input column of the model."""

    name: str
    type: str = ANY
    required: bool = False  # whether null is refused
    can_be_omitted: bool = False  # whether a record can omit it
    missing_value: Any = np.nan  # replaces a missing string or boolean in a DataFrame: NaN or None
    categories: Sequence[Any] = ()  # a value is passed on as its position among these; others count as missing
    refuses_unknown: bool = False  # refuse values that are not in `categories`
    example: Any = None  # for GET /openapi.json
    values: Sequence[Any] = ()  # the only values the model takes; empty: any


class Columns(dict[str, NDArray[Any]]):
    """The values of the records by column, in the model's order: arrays of shape (records,)."""


FRAME, COLUMNS, ARRAY, ROWS = "frame", "columns", "array", "rows"


class InputSchema(NamedTuple):
    """The columns a model takes by name, and the form it takes them in."""

    columns: Sequence[Column]
    # FRAME: predict() gets a pandas.DataFrame. Otherwise decode() gets COLUMNS, one array per column; ARRAY, numbers of
    # shape (records, columns); or ROWS, a list of values per record.
    form: str = FRAME
    frames: bool = False  # whether predict() also takes a DataFrame, for a signature with more than numbers


def to_frame(values: Columns, columns: Sequence[Column]) -> Any:
    """Convert columns to a pandas.DataFrame."""
    pandas = importlib.import_module("pandas")  # not in every image
    frame = pandas.DataFrame(values, copy=False)
    for column in columns:
        if column.missing_value is None and values[column.name].dtype == object:
            frame[column.name] = pandas.Series(values[column.name], dtype=object)  # keeps None
        elif column.categories:
            codes = np.nan_to_num(values[column.name], nan=-1).astype(int)
            frame[column.name] = pandas.Categorical.from_codes(codes, column.categories)
    return frame
