"""Columns that a model takes by name, and the values of a request as one array for each.

The columns are those of model/signature.json (signature.py), or else those that the model itself knows.
"""

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Types of columns that the model does not tell: each request decides; some number; a category, as CSV has it.
ANY, NUMBER, CATEGORY = "any", "number", "category"


class Column(NamedTuple):
    """A column that the model takes."""

    name: str
    type: str = ANY
    required: bool = False  # no record has null for it
    optional: bool = False  # a record can leave it out
    gap: Any = np.nan  # what stands for a missing text or boolean in a DataFrame: NaN or None
    categories: Sequence[Any] = ()  # the value is one of these, and arrives as its position; any other is missing,
    closed: bool = False  # or refused, where this is True
    example: Any = None  # a value, for the documentation
    values: Sequence[Any] = ()  # the only ones that the model takes, if it does not take any


class Columns(dict[str, NDArray[Any]]):
    """The values of the records by column, in the model's order: arrays of shape (records,)."""


FRAME, COLUMNS, ARRAY, ROWS = "frame", "columns", "array", "rows"


class Taken(NamedTuple):
    """What a model takes by name."""

    columns: Sequence[Column]
    # What becomes of them: FRAME, a pandas.DataFrame for predict(); or what decode() gets: COLUMNS, one array for each,
    # ARRAY, of numbers of shape (records, columns), or ROWS, a list of values for each record.
    form: str = FRAME
    frames: bool = False  # whether predict() takes a DataFrame, too, where the signature has more than numbers


def to_frame(values: Columns, columns: Sequence[Column]) -> Any:
    """The columns as a pandas.DataFrame."""
    pandas = importlib.import_module("pandas")  # which not all images have
    frame = pandas.DataFrame(values, copy=False)
    for column in columns:
        if column.gap is None and values[column.name].dtype == object:
            frame[column.name] = pandas.Series(values[column.name], dtype=object)  # which keeps None
        elif column.categories:
            codes = np.nan_to_num(values[column.name], nan=-1).astype(int)
            frame[column.name] = pandas.Categorical.from_codes(codes, column.categories)
    return frame
