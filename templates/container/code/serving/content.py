"""Converts bytes to records and back, by media type. To add one, write a function and add it to a table."""

import codecs
import csv
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from serving import arrays
from serving.dataframes import UNNAMED, read_table, to_records
from serving.errors import BadRequest, NotAcceptable, UnsupportedMediaType
from serving.media_types import CSV, JSON, JSON_LINES, NPY, parse_content_type, read_parameter

Records = list[Any] | NDArray[Any] | dict[str, Any]  # array: axis 0 is the records; dict: inputs by name
Parameters = dict[str, Any]
Decoder = Callable[[bytes, str], tuple[Records, Parameters]]  # body and charset -> records and parameters

ENVELOPES = ("instances", "inputs", "features", "input", "data")
CHARSETS = {  # Python's name of a charset -> the codec to decode it with
    "utf-8": "utf-8-sig",
    "ascii": "utf-8-sig",
    "iso8859-1": "iso8859-1",
    "cp1252": "cp1252",
    "utf-16": "utf-16",
}


def decode(
    body: bytes, content_type: str | None, own: Mapping[str, Decoder] = MappingProxyType({})
) -> tuple[Records, Parameters]:
    """Decode a body into records and parameters, which only JSON has. Without a Content-Type it is read as JSON.

    `own` are the handler's decoders. Raises BadRequest if the body does not parse, UnsupportedMediaType if the type or
    charset is not supported.
    """
    media_type, charset = parse_content_type(content_type or JSON)
    decoder = own.get(media_type) or DECODERS.get(media_type)
    if decoder is None:
        known = " or ".join({**DECODERS, **own})
        raise UnsupportedMediaType(f"Content-Type {media_type!r} is not supported. Send {known}.")
    if not body or body.isspace():
        raise BadRequest("The body is empty.")
    records, parameters = decoder(body, charset)
    has_header = decoder is from_csv and read_parameter(content_type or "", "header") == "present"
    return (records[1:] if has_header and isinstance(records, list) else records), parameters


def encode(outputs: Any, media_type: str) -> bytes:
    """Encode outputs in a media type of ENCODERS. Text ends in a newline: batch transform concatenates responses.

    Raises NotAcceptable for predictions that the type cannot represent.
    """
    return ENCODERS[media_type](outputs)


def decode_text(body: bytes, charset: str) -> str:
    """Decode the body as text, without a byte order mark."""
    try:
        codec = CHARSETS[codecs.lookup(charset).name]
    except LookupError:
        raise UnsupportedMediaType(f"Charset {charset!r} is not supported. Send utf-8.") from None
    try:
        return body.decode(codec)
    except UnicodeError:
        raise BadRequest(f"The body is not {charset}.") from None


def parse_json(text: bytes | str, where: str = "The body") -> Any:
    """Parse JSON. Raises BadRequest that names `where` and the position."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}" if where == "The body" else f"column {error.colno}"
        raise BadRequest(f"{where} is not JSON: {error.msg} ({place}).") from None


def from_json(body: bytes, charset: str) -> tuple[Records, Parameters]:
    """Decode an object with a key of ENVELOPES, a bare array, or a Table; one record or many; or inputs by name."""
    value = read_json(body, charset)
    if isinstance(value, list):
        return as_records(value), {}
    parameters = read_parameters(value)
    if isinstance(value.get("columns"), list):
        raise BadRequest(UNNAMED)
    table = read_table(value)
    if table is not None:
        return table, parameters
    records = open_envelope(value)
    named = isinstance(records, dict) and "inputs" in value
    return records if named else as_records(records), parameters


def read_json(body: bytes, charset: str) -> list[Any] | dict[str, Any]:
    """Parse the object or array in a body."""
    plain = charset == "utf-8" and not body.startswith(codecs.BOM_UTF8)
    value = parse_json(body if plain else decode_text(body, charset))
    if not isinstance(value, (list, dict)):
        raise BadRequest('The body is neither a JSON object nor an array: send {"instances": [...]}.')
    return value


def read_parameters(value: dict[str, Any]) -> Parameters:
    """Read the parameters of a request, which MLflow calls params."""
    parameters = value.get("parameters") or value.get("params") or {}
    if not isinstance(parameters, dict):
        raise BadRequest('"parameters" is not an object.')
    return parameters


def open_envelope(value: dict[str, Any]) -> Any:
    """Return the value of the object's one key of ENVELOPES."""
    names = [name for name in ENVELOPES if name in value]
    if len(names) != 1:
        raise BadRequest(f"The JSON object must have exactly one of these keys: {', '.join(ENVELOPES)}.")
    return value[names[0]]


def as_records(value: Any) -> Records:
    """Return a list of records; a single record becomes a list of one.

    A list whose first item is a list or an object, or whose items are all strings, is many records. Any other list is
    one record.
    """
    if not isinstance(value, list):
        return [value]
    if not value or isinstance(value[0], (list, dict)) or all(isinstance(item, str) for item in value):
        return value
    return [value]


