"""Reading rows, inferring their columns and types, and writing the files of a description."""

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

MAX_ROWS = 20  # the maximum number of rows saved with their predictions
TYPES = ("long", "integer", "double", "float", "boolean", "string", "datetime")  # MLflow's names
# pandas.api.types.infer_dtype -> MLflow's type. All others are strings.
INFERRED = {"boolean": "boolean", "integer": "long", "datetime64": "datetime", "datetime": "datetime"}
INFERRED.update({"floating": "double", "mixed-integer-float": "double", "decimal": "double", "date": "datetime"})
UNSUPPORTED = ("mixed", "mixed-integer", "timedelta", "timedelta64", "complex", "period", "interval")
NARROW = {"int32": "integer", "float32": "float", "float16": "float"}
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?")


FROM_TRAINING = (
    "the model has categorical columns that are not categorical in the file of rows. Call describe(model, rows) with "
    "the DataFrame, in the script or notebook that trained the model"
)


class Problem(Exception):
    """The input is invalid. The message is a sentence that says why."""


def read_type(text: str) -> tuple[str, str]:
    """Parse the column and type of --type."""
    name, _, kind = text.rpartition("=")
    if not name or kind not in TYPES:
        raise Problem(f"--type {text}: expected COLUMN=TYPE, where TYPE is one of {', '.join(TYPES)}")
    return name, kind


def read(path: Path, no_header: bool, types: dict[str, str]) -> Any:
    """Read rows from a file, as a DataFrame or, without column names, as lists."""
    if not path.is_file():
        raise Problem(f"file not found: {path}")
    try:
        rows = read_file(path, no_header, types)
    except (ValueError, OSError, KeyError, csv.Error) as error:
        raise Problem(f"{path} cannot be read ({type(error).__name__}: {error})") from None
    return to_types(rows, types) if hasattr(rows, "columns") else rows


def read_file(path: Path, no_header: bool, types: dict[str, str]) -> Any:
    """Read rows like read(), but raise the readers' own errors."""
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
    """Import pandas. Raises Problem if it is not installed."""
    try:
        return importlib.import_module("pandas")
    except ImportError:
        raise Problem(
            "rows with column names need pandas: pip install pandas. For a model that takes arrays: --no-header"
        ) from None


def to_field(field: str) -> Any:
    """Convert a CSV field as the server does."""
    try:
        return float(field)
    except ValueError:
        return field.strip() or None


def to_types(frame: Any, types: dict[str, str]) -> Any:
    """Convert columns of ISO dates to dates, and others as given by --type."""
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
            raise Problem(
                f"column {name} contains values that are not dates ({error}). If it is text: --type {name}=string"
            ) from None
        if types.get(name) == "string":
            frame[name] = frame[name].astype(object).where(frame[name].isna(), frame[name].astype(str))
    return frame


def prepare(rows: Any) -> Any:
    """Return rows as a DataFrame with column names, or as lists. Dates are in UTC, as in requests."""
    rows = rows.to_pandas() if hasattr(rows, "to_pandas") else rows
    if not hasattr(rows, "columns") or not all(isinstance(name, str) for name in rows.columns):
        rows = getattr(rows, "values", rows)
        return rows.tolist() if hasattr(rows, "tolist") else list(rows)
    duplicates = rows.columns[rows.columns.duplicated()]
    if len(duplicates):
        raise Problem(f"two columns have the name {duplicates[0]}")
    rows = rows.copy()
    for name in rows.columns:
        if getattr(rows[name].dtype, "tz", None) is not None:
            rows[name] = rows[name].dt.tz_convert("UTC").dt.tz_localize(None)
        elif rows[name].map(type).eq(Decimal).any():
            rows[name] = rows[name].astype(float)
    infinite = rows.select_dtypes("float").isin([math.inf, -math.inf]).any(axis=1)
    if infinite.any():
        print(f"Skipped {infinite.sum()} rows with infinite values, which requests cannot contain.")
    return rows[~infinite]


def choose(frame: Any, names: Sequence[str]) -> Any:
    """Select the columns of the model in its order, or all but an index if the model has no names."""
    if not set(names) <= set(frame.columns):
        frame = frame.rename(columns=lambda name: name.replace(" ", "_"))  # like LightGBM
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise Problem(f"the rows lack columns that the model has: {', '.join(missing)}")
    names = names or [name for name in frame.columns if name != "Unnamed: 0"]
    extra = [name for name in frame.columns if name not in names]
    if extra:
        print(f"Ignored columns that the model does not have: {', '.join(extra)}")
    return frame[list(names)]


def sample(rows: Any) -> Any:
    """Return up to MAX_ROWS rows, spread evenly over all of them."""
    count = len(rows)
    if not count:
        raise Problem("there are no rows")
    places = [number * count // MAX_ROWS for number in range(MAX_ROWS)] if count > MAX_ROWS else range(count)
    return rows.iloc[list(places)] if hasattr(rows, "iloc") else [rows[place] for place in places]


def name_columns(frame: Any, types: dict[str, str]) -> list[dict[str, Any]]:
    """Return name, type and an example of each column. Columns without missing values are required."""
    columns = []
    for name in frame.columns:
        values = frame[name].dropna()
        kind = types.get(name) or infer_column_type(frame[name])
        example = to_value(values.iloc[0], kind) if len(values) else None
        column = {"name": name, "type": kind, "required": len(values) == len(frame), "example": example}
        if any(value is None for value in frame[name]):
            column["missing"] = "None"
        if hasattr(frame[name], "cat"):
            column["categories"] = [to_value(each, kind) for each in frame[name].cat.categories]
        columns.append(column)
    return columns


def infer_column_type(values: Any) -> str:
    """Return MLflow's type of a column, or of its categories."""
    values = getattr(values.dtype, "categories", values)
    inferred = import_pandas().api.types.infer_dtype(values, skipna=True)
    if inferred in UNSUPPORTED:
        raise Problem(f"column {values.name} has a type that requests cannot contain ({inferred})")
    return NARROW.get(str(values.dtype).lower()) or INFERRED.get(inferred, "string")


@contextlib.contextmanager
def progress(activity: str) -> Iterator[None]:
    """Print the activity to stderr after one second, and then every 10 seconds."""
    done, started = threading.Event(), time.monotonic()

    def report() -> None:
        wait = 1
        while not done.wait(wait):
            print(f"{activity} ... {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
            wait = 10

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def write(files: Mapping[Path, str | bytes | None]) -> None:
    """Write all files, or none if that fails. A file whose text is None is removed: it belongs to another model."""
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
