"""Bytes to records and back, by media type. A new media type is one function and one entry in a table."""

import codecs
import csv
import io
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from serving.errors import BadRequest, NotAcceptable, UnsupportedMediaType

Records = list[Any]

JSON = "application/json"
CSV = "text/csv"

ENVELOPES = ("instances", "inputs", "features", "input", "data")
CHARSETS = {  # Python's name -> the codec to read it with
    "utf-8": "utf-8-sig",
    "ascii": "utf-8-sig",
    "iso8859-1": "iso8859-1",
    "cp1252": "cp1252",
    "utf-16": "utf-16",
}


def decode(body: bytes, content_type: str | None) -> Records:
    """The records in a body. Without a Content-Type it is read as JSON.

    Raises BadRequest for a body that does not parse, UnsupportedMediaType for a type or charset not in the tables.
    """
    media_type, charset = parse_content_type(content_type or JSON)
    decoder = DECODERS.get(media_type)
    if decoder is None:
        raise UnsupportedMediaType(f"Content-Type {media_type!r} is not supported. Send {' or '.join(DECODERS)}.")
    if not body.strip():
        raise BadRequest("The body is empty.")
    return decoder(body, charset)


def encode(outputs: Any, media_type: str) -> bytes:
    """The answer in a media type that `choose_answer` gave. It ends in a newline (SageMaker: batch transform)."""
    return ENCODERS[media_type](outputs)


def parse_content_type(header: str) -> tuple[str, str]:
    """Media type in lower case, and charset: "Text/CSV; charset=UTF-8" is ("text/csv", "utf-8")."""
    media_type, *parameters = (part.strip() for part in header.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return media_type.lower(), value.strip().strip('"').lower()
    return media_type.lower(), "utf-8"


def choose_answer(accept: str | None, default: str) -> str:
    """The media type to answer in: the one that Accept likes best (RFC 9110), `default` for none or a tie in "*/*".

    Raises NotAcceptable if Accept leaves none of those there are.
    """
    ranges = parse_accept(accept or "*/*")
    offers = [default, *(media_type for media_type in ENCODERS if media_type != default)]
    best = max(offers, key=lambda offer: rank(offer, ranges))
    if rank(best, ranges)[0] == 0:
        raise NotAcceptable(f"None of the types in Accept can be answered. Ask for {' or '.join(ENCODERS)}.")
    return best


def parse_accept(header: str) -> list[tuple[str, float]]:
    """The media ranges of an Accept header with their q-values, in order. A q that is no number counts as 1."""
    ranges = []
    for entry in filter(str.strip, header.lower().split(",")):
        media_range, *parameters = (part.strip() for part in entry.split(";"))
        quality = dict(parameter.replace(" ", "").partition("=")[::2] for parameter in parameters).get("q", "1")
        ranges.append((media_range, float(quality) if quality.replace(".", "", 1).isdecimal() else 1.0))
    return ranges


def rank(offer: str, ranges: list[tuple[str, float]]) -> tuple[float, int, int]:
    """How much Accept wants an offer: q-value, then how exactly it is named, then how early."""
    patterns = ("*/*", offer.partition("/")[0] + "/*", offer)
    matches = [
        (patterns.index(media_range), -position, quality)
        for position, (media_range, quality) in enumerate(ranges)
        if media_range in patterns
    ]
    exactness, earliness, quality = max(matches, default=(0, 0, 0.0))
    return quality, exactness, earliness


def decode_text(body: bytes, charset: str) -> str:
    """The body as text, without a byte order mark."""
    try:
        codec = CHARSETS[codecs.lookup(charset).name]
    except LookupError:
        raise UnsupportedMediaType(f"Charset {charset!r} is not supported. Send utf-8.") from None
    try:
        return body.decode(codec)
    except UnicodeError:
        raise BadRequest(f"The body is not {charset}.") from None


def from_json(body: bytes, charset: str) -> Records:
    """{"instances": …} or another of ENVELOPES, or a bare array; one record or many."""
    try:
        value = orjson.loads(decode_text(body, charset))
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from None
    if isinstance(value, dict):
        names = [name for name in ENVELOPES if name in value]
        if len(names) != 1:
            raise BadRequest(f"The JSON object needs one of these keys: {', '.join(ENVELOPES)}.")
        value = value[names[0]]
    elif not isinstance(value, list):
        raise BadRequest('The JSON is neither an object nor an array: send {"instances": [...]}.')
    return as_records(value)


def as_records(value: Any) -> Records:
    """Many records as they are, one record as a list of one.

    A list that holds a list or an object is many records; so is a list of texts only. Any other list is one record.
    """
    if not isinstance(value, list):
        return [value]
    if not value or isinstance(value[0], (list, dict)) or all(isinstance(item, str) for item in value):
        return value
    return [value]


def from_csv(body: bytes, charset: str) -> Records:
    """One record a line, no header. Numbers become floats and an empty field None; other text stays."""
    rows = csv.reader(io.StringIO(decode_text(body, charset), newline=None), skipinitialspace=True)
    try:
        return [[parse_field(field) for field in row] for row in rows if row not in ([], [""])]
    except csv.Error as error:
        raise BadRequest(f"The body is not CSV: {error} (line {rows.line_num}).") from None


def parse_field(field: str) -> float | str | None:
    """A field of a CSV line."""
    try:
        return float(field)
    except ValueError:
        return field.strip() or None


def to_json(outputs: Any) -> bytes:
    """{"predictions": [...]}; a handler that returns a dict has written the whole object itself."""
    answer = outputs if isinstance(outputs, Mapping) else {"predictions": outputs}
    return orjson.dumps(answer, default=to_plain, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def to_csv(outputs: Any) -> bytes:
    """One line a record: its value, or its values with commas between."""
    predictions = to_plain(outputs["predictions"] if isinstance(outputs, Mapping) else outputs)
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(
        prediction if isinstance(prediction, (list, tuple)) else [prediction] for prediction in predictions
    )
    return lines.getvalue().encode()


def to_plain(value: Any) -> Any:
    """An array or a NumPy number as plain Python; a value that has no such form as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


DECODERS: dict[str, Callable[[bytes, str], Records]] = {JSON: from_json, CSV: from_csv}
ENCODERS: dict[str, Callable[[Any], bytes]] = {JSON: to_json, CSV: to_csv}
