"""The inputs of a training job: hyperparameters, which SageMaker passes as strings, and channels.

A channel contains numeric CSV files with the label in the first column.
"""

import csv
import json
import math
from array import array
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

Parsed = TypeVar("Parsed")
# Prefixes of hyperparameters that the SageMaker SDK and tuning jobs add for their own use.
IGNORED = ("sagemaker_", "_tuning")
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class InputError(Exception):
    """An invalid input of the job. The message becomes the job's FailureReason."""


class Between(NamedTuple):
    """The range of a hyperparameter: Annotated[int, Between(1, 10)]."""

    minimum: float
    maximum: float


class Data(NamedTuple):
    """The records of a channel. In x, NaN is a missing value."""

    x: NDArray[np.float64]  # shape (records, features)
    y: NDArray[np.float64]  # shape (records,)


# --- hyperparameters -------------------------------------------------------------------------------------------------
def parse(given: Mapping[str, str], kind: type[Parsed]) -> Parsed:
    """Return the hyperparameters as a dataclass. Raise InputError for an unknown name or an invalid value."""
    known = get_type_hints(kind, include_extras=True)
    own = {name: text for name, text in given.items() if not name.startswith(IGNORED)}
    for name in own:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Valid names: {', '.join(known)}."
            raise InputError(f"Unknown hyperparameter {name}. {hint}")
    return kind(**{name: convert(name, str(text), known[name]) for name, text in own.items()})


def convert(name: str, text: str, kind: Any) -> Any:
    """Convert one value. The SageMaker SDK may have encoded it as JSON, such as '"gini"'."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = str(json.loads(text))
    limits = Between(-math.inf, math.inf)
    if get_origin(kind) is Annotated:
        kind, limits = get_args(kind)
    if get_origin(kind) is Literal:
        return choose(name, text, {each: each for each in get_args(kind)})
    if kind is bool:
        return choose(name, text.lower(), BOOLEANS)
    if kind is str:
        return text
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not limits.minimum <= value <= limits.maximum or math.isinf(value):
        what = "a whole number" if kind is int else "a number"
        raise InputError(f"Hyperparameter {name} must be {what}{describe(limits)}, not {text!r}.")
    return value


def describe(limits: Between) -> str:
    return f" from {limits.minimum} to {limits.maximum}" if math.isfinite(limits.maximum) else ""


def choose(name: str, text: str, choices: Mapping[str, Any]) -> Any:
    if text not in choices:
        raise InputError(f"Hyperparameter {name} must be one of {', '.join(choices)}, not {text!r}.")
    return choices[text]


# --- channels --------------------------------------------------------------------------------------------------------
def read_channel(folder: Path, takes_missing: bool) -> Data:
    """Read all CSV files of a channel, in order of their names. Raise InputError with file and line of invalid data.

    An empty field or nan is a missing value, which is an error for a label, and for a feature unless `takes_missing`.
    """
    values, width = array("d"), 0
    for path in list_files(folder):
        for line, row in read_lines(path, folder):
            location = Location(path.relative_to(folder.parent), line)
            if width not in (0, len(row)):
                raise InputError(f"{location} has {len(row)} columns, but the lines before it have {width}.")
            width = len(row)
            values.extend(to_numbers(row, location, takes_missing))
    if not values:
        raise InputError(f"There are no records in channel {folder.name}.")
    if width == 1:
        raise InputError(
            f"Channel {folder.name} has only one column: expected a label and features, separated by commas."
        )
    table = np.frombuffer(values).reshape(-1, width)
    return Data(np.ascontiguousarray(table[:, 1:]), table[:, 0].copy())


class Location(NamedTuple):
    """File and line, for messages."""

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}"


def list_files(folder: Path) -> list[Path]:
    """Return the files of a channel, except those that are not data, such as _SUCCESS."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] not in "._")


def read_lines(path: Path, folder: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and fields of each row, without the header and empty lines."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        line = 1  # where a row begins: a quoted field can span several lines
        try:
            for row in rows:
                if line == 1 and is_header(row):
                    print(f"{path.relative_to(folder.parent)}: line 1 is a header and is skipped", flush=True)
                elif row:
                    yield line, row
                line = rows.line_num + 1
        except UnicodeDecodeError:
            raise InputError(f"{path.relative_to(folder.parent)} is not CSV: it is not UTF-8 text.") from None
        except csv.Error as error:
            raise InputError(f"{Location(path.relative_to(folder.parent), line)}: {error}.") from None


def is_header(row: list[str]) -> bool:
    return any(field.strip() for field in row) and all(read_number(field) is None for field in row if field.strip())


def read_number(field: str) -> float | None:
    """Return a field as a number, NaN if it is empty, None if it is not a number."""
    try:
        return float(field) if field.strip() else math.nan
    except ValueError:
        return None


def to_numbers(row: list[str], location: Location, takes_missing: bool) -> list[float]:
    try:
        numbers = list(map(float, row))
        if math.isfinite(sum(numbers)):
            return numbers
    except ValueError:  # find the invalid field below
        pass
    numbers = []
    for at, field in enumerate(row):
        number, column = read_number(field), "the label" if at == 0 else f"column {at + 1}"
        if number is None or math.isinf(number):
            raise InputError(f"{location}: {column} is {field[:40]!r}, not a {'finite ' if number else ''}number.")
        if math.isnan(number) and (at == 0 or not takes_missing):
            raise InputError(f"{location}: {column} is missing.")
        numbers.append(number)
    return numbers


def count_classes(train: Data, validation: Data | None) -> int:
    """Return the number of classes. Raise InputError unless the labels are 0, 1, 2 and so on."""
    found = np.unique(train.y)
    if len(found) < 2 or not np.array_equal(found, np.arange(len(found))):
        shown = ", ".join(f"{label:g}" for label in found[:5]) + (" …" if len(found) > 5 else "")
        raise InputError(f"For classification, labels must be 0, 1, 2 and so on, but channel train has {shown}.")
    if validation and not np.isin(validation.y, found).all():
        raise InputError("Channel validation has labels that channel train does not have.")
    return len(found)
