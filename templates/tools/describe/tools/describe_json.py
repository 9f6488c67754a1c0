"""Inputs and predictions of a model as JSON and CSV."""

from __future__ import annotations  # for Python 3.8

import csv
import io
import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def infer_type(values: Iterable[Any]) -> str:
    """Return MLflow's type of JSON values, also within nested lists."""
    values = list(values)
    while any(isinstance(value, list) for value in values):
        values = [inner for value in values for inner in (value if isinstance(value, list) else [value])]
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        return "long" if kinds == {int} else "double"
    return "boolean" if kinds == {bool} else "string"


def to_records(rows: Any, columns: Sequence[dict[str, Any]]) -> list[Any]:
    """Return rows as JSON: objects by column, or lists."""
    if not hasattr(rows, "columns"):
        return [to_json(row) for row in rows]
    kinds = {column["name"]: column["type"] for column in columns}
    rows_of_values = rows.itertuples(index=False, name=None)
    names = list(rows.columns)
    return [{name: to_value(value, kinds.get(name)) for name, value in zip(names, row)} for row in rows_of_values]  # noqa: B905


def name_outputs(predictions: Sequence[Any]) -> list[dict[str, str]]:
    """Return the outputs of a signature: by name for objects, by position for lists, otherwise one."""
    first = predictions[0]
    if isinstance(first, dict):
        return [{"name": name, "type": infer_type([each.get(name) for each in predictions])} for name in first]
    if isinstance(first, list):
        return [{"type": infer_type([each[at] for each in predictions if at < len(each)])} for at in range(len(first))]
    return [{"name": "prediction", "type": infer_type(predictions)}]


def to_json(value: Any) -> Any:
    """Return predictions as JSON: arrays as lists, tables as objects. A list of 2-D arrays has one per output."""
    if isinstance(value, list) and value and all(getattr(each, "ndim", 1) == 2 for each in value):
        return [list(outputs) for outputs in zip(*map(to_json, value))]  # noqa: B905
    if hasattr(value, "toarray"):
        value = value.toarray()
    if hasattr(value, "columns"):
        return to_records(value.rename(columns=str), [])
    if getattr(getattr(value, "dtype", None), "kind", "") == "M":
        value = value.astype("datetime64[us]")
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, dict):
        return {str(name): to_json(each) for name, each in value.items()}
    return [to_json(each) for each in value] if isinstance(value, (list, tuple)) else to_value(value)


def to_value(value: Any, kind: str | None = None) -> Any:
    """Return one value as JSON: null if it is missing or infinite, a string for a date."""
    value = value.item() if hasattr(value, "item") else value
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        whole = kind in ("long", "integer") and value.is_integer()
        return (int(value) if whole else value) if math.isfinite(value) else None
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value if isinstance(value, (bool, int, str, list, dict)) else str(value)


def to_csv(records: Sequence[Any]) -> str | None:
    """Return records as CSV, with a header for objects; None if CSV cannot represent them."""
    rows = [list(each.values()) if isinstance(each, dict) else each for each in records]
    rows = [each if isinstance(each, list) else [each] for each in rows]
    if any(isinstance(value, (list, dict)) for row in rows for value in row):
        return None
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerows([list(records[0]), *rows] if isinstance(records[0], dict) else rows)
    return text.getvalue()


def to_text(value: Any) -> str:
    """Return a value as the text of a JSON file."""
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
