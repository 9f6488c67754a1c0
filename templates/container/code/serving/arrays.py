"""Fast paths for numbers: npy, and CSV and JSON Lines via JSON, which orjson handles much faster than Python code does.

The results are bit for bit those of content.py, which handles any CSV and JSON Lines.
"""

import io
import re
from typing import Any

import numpy as np
import orjson
from numpy.lib import format as npy
from numpy.typing import NDArray

from serving.errors import BadRequest

# Reduces CSV to the characters that show its types: "," ends a field, "." and "e" mark floats, "?" is not a number.
SHAPE = bytes(each if each in b",.e" else ord("," if each == ord("\n") else "?") for each in range(256))
INTEGER, FLOAT = b"0123456789- ", b",."
LINES = bytes.maketrans(b",", b"\n")
SEPARATOR = re.compile(rb"[,\n]")
MINUS_ZERO = re.compile(rb"-0 *([,\n]|$)")  # as an integer it would lose its sign
PIECE = 2**16  # bytes parsed at a time, to stay in the CPU cache
FEW = 256  # numbers; with fewer, searching the text is faster than checking the array
MANY = 2**12  # numbers formatted at a time, to stay in the CPU cache
WIDE = {  # dtype character -> the dtype of Python's own numbers
    **dict.fromkeys(np.typecodes["Float"].replace("g", ""), np.float64),
    **dict.fromkeys(np.typecodes["Integer"], np.int64),
    **dict.fromkeys(np.typecodes["UnsignedInteger"], np.uint64),
}


def parse_csv(body: bytes, charset: str) -> list[Any] | None:
    """Parse CSV of plain numbers into records of floats, None for an empty field. Return None for any other CSV."""
    if charset != "utf-8":
        return None
    records: list[Any] = []
    start = 0
    while start < len(body):
        end = body.find(b"\n", start + PIECE) + 1 or len(body)
        lines = parse_lines(body[start:end])
        if lines is None:
            return None
        records += lines
        start = end
    return records


def parse_lines(lines: bytes) -> list[Any] | None:
    """Parse some lines of CSV."""
    if b"\r" in lines:
        lines = lines.replace(b"\r\n", b"\n")
    lines = lines.rstrip(b"\n")
    shape = b",%b," % lines.translate(SHAPE, INTEGER)
    if b"?" in shape or (len(lines) > 2 * PIECE and has_long_field(lines)):
        return None
    if shape == FLOAT * (len(shape) // 2) + b"," or b",," not in shape:  # floats only; the first test is faster
        return parse_json(b"[[%b]]" % lines.replace(b"\n", b"],["))
    if b"e" not in shape:  # append e0, because 1e0 is a float in JSON and 1 is not
        text = b"[[%be0]]" % lines.replace(b",", b"e0,").replace(b"\n", b"e0],[")
        return parse_json(text) or parse_json(text.replace(b",e0", b",null").replace(b"[e0,", b"[null,"))
    records = parse_json(b"[[%b]]" % lines.replace(b"\n", b"],["))
    if not records or not all(records) or MINUS_ZERO.search(lines):
        return None
    return [list(map(float, record)) for record in records]


def has_long_field(lines: bytes) -> bool:
    """Return whether a field may exceed the length limit of the csv module, which is twice PIECE."""
    return not all(SEPARATOR.search(lines, at, at + PIECE) for at in range(0, len(lines) - PIECE, PIECE))


def parse_json(text: bytes) -> list[Any] | None:
    """Parse lists of numbers; None if the text is not JSON."""
    try:
        return orjson.loads(text)  # type: ignore[no-any-return]
    except orjson.JSONDecodeError:
        return None


def format_csv(values: Any) -> bytes | None:
    """Format an array as CSV, one line per entry, floats as Python writes them. None for what widen() rejects."""
    array = widen(values)
    if array is None:
        return None
    if array.size <= MANY:
        return format_lines(array)
    rows = MANY * len(array) // array.size or 1
    return b"".join(format_lines(array[at : at + rows]) for at in range(0, len(array), rows))


def format_lines(array: NDArray[Any]) -> bytes:
    """Return the CSV lines of an array from widen()."""
    text = write_floats(array) if array.dtype == np.float64 else write_json(array)
    return (text[2:-2].replace(b"],[", b"\n") if array.ndim == 2 else text.translate(LINES, b"[]")) + b"\n"


def format_json_lines(values: Any) -> bytes | None:
    """Format an array as JSON Lines, one line per entry. None for what widen() rejects."""
    array = widen(values)
    if array is None:
        return None
    text = write_json(array)
    return (text[1:-1].replace(b"],[", b"]\n[") if array.ndim == 2 else text.translate(LINES, b"[]")) + b"\n"


def widen(values: Any) -> NDArray[Any] | None:
    """Convert a 1-D or 2-D array of numbers to the dtype of Python's own numbers. None for anything else."""
    if type(values) is not np.ndarray or values.ndim not in (1, 2) or not values.size:
        return None
    dtype = WIDE.get(values.dtype.char)
    return np.ascontiguousarray(values, dtype) if dtype else None


def write_floats(array: NDArray[np.float64]) -> bytes:
    """Return an array in JSON, with numbers as Python writes them: nan, and 1e-05, which orjson writes as 0.00001."""
    if array.size < FEW:
        text = write_json(array)
        if not (b"0.0000" in text or b"e" in text or b"n" in text):
            return text
    magnitude = np.abs(array)
    same = (magnitude == 0) | ((magnitude >= 1e-4) & (magnitude < 1e16))
    if same.all():
        return write_json(array)
    others = array[~same].tolist()
    return b"%r".join(write_json(np.where(same, array, np.nan)).split(b"null")) % tuple(others)


def write_json(array: NDArray[Any]) -> bytes:
    """Return a C-contiguous array in JSON; NaN and infinity are null."""
    return orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY)


def from_npy(body: bytes) -> NDArray[Any]:
    """Read an array of numbers whose first axis is the records; a 1-D array is one record. Pickles are refused."""
    stream = io.BytesIO(body)
    try:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran_order, dtype = read_header(stream)
    except Exception:  # a header is a Python literal: a malformed one raises many kinds of errors
        raise BadRequest("The body is not an npy file of version 1.0 or 2.0.") from None
    if dtype.kind not in "biuf":
        raise BadRequest("The npy array does not contain plain numbers.")
    data = memoryview(body)[stream.tell() :]
    if not shape or min(shape) < 0 or dtype.itemsize * int(np.prod(shape, dtype=object)) != len(data):
        raise BadRequest("The size of the npy array does not match its header.")
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran_order else "C")
    return array if array.ndim > 1 else array.reshape(1, -1)
