"""Rows that a model is described with: read from a file, their columns and types; and the files that are written."""

from __future__ import annotations  # for Python 3.8

import contextlib
import csv
import gzip
import importlib
import json
import math
import os
import re
import sys
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from describe_json import to_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

KEPT = 20
TYPES = ("long", "integer", "double", "float", "boolean", "string", "datetime")  # MLflow's names
# What pandas.api.types.infer_dtype finds -> the type. Every other is text.
INFERRED = {"boolean": "boolean", "integer": "long", "datetime64": "datetime", "datetime": "datetime"}
INFERRED.update({"floating": "double", "mixed-integer-float": "double", "decimal": "double", "date": "datetime"})
FOREIGN = ("mixed", "mixed-integer", "timedelta", "timedelta64", "complex", "period", "interval")
NARROW = {"int32": "integer", "float32": "float", "float16": "float"}
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?")


FROM_TRAINING = (
    "the model has columns of categories, and the file of rows does not have them as such. Call describe(model, rows) "
    "in the script or notebook that trained it, with its DataFrame"
)


class Problem(Exception):
    """What is wrong with what was given, as a sentence."""


def read_type(text: str) -> tuple[str, str]:
    """A column's name and type in --type."""
    name, _, kind = text.rpartition("=")
    if not name or kind not in TYPES:
        raise Problem(f"--type {text}: give COLUMN=TYPE, with one of {', '.join(TYPES)}")
    return name, kind


def read(path: Path, no_header: bool, types: dict[str, str]) -> Any:
    """The rows of a file: a DataFrame, or lists where they have no names."""
    if not path.is_file():
        raise Problem(f"there is no file {path}")
    try:
        rows = read_file(path, no_header, types)
    except (ValueError, OSError, KeyError, csv.Error) as error:
        raise Problem(f"{path} does not read ({type(error).__name__}: {error})") from None
    return to_types(rows, types) if hasattr(rows, "columns") else rows


def read_file(path: Path, no_header: bool, types: dict[str, str]) -> Any:
    """The same, with the errors of the readers."""
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix == ".npy":
        return importlib.import_module("numpy").load(path)
    if suffix == ".parquet":
        return import_pandas().read_parquet(path)
    if suffix not in (".json", ".jsonl") and not no_header:
        texts = {name: object for name, kind in types.items() if kind == "string"}
        return import_pandas().read_csv(path, dtype=texts)
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:
        if suffix == ".json":
            rows = json.load(file)
        elif suffix == ".jsonl":
            rows = [json.loads(line) for line in file if line.strip()]
        else:
            return [[to_field(field) for field in row] for row in csv.reader(file) if row]
    if not isinstance(rows, list):
        raise Problem(f"{path} is not a list of records")
    return import_pandas().DataFrame(rows) if rows and isinstance(rows[0], dict) else rows


def import_pandas() -> Any:
    """pandas, which rows with names need."""
    try:
        return importlib.import_module("pandas")
    except ImportError:
        raise Problem(
            "rows with names need pandas: pip install pandas. For a model on plain arrays: --no-header"
        ) from None


def to_field(field: str) -> Any:
    """A field of csv, as the server reads it."""
    try:
        return float(field)
    except ValueError:
        return field.strip() or None


def to_types(frame: Any, types: dict[str, str]) -> Any:
    """Columns of ISO dates as dates, and those of --type as that says."""
    unknown = [name for name in types if name not in frame.columns]
    if unknown:
        raise Problem(f"--type: the rows have no column {', '.join(unknown)}")
    for name in frame.columns:
        present = frame[name].dropna()
        of_dates = len(present) and all(isinstance(value, str) and DATE.fullmatch(value) for value in present)
        try:
            if types.get(name) == "datetime" or (name not in types and of_dates):
                frame[name] = import_pandas().to_datetime(frame[name], utc=True)
        except ValueError as error:
            raise Problem(f"column {name} does not hold dates only ({error}). For text: --type {name}=string") from None
        if types.get(name) == "string":
            frame[name] = frame[name].astype(object).where(frame[name].isna(), frame[name].astype(str))
    return frame


