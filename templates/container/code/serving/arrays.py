"""Numbers in bytes: npy, and csv and JSON lines by way of JSON, which orjson reads and writes several times as fast.

The results are those of content.py, which takes any csv and JSON lines, bit for bit.
"""

import io
import re
from typing import Any

import numpy as np
import orjson
from numpy.lib import format as npy
from numpy.typing import NDArray

from serving.errors import BadRequest

# What is left of a csv to tell its types by: "," for the end of a field, "." and "e" of floats, "?" for no number.
SHAPE = bytes(each if each in b",.e" else ord("," if each == ord("\n") else "?") for each in range(256))
INTEGER, FLOAT = b"0123456789- ", b",."
LINES = bytes.maketrans(b",", b"\n")
SEPARATOR = re.compile(rb"[,\n]")
MINUS_ZERO = re.compile(rb"-0 *([,\n]|$)")  # which has no sign as an integer
PIECE = 2**16  # bytes that are read at a time, so that they stay in the CPU's cache
FEW, MANY = 256, 2**12  # numbers: so few are looked through faster as text; so many are written at a time, as above
WIDE = {  # by the character of a dtype: that of the same numbers in Python
    **dict.fromkeys(np.typecodes["Float"].replace("g", ""), np.float64),
    **dict.fromkeys(np.typecodes["Integer"], np.int64),
    **dict.fromkeys(np.typecodes["UnsignedInteger"], np.uint64),
}


def parse_csv(body: bytes, charset: str) -> list[Any] | None:
    """The records of a csv of plain numbers, as floats; an empty field is None. None for a csv that is not that."""
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
    """The records of some lines of csv."""
    if b"\r" in lines:
        lines = lines.replace(b"\r\n", b"\n")
    lines = lines.rstrip(b"\n")
    shape = b",%b," % lines.translate(SHAPE, INTEGER)
    if b"?" in shape or (len(lines) > 2 * PIECE and has_long_field(lines)):
        return None
    if shape == FLOAT * (len(shape) // 2) + b"," or b",," not in shape:  # floats only: the first is the quicker look
        return parse_json(b"[[%b]]" % lines.replace(b"\n", b"],["))
    if b"e" not in shape:  # 1e0 is a float where 1 is none
        text = b"[[%be0]]" % lines.replace(b",", b"e0,").replace(b"\n", b"e0],[")
        return parse_json(text) or parse_json(text.replace(b",e0", b",null").replace(b"[e0,", b"[null,"))
    records = parse_json(b"[[%b]]" % lines.replace(b"\n", b"],["))
    if not records or not all(records) or MINUS_ZERO.search(lines):
        return None
    return [list(map(float, record)) for record in records]


def has_long_field(lines: bytes) -> bool:
    """Whether a field may be longer than csv takes, which is twice PIECE."""
    return not all(SEPARATOR.search(lines, at, at + PIECE) for at in range(0, len(lines) - PIECE, PIECE))


def parse_json(text: bytes) -> list[Any] | None:
    """Lists of numbers in JSON; None for what is none."""
    try:
        return orjson.loads(text)  # type: ignore[no-any-return]
    except orjson.JSONDecodeError:
        return None


def format_csv(values: Any) -> bytes | None:
    """One line for each entry of an array, with floats as Python writes them; None for what widen() does not take."""
    array = widen(values)
    if array is None:
        return None
    if array.size <= MANY:
        return format_lines(array)
    rows = MANY * len(array) // array.size or 1
    return b"".join(format_lines(array[at : at + rows]) for at in range(0, len(array), rows))


def format_lines(array: NDArray[Any]) -> bytes:
    """The lines of csv for an array that widen() gave."""
    text = write_floats(array) if array.dtype == np.float64 else write_json(array)
    return (text[2:-2].replace(b"],[", b"\n") if array.ndim == 2 else text.translate(LINES, b"[]")) + b"\n"


def format_json_lines(values: Any) -> bytes | None:
    """One line of JSON for each entry of an array; None for what widen() does not take."""
    array = widen(values)
    if array is None:
        return None
    text = write_json(array)
    return (text[1:-1].replace(b"],[", b"]\n[") if array.ndim == 2 else text.translate(LINES, b"[]")) + b"\n"


def widen(values: Any) -> NDArray[Any] | None:
    """An array of numbers with one or two axes in the dtype that Python's numbers have; None for anything else."""
    if type(values) is not np.ndarray or values.ndim not in (1, 2) or not values.size:
        return None
    dtype = WIDE.get(values.dtype.char)
    return np.ascontiguousarray(values, dtype) if dtype else None


def write_floats(array: NDArray[np.float64]) -> bytes:
    """An array in JSON, but with its numbers as Python writes them: 1e-05, which JSON has as 0.00001, and nan."""
    if array.size < FEW:
        text = write_json(array)
        if not (b"0.0000" in text or b"e" in text or b"n" in text):
            return text
    size = np.abs(array)
    same = (size == 0) | ((size >= 1e-4) & (size < 1e16))
    if same.all():
        return write_json(array)
    others = array[~same].tolist()
    return b"%r".join(write_json(np.where(same, array, np.nan)).split(b"null")) % tuple(others)


def write_json(array: NDArray[Any]) -> bytes:
    """A C-contiguous array in JSON; NaN and infinity are null."""
    return orjson.dumps(array, option=orjson.OPT_SERIALIZE_NUMPY)


def from_npy(body: bytes) -> NDArray[Any]:
    """An array of numbers whose first axis counts the records; with one axis it is one record. Pickles are refused."""
    stream = io.BytesIO(body)
    try:
        version = npy.read_magic(stream)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran_order, dtype = read_header(stream)
    except Exception:  # a header is a Python literal, so that what is wrong with it has many names
        raise BadRequest("The body is not an npy file of version 1.0 or 2.0.") from None
    if dtype.kind not in "biuf":
        raise BadRequest("The npy array does not hold plain numbers.")
    data = memoryview(body)[stream.tell() :]
    if not shape or min(shape) < 0 or dtype.itemsize * int(np.prod(shape, dtype=object)) != len(data):
        raise BadRequest("The npy array is not as large as its header says.")
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran_order else "C")
    return array if array.ndim > 1 else array.reshape(1, -1)
