"""What a job is given: hyperparameters, which SageMaker passes as strings, and channels of csv, the label first."""

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
# Of the SageMaker SDK and of tuning jobs, for others than the training.
FOREIGN = ("sagemaker_", "_tuning")
TRUTHS = {"true": True, "1": True, "false": False, "0": False}


class InputError(Exception):
    """What is wrong with what the job was given, in a sentence: it becomes the job's FailureReason."""


class Between(NamedTuple):
    """The least and the most that a hyperparameter can be: Annotated[int, Between(1, 10)]."""

    least: float
    most: float


class Data(NamedTuple):
    """The records of a channel; in x, NaN is a missing value."""

    x: NDArray[np.float64]  # of shape (records, features)
    y: NDArray[np.float64]  # of shape (records,)


# --- hyperparameters -------------------------------------------------------------------------------------------------
def parse(given: Mapping[str, str], kind: type[Parsed]) -> Parsed:
    """The hyperparameters as a dataclass. Raises InputError for a name it does not have, and for a bad value."""
    known = get_type_hints(kind, include_extras=True)
    own = {name: text for name, text in given.items() if not name.startswith(FOREIGN)}
    for name in own:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
            raise InputError(f"There is no hyperparameter {name}. {hint}")
    return kind(**{name: convert(name, str(text), known[name]) for name, text in own.items()})


def convert(name: str, text: str, kind: Any) -> Any:
    """One value. What the SageMaker SDK has written as JSON, such as '"gini"', is read as that."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = str(json.loads(text))
    limits = Between(-math.inf, math.inf)
    if get_origin(kind) is Annotated:
        kind, limits = get_args(kind)
    if get_origin(kind) is Literal:
        return choose(name, text, {each: each for each in get_args(kind)})
    if kind is bool:
        return choose(name, text.lower(), TRUTHS)
    if kind is str:
        return text
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not limits.least <= value <= limits.most or math.isinf(value):
        what = "a whole number" if kind is int else "a number"
        raise InputError(f"Hyperparameter {name} has to be {what}{words(limits)}, and is {text!r}.")
    return value


def words(limits: Between) -> str:
    return f" from {limits.least} to {limits.most}" if math.isfinite(limits.most) else ""


def choose(name: str, text: str, choices: Mapping[str, Any]) -> Any:
    if text not in choices:
        raise InputError(f"Hyperparameter {name} has to be one of {', '.join(choices)}, and is {text!r}.")
    return choices[text]


# --- channels --------------------------------------------------------------------------------------------------------
def read_channel(folder: Path, takes_missing: bool) -> Data:
    """All csv of a channel, its files by name. Raises InputError, which names file and line, for what it cannot use.

    A field that is empty, or nan, is a missing value: an error where the framework does not take it, and as the label.
    """
    values, width = array("d"), 0
    for path in list_files(folder):
        for line, row in read_lines(path, folder):
            place = Place(path.relative_to(folder.parent), line)
            if width not in (0, len(row)):
                raise InputError(f"{place} has {len(row)} columns, and the lines before it have {width}.")
            width = len(row)
            values.extend(to_numbers(row, place, takes_missing))
    if not values:
        raise InputError(f"There are no records in channel {folder.name}.")
    if width == 1:
        raise InputError(f"Channel {folder.name} has one column only: expected is a label, then features, with commas.")
    table = np.frombuffer(values).reshape(-1, width)
    return Data(np.ascontiguousarray(table[:, 1:]), table[:, 0].copy())


class Place(NamedTuple):
    """A line of a file, for messages."""

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}"


def list_files(folder: Path) -> list[Path]:
    """The files of a channel, without those that are not data, such as _SUCCESS."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name[0] not in "._")


def read_lines(path: Path, folder: Path) -> Iterator[tuple[int, list[str]]]:
    """The lines of a file that have something in them, with their numbers; without a header."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        line = 1  # where a row begins: it may go on over several
        try:
            for row in rows:
                if line == 1 and is_header(row):
                    print(f"{path.relative_to(folder.parent)}: line 1 is a header, and is passed over", flush=True)
                elif row:
                    yield line, row
                line = rows.line_num + 1
        except UnicodeDecodeError:
            raise InputError(f"{path.relative_to(folder.parent)} is not csv: it is not text in UTF-8.") from None
        except csv.Error as error:
            raise InputError(f"{Place(path.relative_to(folder.parent), line)}: {error}.") from None


def is_header(row: list[str]) -> bool:
    return any(field.strip() for field in row) and all(read_number(field) is None for field in row if field.strip())


def read_number(field: str) -> float | None:
    """A field as a number, NaN where it is empty; None where it is none."""
    try:
        return float(field) if field.strip() else math.nan
    except ValueError:
        return None


def to_numbers(row: list[str], place: Place, takes_missing: bool) -> list[float]:
    try:
        numbers = list(map(float, row))
        if math.isfinite(sum(numbers)):
            return numbers
    except ValueError:  # it is looked at field by field only where there is something to say
        pass
    numbers = []
    for at, field in enumerate(row):
        number, column = read_number(field), "the label" if at == 0 else f"column {at + 1}"
        if number is None or math.isinf(number):
            raise InputError(f"{place}: {column} is {field[:40]!r}, not a {'finite ' if number else ''}number.")
        if math.isnan(number) and (at == 0 or not takes_missing):
            raise InputError(f"{place}: {column} is missing.")
        numbers.append(number)
    return numbers


def count_classes(train: Data, validation: Data | None) -> int:
    """How many classes the labels are. Raises InputError unless they are 0, 1, 2 and so on."""
    found = np.unique(train.y)
    if len(found) < 2 or not np.array_equal(found, np.arange(len(found))):
        shown = ", ".join(f"{label:g}" for label in found[:5]) + (" …" if len(found) > 5 else "")
        raise InputError(f"For classification the labels have to be 0, 1, 2 and so on; those of train are {shown}.")
    if validation and not np.isin(validation.y, found).all():
        raise InputError("Channel validation has labels that channel train does not have.")
    return len(found)
