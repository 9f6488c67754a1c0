"""Reads the equivalent forms of a request by column: objects, rows, pandas tables, CSV, and inputs.

Each is converted to the values of every column of the model. Errors name the record and the column.
"""

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from serving import arrays, content
from serving.columns import ARRAY, COLUMNS, FRAME, NUMBER, ROWS, Column, InputSchema
from serving.content import Decoder, Parameters, Records
from serving.errors import BadRequest
from serving.media_types import CSV, JSON, JSON_LINES, NPY, read_parameter
from serving.request import current
from serving.settings import read_choice
from serving.values import Values, show, to_array, to_columns

Cells = Mapping[str, Values]  # the values of the records by column


class Reader(NamedTuple):
    """Reads bodies for a model with these columns."""

    columns: Sequence[Column]
    form: str
    ignores_extra: bool = False  # SM_EXTRA_COLUMNS

    @property
    def plain(self) -> bool:
        """Whether lists can be passed to decode() unchanged, as an array of numbers, which is faster."""
        others = (column.categories or column.required or column.type != NUMBER for column in self.columns)
        return self.form == ARRAY and not any(others)

    def decoders(self) -> dict[str, Decoder]:
        """Return a function for each media type."""
        decoders: dict[str, Decoder] = {JSON: self.from_json, JSON_LINES: self.from_json_lines, CSV: self.from_csv}
        return {**decoders, NPY: self.from_npy} if self.form in (FRAME, COLUMNS) else decoders

    def from_json(self, body: bytes, charset: str) -> tuple[Records, Parameters]:
        """Decode any JSON form, with parameters."""
        value = content.read_json(body, charset)
        parameters = content.read_parameters(value) if isinstance(value, dict) else {}
        return self.convert(self.read(value)), parameters

    def from_json_lines(self, body: bytes, charset: str) -> tuple[Records, Parameters]:
        """Decode one record per line: an object or a list, bare or in an envelope."""
        lines = content.read_json_lines(body, charset)
        records = [content.open_envelope(line) if self.is_envelope(line) else line for line in lines]
        return self.convert(self.from_records(records)), {}

    def from_csv(self, body: bytes, charset: str) -> tuple[Records, Parameters]:
        """Decode one record per line, with or without a header line. An empty field is a missing value."""
        header = read_parameter(current().content_type or "", "header")
        if header != "present" and self.plain and (records := arrays.parse_csv(body, charset)):
            first = body[: body.find(b"\n") + 1 or None].decode()
            if header == "absent" or not self.is_header(first.split(",")):
                return records, {}
        rows = content.read_csv(body, charset, keep_spaces=self.form != ARRAY)
        if not rows:
            raise BadRequest("The request has no records.")
        named = header == "present" or (header != "absent" and self.is_header(rows[0]))
        if not named and self.plain:
            records = [[content.parse_field(field) for field in row] for row in rows]
            if not any(isinstance(value, str) for record in records for value in record):
                return records, {}
        cells = self.from_rows(rows[1:], [name.strip() for name in rows[0]]) if named else self.from_rows(rows)
        return self.convert(cells, parse=True), {}

    def from_npy(self, body: bytes, charset: str) -> tuple[Records, Parameters]:
        """Decode an array of numbers, in column order."""
        array, parameters = content.from_npy(body, charset)
        rows = np.asarray(array, dtype=object)
        rows[rows != rows] = None  # NaN
        return self.convert(self.from_rows(rows.tolist())), parameters

    def convert(self, cells: "Cells | list[Any]", parse: bool = False) -> Records:
        """Convert the values to columns, an array, or rows. Lists for decode() are returned unchanged."""
        if isinstance(cells, list):
            return cells
        if self.form == ROWS:
            return self.to_rows(cells, parse)
        columns = to_columns(cells, self.columns, parse)
        return columns if self.form in (FRAME, COLUMNS) else np.column_stack(list(columns.values()))

    def to_rows(self, cells: Cells, parse: bool) -> list[Any]:
        """Convert the values to one list per record, with None for missing values."""
        lists = []
        for column in self.columns:
            values = to_array(cells[column.name], column, parse).tolist()
            lists.append([None if value != value else value for value in values])
        return list(map(list, zip(*lists, strict=True)))

    def read(self, value: Any) -> "Cells | list[Any]":
        """Read the values from a JSON value."""
        if not isinstance(value, dict):
            return self.from_records(value)
        if "dataframe_split" in value:
            return self.from_split(value["dataframe_split"])
        if "dataframe_records" in value:
            return self.from_records(value["dataframe_records"])
        if isinstance(value.get("columns"), list) and isinstance(value.get("instances"), list):
            return self.from_rows(value["instances"], value["columns"])
        if not self.is_envelope(value):
            return self.from_records([value])
        records = content.open_envelope(value)
        if isinstance(records, dict) and records and all(isinstance(each, list) for each in records.values()):
            return self.from_lists(records)
        return self.from_records(records)

    def is_envelope(self, value: Any) -> bool:
        """Return whether an object contains records rather than being one."""
        if not isinstance(value, dict):
            return False
        found = [value[name] for name in content.ENVELOPES if name in value]
        has_records = len(found) == 1 and isinstance(found[0], (list, dict))
        return has_records or not value.keys() & {column.name for column in self.columns}

    def is_header(self, fields: Sequence[str]) -> bool:
        """Return whether a CSV line is a header.

        Most of its names are known or, if extra columns are ignored, all required columns are present.
        """
        known = {column.name for column in self.columns}.intersection(map(str.strip, fields))
        if 2 * len(known) > len(fields) or not self.ignores_extra:
            return 2 * len(known) > len(fields)
        return bool(known) and {column.name for column in self.columns if not column.can_be_omitted} <= known

    def from_split(self, split: Any) -> Cells:
        """Read MLflow's table: column names and rows."""
        found = split if isinstance(split, dict) else {}
        if not isinstance(found.get("columns"), list | None) or not isinstance(found.get("data"), list):
            raise BadRequest('Expected {"dataframe_split": {"columns": [...], "data": [[...], ...]}}.')
        return self.from_rows(found["data"], found.get("columns"))

    def from_records(self, records: Any) -> "Cells | list[Any]":
        """Read a list of objects, or of lists in column order; or a single record."""
        if isinstance(records, dict):
            records = [records]
        if not isinstance(records, list) or not records:
            raise BadRequest("The request has no records.")
        if self.plain and not any(isinstance(record, dict) for record in records):
            return content.as_records(records)  # type: ignore[return-value]
        if not any(isinstance(record, (list, dict)) for record in records):
            return self.from_rows([[value] for value in records] if len(self.columns) == 1 else [records])
        if not isinstance(records[0], dict):
            return self.from_rows(records)
        names = {column.name for column in self.columns}
        for number, record in enumerate(records, 1):
            if not isinstance(record, dict):
                raise BadRequest(f"Record {number} is not an object of values by column name.")
            if record.keys() != names:
                self.check_names(record, f"Record {number}")
        return {name: [record.get(name) for record in records] for name in names}

    def from_rows(self, rows: Sequence[Any], names: Sequence[Any] | None = None) -> Cells:
        """Read lists of values in the order of `names`; by default in column order."""
        order = [column.name for column in self.columns] if names is None else names
        if names is not None:
            self.check_names(names, "The request")
        if not rows:
            raise BadRequest("The request has no records.")
        for number, row in enumerate(rows, 1):
            if not isinstance(row, (list, tuple)):
                raise BadRequest(f"Record {number} is not a list of values.")
            if len(row) != len(order):
                values = "1 value" if len(row) == 1 else f"{len(row)} values"
                raise BadRequest(f"Record {number} has {values} instead of {len(order)}: {list_names(order)}.")
        cells = dict(zip(order, zip(*rows, strict=True), strict=True))
        return {column.name: cells.get(column.name, [None] * len(rows)) for column in self.columns}

    def from_lists(self, lists: Mapping[str, list[Any]]) -> Cells:
        """Read a list of values for each column, by name."""
        self.check_names(lists, "The request")
        count = len(next(iter(lists.values())))
        for name, values in lists.items():
            if len(values) != count:
                raise BadRequest(f"The columns differ in length: {name} has {len(values)} values, not {count}.")
        if not count:
            raise BadRequest("The request has no records.")
        return {column.name: lists.get(column.name, [None] * count) for column in self.columns}

    def check_names(self, names: Iterable[Any], where: str) -> None:
        """Raise BadRequest for an unknown, duplicate or missing name."""
        known, found = [column.name for column in self.columns], list(names)
        if odd := [name for name in found if not isinstance(name, str)]:
            raise BadRequest(f"{where} has the column name {show(odd[0])}, which is not a string.")
        for name in () if self.ignores_extra else found:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f" Did you mean {near[0]}?" if near else f" The columns are {list_names(known)}."
                raise BadRequest(f"{where} has an unknown column, {name[:40] or show(name)}.{hint}")
        if len({*found}) < len(found):
            twice = next(name for at, name in enumerate(found) if name in found[:at])
            raise BadRequest(f"{where} has the column {twice} twice.")
        for column in self.columns:
            if not column.can_be_omitted and column.name not in found:
                raise BadRequest(f"{where}: {column.name} is missing.")


def list_names(names: Sequence[Any]) -> str:
    """Return the names, at most the first ten."""
    return ", ".join(map(str, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def make_reader(schema: InputSchema) -> Reader:
    """Create a reader. SM_EXTRA_COLUMNS decides whether an unknown column is an error (refuse) or ignored (ignore)."""
    extra = read_choice(os.environ, "SM_EXTRA_COLUMNS", "refuse", ("refuse", "ignore"))
    return Reader(schema.columns, schema.form, ignores_extra=extra == "ignore")
