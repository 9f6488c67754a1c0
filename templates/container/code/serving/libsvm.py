"""text/libsvm: sparse records, "label index:value index:value …" a line, with indices from 0. The label may lack."""

import numpy as np

from serving.content import Parameters, Records, decode_text
from serving.errors import BadRequest

LIBSVM = "text/libsvm"
MOST_VALUES = 2**25  # of one request, once it is dense: 256 MB
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
    """Sparse records as an array of shape (records, features), `absent` where one has no value; others as they are.

    Raises BadRequest for an index beyond the features, and for so many records that the array would not fit.
    """
    if not isinstance(records, list) or not any(isinstance(record, dict) for record in records):
        return records
    if len(records) * features > MOST_VALUES:
        raise BadRequest(f"These are too many records at once: send up to {max(1, MOST_VALUES // features)}.")
    rows = np.full((len(records), features), absent, dtype=np.float64)
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict) or not all(isinstance(index, int) for index in record):
            raise BadRequest(f"Record {number} is not a list of numbers.")
        if max(record, default=0) >= features:
            last = f"indices from 0 to {features - 1}"
            raise BadRequest(f"Expected {features} features a record, with {last}, got {max(record)}.")
        rows[number - 1, list(record)] = list(record.values())
    return rows
