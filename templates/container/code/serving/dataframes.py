"""DataFrames in JSON: MLflow's two request forms, for a model without named columns, and one form for responses."""

from collections.abc import Sequence
from typing import Any

from serving.errors import BadRequest

UNNAMED = "This model has no column names: send lists, with the values in the order used in training."


class Table(list[Any]):
    """Records as lists of values. `names` are the request's column names, if it has any."""

    names: Sequence[Any] | None = None


def read_table(value: dict[str, Any]) -> Table | None:
    """Read {"dataframe_split": ...} or {"dataframe_records": ...}; None for any other object."""
    if "dataframe_split" in value:
        return from_split(value["dataframe_split"])
    return from_objects(value["dataframe_records"]) if "dataframe_records" in value else None


def from_split(split: Any) -> Table:
    """Read {"columns": [...], "data": [[...], ...]}."""
    found = split if isinstance(split, dict) else {}
    names, rows = found.get("columns"), found.get("data")
    if not isinstance(rows, list) or not isinstance(names, list | None):
        raise BadRequest('Expected {"dataframe_split": {"columns": [...], "data": [[...], ...]}}.')
    if not rows:
        raise BadRequest("The request has no records.")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != len(rows[0] if names is None else names):
            raise BadRequest(f"Record {number} is not a list with one value per column.")
    table = Table(rows)
    table.names = names
    return table


def from_objects(records: Any) -> Table:
    """Read a list of objects with the same keys. The first object sets the column order."""
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise BadRequest('Expected {"dataframe_records": [{...}, ...]}.')
    if not records:
        raise BadRequest("The request has no records.")
    names = list(records[0])
    for number, record in enumerate(records, 1):
        if record.keys() != {*names}:
            raise BadRequest(f"The columns of record {number} differ from those of record 1.")
    table = Table([record[name] for name in names] for record in records)
    table.names = names
    return table


def to_records(frame: Any) -> list[dict[str, Any]]:
    """Convert a pandas.DataFrame to one object per row, with None for missing dates."""
    frame = frame.rename(columns=str)
    dates = frame.select_dtypes(["datetime", "datetimetz"])
    texts = {name: [None if date != date else date.isoformat() for date in dates[name]] for name in dates}
    return frame.assign(**texts).to_dict("records")  # type: ignore[no-any-return]
