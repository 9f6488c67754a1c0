"""text/libsvm: sparse records, "label index:value index:value …" a line, with indices from 0. The label may lack."""

from typing import Any

from serving.content import Parameters, Records, decode_text
from serving.errors import BadRequest

LIBSVM = "text/libsvm"
Sparse = dict[int, float]  # index -> value of one record


def from_libsvm(body: bytes, charset: str) -> tuple[Records, Parameters]:
    """Each record as {index: value}; to_rows makes lists of them."""
    lines = [line.partition("#")[0].split() for line in decode_text(body, charset).splitlines()]
    return [parse_line(fields, number) for number, fields in enumerate(lines, 1) if fields], {}


def parse_line(fields: list[str], number: int) -> Sparse:
    """The values of a line by their index, without the label and a "qid:…"."""
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
    """Sparse records as lists of `features` numbers, with `absent` where a record has none; all others as they are."""
    if not isinstance(records, list) or not any(isinstance(record, dict) for record in records):
        return records
    return [to_row(record, features, absent, number) for number, record in enumerate(records, 1)]


def to_row(record: Any, features: int, absent: float, number: int) -> list[float]:
    """One sparse record as a list of numbers."""
    if not isinstance(record, dict) or not all(isinstance(index, int) for index in record):
        raise BadRequest(f"Record {number} is not a list of numbers.")
    if max(record, default=0) >= features:
        raise BadRequest(
            f"Expected {features} features a record, with indices from 0 to {features - 1}, got {max(record)}."
        )
    row = [absent] * features
    for index, value in record.items():
        row[index] = value
    return row