def prepare(rows: Any) -> Any:
    """Rows as a DataFrame with names, or as lists. Dates are in UTC, as requests have no other time zone."""
    rows = rows.to_pandas() if hasattr(rows, "to_pandas") else rows
    if not hasattr(rows, "columns") or not all(isinstance(name, str) for name in rows.columns):
        rows = getattr(rows, "values", rows)
        return rows.tolist() if hasattr(rows, "tolist") else list(rows)
    twice = rows.columns[rows.columns.duplicated()]
    if len(twice):
        raise Problem(f"two columns have the name {twice[0]}")
    rows = rows.copy()
    for name in rows.columns:
        if getattr(rows[name].dtype, "tz", None) is not None:
            rows[name] = rows[name].dt.tz_convert("UTC").dt.tz_localize(None)
        elif rows[name].map(type).eq(Decimal).any():
            rows[name] = rows[name].astype(float)
    infinite = rows.select_dtypes("float").isin([math.inf, -math.inf]).any(axis=1)
    if infinite.any():
        print(f"{infinite.sum()} rows are left out: a request cannot hold infinity.")
    return rows[~infinite]


def choose(frame: Any, names: Sequence[str]) -> Any:
    """The columns that the model knows by name, in its order; all but an index where it knows none."""
    if not set(names) <= set(frame.columns):
        frame = frame.rename(columns=lambda name: name.replace(" ", "_"))  # as LightGBM does
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise Problem(f"the rows lack columns of the model: {', '.join(missing)}")
    names = names or [name for name in frame.columns if name != "Unnamed: 0"]
    extra = [name for name in frame.columns if name not in names]
    if extra:
        print(f"Left out, as the model does not know them: {', '.join(extra)}")
    return frame[list(names)]


def keep(rows: Any) -> Any:
    """Some of the rows, spread over all of them."""
    count = len(rows)
    if not count:
        raise Problem("there are no rows")
    places = [number * count // KEPT for number in range(KEPT)] if count > KEPT else range(count)
    return rows.iloc[list(places)] if hasattr(rows, "iloc") else [rows[place] for place in places]


def name_columns(frame: Any, types: dict[str, str]) -> list[dict[str, Any]]:
    """Name, type and an example of each column; one without a gap is required."""
    columns = []
    for name in frame.columns:
        values = frame[name].dropna()
        kind = types.get(name) or type_of_column(frame[name])
        example = to_value(values.iloc[0], kind) if len(values) else None
        column = {"name": name, "type": kind, "required": len(values) == len(frame), "example": example}
        if any(value is None for value in frame[name]):
            column["missing"] = "None"
        if hasattr(frame[name], "cat"):
            column["categories"] = [to_value(each, kind) for each in frame[name].cat.categories]
        columns.append(column)
    return columns


def type_of_column(values: Any) -> str:
    """MLflow's name of the type of a column; of categories that of their values."""
    values = getattr(values.dtype, "categories", values)
    inferred = import_pandas().api.types.infer_dtype(values, skipna=True)
    if inferred in FOREIGN:
        raise Problem(f"column {values.name} is of a type that requests do not have ({inferred})")
    return NARROW.get(str(values.dtype).lower()) or INFERRED.get(inferred, "string")


@contextlib.contextmanager
def progress(doing: str) -> Iterator[None]:
    """Says on stderr what takes more than a second, and again every 10 seconds."""
    done, started = threading.Event(), time.monotonic()

    def report() -> None:
        wait = 1
        while not done.wait(wait):
            print(f"{doing} ... {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
            wait = 10

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def write(files: Mapping[Path, str | bytes | None]) -> None:
    """Writes all files, or none if that fails. Those without a text are removed: they would be of another model."""
    parts = {path: path.with_name(f"{path.name}.part") for path, text in files.items() if text is not None}
    try:
        for path, part in parts.items():
            path.parent.mkdir(exist_ok=True)
            content = files[path] or ""
            part.write_bytes(content if isinstance(content, bytes) else content.encode())
        for path in files:
            if path in parts:
                os.replace(parts[path], path)
            elif path.exists():
                path.unlink()
    except OSError as error:
        raise Problem(f"the files cannot be written: {error}") from None
    finally:
        for part in parts.values():
            if part.exists():
                part.unlink()