def from_json_lines(body: bytes, charset: str) -> tuple[Records, Parameters]:
    """Decode one record per line: an array or a value, bare or in an envelope such as {"features": [...]}."""
    return list(map(open_line, read_json_lines(body, charset))), {}


def open_line(value: Any) -> Any:
    """Return the record in an envelope such as {"features": [...]}, or the value itself."""
    is_envelope = isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ENVELOPES
    return open_envelope(value) if is_envelope else value


def read_json_lines(body: bytes, charset: str) -> list[Any]:
    """Parse each line that is not blank."""
    if charset == "utf-8":
        with suppress(orjson.JSONDecodeError):  # a blank line, or an error whose line is found below
            return [orjson.loads(line) for line in body.rstrip(b"\n").split(b"\n")]
    lines = decode_text(body, charset).split("\n")
    return [parse_json(line, f"Line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def from_csv(body: bytes, charset: str) -> tuple[Records, Parameters]:
    """Decode one record per line. Numbers become floats, empty fields None; other fields stay strings."""
    records = arrays.parse_csv(body, charset)
    return records or [[parse_field(field) for field in row] for row in read_csv(body, charset)], {}


def read_csv(body: bytes, charset: str, keep_spaces: bool = False) -> list[list[str]]:
    """Read the fields of each line that is not blank. `keep_spaces` keeps the leading spaces of fields."""
    rows = csv.reader(io.StringIO(decode_text(body, charset), newline=""), skipinitialspace=not keep_spaces)
    try:
        return [row for row in rows if row not in ([], [""])]
    except csv.Error as error:
        raise BadRequest(f"The body is not CSV: {error} (line {rows.line_num}).") from None


def parse_field(field: str) -> float | str | None:
    """Parse a CSV field."""
    try:
        return float(field)
    except ValueError:
        return field.strip() or None


def from_npy(body: bytes, _: str) -> tuple[Records, Parameters]:
    """Decode an array of numbers."""
    return arrays.from_npy(body), {}


def to_json(outputs: Any) -> bytes:
    """Encode as {"predictions": [...]}. A dict from the handler is the whole object."""
    return to_json_line(outputs if isinstance(outputs, dict) else {"predictions": outputs})


def to_json_lines(outputs: Any) -> bytes:
    """Encode one prediction per line."""
    predictions = predictions_of(outputs)
    return arrays.format_json_lines(predictions) or b"".join(map(to_json_line, to_plain(predictions)))


def to_json_line(value: Any) -> bytes:
    """Encode a value, which can include NumPy arrays and numbers, as JSON with a newline."""
    return orjson.dumps(value, default=to_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def to_csv(outputs: Any) -> bytes:
    """Encode one line per record: its value, or its values separated by commas; objects keep their order."""
    predictions = predictions_of(outputs)
    if text := arrays.format_csv(predictions):
        return text
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(map(to_fields, to_plain(predictions)))
    return lines.getvalue().encode()


def to_fields(prediction: Any) -> Sequence[Any]:
    """Convert a prediction to the fields of a CSV line."""
    value = to_plain(prediction)
    nested: tuple[type, ...] = (dict,)
    if isinstance(value, dict):
        value, nested = [to_plain(field) for field in value.values()], (dict, list)
    fields: Sequence[Any] = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(field, nested) for field in fields):
        raise NotAcceptable(f"These predictions are objects. Set Accept to {JSON}.")
    return fields


def to_npy(outputs: Any) -> bytes:
    """Encode the predictions as one array."""
    stream = io.BytesIO()
    try:
        np.save(stream, np.asarray(to_plain(predictions_of(outputs))), allow_pickle=False)
    except ValueError:  # mixed types, dicts, rows of different lengths
        raise NotAcceptable(f"These predictions are not an array of numbers. Set Accept to {JSON}.") from None
    return stream.getvalue()


def predictions_of(outputs: Any) -> Any:
    """Return only the predictions."""
    if not isinstance(outputs, dict):
        return outputs
    if "predictions" not in outputs:
        raise NotAcceptable(f"This response is an object. Set Accept to {JSON}.")
    return outputs["predictions"]


def to_plain(value: Any) -> Any:
    """Convert an array, a NumPy number or a DataFrame to plain Python. Return other values unchanged."""
    if hasattr(value, "iloc") and hasattr(value, "columns"):
        return to_records(value)
    return value.tolist() if hasattr(value, "tolist") else value


DECODERS: dict[str, Decoder] = {JSON: from_json, CSV: from_csv, JSON_LINES: from_json_lines, NPY: from_npy}
ENCODERS: dict[str, Callable[[Any], bytes]] = {JSON: to_json, CSV: to_csv, JSON_LINES: to_json_lines, NPY: to_npy}
