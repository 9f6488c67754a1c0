#!/usr/bin/env python3
"""Writes down what a model takes and what it answers. Run it where the model was trained, with the libraries of then:

    python tools/describe_model.py model.joblib rows.csv

Of the rows it learns the columns and their types (model/signature.json), and it keeps some of them with what the model
predicts for them there (model/expected.json): the server starts only if it predicts the same. test/sample_request.json
and .csv are requests that fit. It needs Python 3.8 and what the model needs. A notebook can call it, too:

    from describe_model import describe
    describe(model, rows, folder="path/of/the/project")     # rows: a DataFrame, or an array of plain numbers
"""

from __future__ import annotations  # for Python 3.8

import argparse
import csv
import importlib
import json
import math
import pickle
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

KEPT = 20  # rows in expected.json
SHOWN = 2  # rows in a sample request
TYPES = ("long", "integer", "double", "float", "boolean", "string", "datetime")  # MLflow's names
DTYPES = {"int32": "integer", "float32": "float", "float16": "float", "bool": "boolean", "boolean": "boolean"}
DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?")


class Problem(Exception):
    """What is wrong with what was given, as a sentence."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("model", type=Path, help="the model's file, such as model.joblib")
    parser.add_argument("rows", type=Path, help="rows to predict: csv with a header, parquet, json or jsonl of records")
    parser.add_argument("--no-header", action="store_true", help="the csv has none: the model takes arrays of numbers")
    parser.add_argument("--type", action="append", default=[], metavar="COLUMN=TYPE", help=f"one of {', '.join(TYPES)}")
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parents[1], help="the project's folder")
    given = parser.parse_args(arguments)
    sys.path[:0] = [str(Path.cwd()), str(given.folder / "code")]  # where modules of the model's own are
    try:
        types = dict(read_type(each) for each in given.type)
        describe(load(given.model), read_rows(given.rows, given.no_header, types), given.folder, types)
    except Problem as problem:
        print(f"describe_model.py: {problem}", file=sys.stderr)
        return 2
    return 0


def read_type(text: str) -> tuple[str, str]:
    name, _, kind = text.rpartition("=")
    if not name or kind not in TYPES:
        raise Problem(f"--type {text}: give COLUMN=TYPE, with one of {', '.join(TYPES)}")
    return name, kind


def load(path: Path) -> Any:
    """The model of a pickle, with joblib where it is installed."""
    if not path.is_file():
        raise Problem(f"there is no file {path}")
    try:
        reader = importlib.import_module("joblib").load
    except ImportError:
        reader = None
    try:
        return reader(path) if reader else pickle.loads(path.read_bytes())
    except Exception as error:
        raise Problem(
            f"{path} does not load here ({type(error).__name__}: {error}). Run this where the model was trained, or "
            "call describe(model, rows) from the script or notebook that trained it"
        ) from None


def read_rows(path: Path, no_header: bool, types: dict[str, str]) -> Any:
    """The rows as a DataFrame; without a header as lists of numbers. A column of ISO dates holds dates."""
    if not path.is_file():
        raise Problem(f"there is no file {path}")
    if no_header:
        with path.open(newline="") as file:
            return [[float(field) if field else math.nan for field in row] for row in csv.reader(file) if row]
    try:
        pd: Any = importlib.import_module("pandas")
    except ImportError:
        raise Problem(
            "rows with a header need pandas: pip install pandas. For a model on plain numbers: --no-header"
        ) from None
    readers = {
        ".parquet": pd.read_parquet,
        ".json": pd.read_json,
        ".jsonl": lambda file: pd.read_json(file, lines=True),
    }
    frame = readers.get(path.suffix, pd.read_csv)(path)
    for name in frame.columns:
        present = frame[name].dropna()
        of_dates = len(present) and all(isinstance(value, str) and DATE.fullmatch(value) for value in present)
        if types.get(name) == "datetime" or (name not in types and of_dates):
            frame[name] = pd.to_datetime(frame[name])
        elif types.get(name) == "string":
            frame[name] = frame[name].astype(object).where(frame[name].isna(), frame[name].astype(str))
    return frame


def describe(model: Any, rows: Any, folder: Any = ".", types: dict[str, str] | None = None) -> None:
    """Writes the four files of a model and its rows into a project's folder."""
    folder = Path(folder)
    if not (folder / "code").is_dir():
        raise Problem(f"{folder} is not a project: give its folder")
    if hasattr(rows, "columns"):
        rows = choose_columns(model, rows)
    if not len(rows):
        raise Problem("there are no rows")
    step = max(1, len(rows) // KEPT)
    kept = rows.iloc[::step][:KEPT] if hasattr(rows, "iloc") else rows[::step][:KEPT]
    records = to_records(kept)
    expected = {"inputs": records, **predict(model, kept)}
    if hasattr(rows, "columns"):
        write(folder / "model/signature.json", {"inputs": to_columns(rows, records, types or {})})
        write_csv(folder / "test/sample_request.csv", records[:SHOWN])
    write(folder / "model/expected.json", expected)
    write(folder / "test/sample_request.json", {"instances": records[:SHOWN]})
    print(f"{len(records)} rows and what the model predicts for them are in {folder / 'model/expected.json'}.")
    print("Next, in the project: test/run_local.sh")


def choose_columns(model: Any, frame: Any) -> Any:
    """The columns that the model knows by name, in its order; all of them where it knows none."""
    names = [str(name) for name in getattr(model, "feature_names_in_", frame.columns)]
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise Problem(f"the rows lack columns of the model: {', '.join(missing)}")
    return frame[names]


def predict(model: Any, rows: Any) -> dict[str, Any]:
    """What the model answers, as JSON."""
    answers = {"predictions": to_plain(model.predict(rows))}
    if hasattr(model, "predict_proba"):
        answers["probabilities"] = to_plain(model.predict_proba(rows))
    return answers


def to_columns(frame: Any, records: list[Any], types: dict[str, str]) -> list[dict[str, Any]]:
    """Name, type and an example of each column; one without a gap is required."""
    columns = []
    for name in frame.columns:
        example = next((record[name] for record in records if record[name] is not None), None)
        kind = types.get(name) or type_of(frame[name].dtype)
        columns.append({"name": str(name), "type": kind, "required": not frame[name].isna().any(), "example": example})
    return columns


def type_of(dtype: Any) -> str:
    """MLflow's name of a type of pandas."""
    dtype = getattr(dtype, "categories", dtype)
    dtype = getattr(dtype, "dtype", dtype)
    name = str(dtype).lower()
    if name in DTYPES:
        return DTYPES[name]
    kind = getattr(dtype, "kind", "O")
    return {"i": "long", "u": "long", "f": "double", "M": "datetime"}.get(kind, "string")


def to_records(rows: Any) -> list[Any]:
    """Rows as JSON: objects by column, or lists of numbers."""
    if not hasattr(rows, "columns"):
        return [[to_value(value) for value in row] for row in rows]
    names = [str(name) for name in rows.columns]
    rows = rows.itertuples(index=False, name=None)
    return [{name: to_value(value) for name, value in zip(names, row)} for row in rows]  # noqa: B905


def to_value(value: Any) -> Any:
    """A value as JSON has it: what is missing is null, a date is text."""
    if value is None or value != value:
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.item() if hasattr(value, "item") else value


def to_plain(values: Any) -> Any:
    """An array as lists."""
    return values.tolist() if hasattr(values, "tolist") else list(values)


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


def write_csv(path: Path, records: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.DictWriter(file, list(records[0]), lineterminator="\n")
        lines.writeheader()
        lines.writerows(records)


if __name__ == "__main__":
    sys.exit(main())
