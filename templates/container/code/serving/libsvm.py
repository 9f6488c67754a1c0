"""text/libsvm: a sparse record per line, "label index:value index:value …", indices from 0. The label is optional."""

import numpy as np

from serving.content import Parameters, Records, decode_text
from serving.dataframes import UNNAMED
from serving.errors import BadRequest

LIBSVM = "text/libsvm"
MAX_VALUES = 2**25  # per request, as a dense array: 256 MB
Sparse = dict[int, float]  # index -> value of one record


def from_libsvm(body: bytes, charset: str) -> tuple[Records, Parameters]:
    """Decode each record to {index: value}; to_rows makes them dense."""
    lines = [line.partition("#")[0].split() for line in decode_text(body, charset).splitlines()]
    return [parse_line(fields, number) for number, fields in enumerate(lines, 1) if fields], {}


def parse_line(fields: list[str], number: int) -> Sparse:
    """Parse the values of a line by index, skipping the label and "qid:…"."""
    if ":" not in fields[0]:
        fields = fields[1:]
    try:
        pairs = [field.split(":") for field in fields if not field.startswith("qid:")]
        record = {int(index): float(value) for index, value in pairs}
    except ValueError:
        raise BadRequest(f'Line {number} is not "label index:value index:value ...".') from None
    if min(record, default=0) < 0:
        raise BadRequest(f"Line {number} has an index below 0.")
    return record


def to_rows(records: Records, features: int, absent: float) -> Records:
    """Convert sparse records to an array of shape (records, features), with `absent` for values that are not set.

    Other records are returned unchanged. Raises BadRequest for an index out of range, and for too many records.
    """
    if not isinstance(records, list) or not any(isinstance(record, dict) for record in records):
        return records
    if len(records) * features > MAX_VALUES:
        raise BadRequest(f"Too many records: send at most {max(1, MAX_VALUES // features)} per request.")
    rows = np.full((len(records), features), absent, dtype=np.float64)
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict) or not all(isinstance(index, int) for index in record):
            what = f"an object. {UNNAMED}" if isinstance(record, dict) else "not a list of numbers."
            raise BadRequest(f"Record {number} is {what}")
        if max(record, default=0) >= features:
            raise BadRequest(f"Expected indices from 0 to {features - 1}, got {max(record)} in record {number}.")
        rows[number - 1, list(record)] = list(record.values())
    return rows
