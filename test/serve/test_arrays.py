"""Numbers in CSV and JSON Lines: the fast path in serving/arrays.py must agree with the slow one in content.py.

A charset other than utf-8, or a list instead of an array, selects the slow path.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from serving import arrays, content
from serving.columns import ARRAY, NUMBER, Column, InputSchema
from serving.errors import BadRequest
from serving.media_types import CSV, JSON_LINES
from serving.request import CURRENT, Request
from serving.tables import make_reader

NUMERIC = ["0", "-0", "-0.0", "1", "01", "-3", "+1", ".5", "5.", "2.25", "1e5", "1E5", "1e-05", "-1e999", "nan"]
LARGE = [str(2**53 + 1), str(2**64), "9" * 30]
BRACKETS = ["[", "]", "{", "}", "1],[2"]
OTHERS = ["1_0", "0x10", "true", "null", "-", "e", '"', '"1"', "\0", "\x0b", "a", "\ufeff", *BRACKETS]
FIELDS = st.sampled_from(NUMERIC + LARGE + OTHERS)
NUMBERS = st.floats().map(repr) | st.integers().map(str) | st.floats(0, 1).map("{:.3f}".format)
SEPARATORS = st.sampled_from([",", ",", ",", "\n", "\n", "\r\n", "\r", ", ", " ", ",,", "\n\n", "\t"])
texts = st.lists(st.tuples(NUMBERS | FIELDS, SEPARATORS), max_size=12).map(lambda pairs: "".join(map("".join, pairs)))
tables = st.lists(st.lists(NUMBERS | st.just(""), min_size=3, max_size=3).map(",".join), min_size=1).map("\n".join)
bodies = st.binary(max_size=30) | (texts | tables).map(str.encode)
LINES = ["[1,2]", "[1", "2]", "3],[4", '{"data":[1]}', '{"a":1}', '"x"', "1,2", "null", "\x0b", "[1]\r"]
json_lines = st.lists(st.sampled_from(LINES) | texts)


def bits(value: Any) -> Any:
    """A key that is equal only for the same value of the same type."""
    if isinstance(value, list):
        return type(value), [bits(each) for each in value]
    return type(value), value.hex() if isinstance(value, float) else value


def read(body: bytes, content_type: str, others: Any = {}) -> Any:  # noqa: B006
    """The records of a body, or the error."""
    CURRENT.set(Request(body, content_type))
    try:
        return bits(content.decode(body, content_type, others)[0])
    except BadRequest as error:
        return str(error).replace("ascii", "utf-8")


@settings(max_examples=1000, deadline=None)
@given(body=bodies, header=st.sampled_from(["", "; header=present"]))
def test_csv_equals_the_slow_path(body: bytes, header: str) -> None:
    assert read(body, CSV + header) == read(body, f"{CSV}; charset=ascii{header}")


@settings(max_examples=400, deadline=None)
@given(
    body=bodies,
    header=st.sampled_from(["", "; header=present", "; header=absent"]),
    names=st.sampled_from([("a", "b", "c"), ("1", "2", "3"), ("0",), ("a",)]),
)
def test_csv_for_columns_equals_the_slow_path(body: bytes, header: str, names: tuple[str, ...]) -> None:
    others = make_reader(InputSchema([Column(name, NUMBER) for name in names], ARRAY)).decoders()
    found, expected = read(body, CSV + header, others), read(body, f"{CSV}; charset=ascii{header}", others)
    assert str(found) == str(expected)


@settings(max_examples=400, deadline=None)
@given(body=st.binary(max_size=30) | json_lines.map("\n".join).map(str.encode))
def test_json_lines_equal_the_slow_path(body: bytes) -> None:
    assert read(body, JSON_LINES) == read(body, f"{JSON_LINES}; charset=ascii")


@pytest.mark.parametrize(
    "body",
    [
        b"1.5,-2.25,1e-05\n3.5,4.0,-0.0",
        b"1,-2,3\r\n4,5,-0\r\n",
        b"1, 2.5\n,3\n4,\n",
        b"7,1e-05\n8,1.5\n",
        b"1,2.5\n" * 25_000,
        b",".join([b"0.123456789"] * 50_000),
    ],
)
def test_csv_of_numbers_takes_the_fast_path(body: bytes) -> None:
    records = arrays.parse_csv(body, "utf-8")
    assert bits(records) == bits(content.from_csv(body, "ascii")[0])


@pytest.mark.parametrize("field", [b"a", b"nan", b"1" * 2**18, b"0." + b"0" * 2**18, b"-0,1e5\n"])
def test_other_csv_takes_the_slow_path(field: bytes) -> None:
    body = b"1,2.5\n" * 25_000 + b"1,%b\n" % field
    assert arrays.parse_csv(body, "utf-8") is None
    assert read(body, CSV) == read(body, f"{CSV}; charset=ascii")


shapes = arrays_of.array_shapes(max_dims=3, min_side=0, max_side=3)
dtypes = arrays_of.floating_dtypes() | arrays_of.integer_dtypes() | arrays_of.unsigned_integer_dtypes() | st.just(bool)
some = dtypes.flatmap(lambda dtype: arrays_of.arrays(dtype, shapes))


def edge_cases(values: list[float]) -> Any:
    return np.resize(np.array([0.0, -0.0, 1e-4, 9.9e-5, 1e16, 9.9e15, np.nan, -np.inf, *values]), (3000, 2))


@settings(max_examples=200, deadline=None)
@given(array=some | some.map(np.transpose) | st.lists(st.floats(), max_size=30).map(edge_cases))
@pytest.mark.parametrize("media_type", [CSV, JSON_LINES])
def test_answers_equal_the_slow_path(media_type: str, array: Any) -> None:
    assert content.encode(array, media_type) == content.encode(array.tolist(), media_type)
    assert content.encode({"predictions": array}, media_type) == content.encode(array.tolist(), media_type)


def test_a_masked_array_keeps_its_mask() -> None:
    assert content.encode(np.ma.array([1.5, 2.5], mask=[False, True]), CSV) == b'1.5\n""\n'


@pytest.mark.parametrize("value", [5e-05, 1e-07, 1e16, np.nan, np.inf])
def test_numbers_are_formatted_as_in_python(value: float) -> None:
    assert content.encode(np.array([value]), CSV) == b"%r\n" % value
