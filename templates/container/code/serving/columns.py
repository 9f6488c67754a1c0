"""Columns that a model takes by name, and the values of a request as one array for each.

The columns are those of model/signature.json (signature.py), or else those that the model itself knows.
"""

import importlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# The types of columns of which the model itself knows no more: each request decides, or it is some number.
ANY, NUMBER = "any", "number"


class Column(NamedTuple):
    """A column that the model takes."""

    name: str
    type: str = ANY
    required: bool = False  # every record has a value; otherwise it can be null or left out
    gap: Any = math.nan  # what stands for a missing text in a DataFrame
    categories: Sequence[Any] = ()  # the value is one of these, and arrives as its position; any other is missing,
    closed: bool = False  # or refused, where this is True


class Columns(dict[str, NDArray[Any]]):
    """The values of the records by column, in the model's order: arrays of shape (records,)."""


FRAME, ARRAY, ROWS = "frame", "array", "rows"


class Taken(NamedTuple):
    """What a model takes by name."""

    columns: Sequence[Column]
    # What becomes of them: FRAME, a pandas.DataFrame for predict(); or what decode() gets, ARRAY, of numbers of shape
    # (records, columns), or ROWS, a list of values for each record.
    form: str = FRAME


def to_frame(values: Columns, columns: Sequence[Column]) -> Any:
    """The columns as a pandas.DataFrame."""
    pandas = importlib.import_module("pandas")  # which not all images have
    frame = pandas.DataFrame(values, copy=False)
    for column in columns:
        if column.categories:
            codes = np.nan_to_num(values[column.name], nan=-1).astype(int)
            frame[column.name] = pandas.Categorical.from_codes(codes, column.categories)
    return frame
