"""serving/content.py: media types in and out."""

import io
import json
import pickle
from typing import Any

import numpy as np
import pytest

from serving import content
from serving.errors import BadRequest, NotAcceptable, UnsupportedMediaType
from serving.media_types import CSV, JSON, JSON_LINES, NPY, RESPONSE_TYPES

RECORD = [1, 2.5, 3]


def decode(body: bytes, content_type: str | None) -> Any:
    """Only the records."""
    return content.decode(body, content_type)[0]


@pytest.mark.parametrize("key", ["instances", "inputs", "features", "input", "data"])
@pytest.mark.parametrize(("value", "records"), [([RECORD, RECORD], [RECORD, RECORD]), (RECORD, [RECORD])])
def test_json_has_one_record_or_many_under_any_of_the_usual_keys(key: str, value: Any, records: Any) -> None:
    assert decode(json.dumps({key: value, "other": 1}).encode(), "application/json") == records


@pytest.mark.parametrize(
    ("value", "records"),
    [
        ([RECORD, RECORD], [RECORD, RECORD]),
        (RECORD, [RECORD]),
        ([{"a": 1}], [{"a": 1}]),
        (["one text", "another"], ["one text", "another"]),
        (["red", 3], [["red", 3]]),
        ([], []),
        ([[]], [[]]),
    ],
)
def test_json_can_be_a_bare_array(value: Any, records: Any) -> None:
    assert decode(json.dumps(value).encode(), "application/json") == records


def test_a_single_string_or_object_is_one_record() -> None:
    assert decode(b'{"inputs": "a text"}', "application/json") == ["a text"]
    assert decode(b'{"instances": {"age": 3}}', "application/json") == [{"age": 3}]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" \n",
        b"{",
        b'{"x": 1}',
        b"5",
        b"null",
        b'"text"',
        b"[NaN]",
        b"\xff",
        b"[" * 100_000,
        b'{"data":1,"input":1}',
    ],
)
def test_invalid_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        content.decode(body, "application/json")


@pytest.mark.parametrize(
    "body",
    [
        b"1,2.5,3\n4,5,6\n",
        b"1,2.5,3\n4,5,6",
        b"1,2.5,3\r\n4,5,6\r\n",
        b"1,2.5,3\r4,5,6\r",
        b" 1, 2.5 ,3\n\n4,5,6\n  \n",
        b'"1","2.5","3"\n"4", "5",6\n',
        b"\xef\xbb\xbf1,2.5,3\n4,5,6\n",
    ],
)
def test_csv_is_read_in_all_its_dialects(body: bytes) -> None:
    assert decode(body, "text/csv") == [[1, 2.5, 3], [4, 5, 6]]


def test_csv_keeps_strings_and_missing_values() -> None:
    assert decode(b'a b,"x,y",,1\n', "text/csv") == [["a b", "x,y", None, 1]]


def test_parameters_are_read_next_to_the_records() -> None:
    body = b'{"instances": [[1]], "parameters": {"probabilities": true}}'
    assert content.decode(body, JSON) == ([[1]], {"probabilities": True})
    assert content.decode(b'{"instances": [[1]], "parameters": null}', JSON) == ([[1]], {})
    with pytest.raises(BadRequest, match="parameters"):
        content.decode(b'{"instances": [[1]], "parameters": 5}', JSON)


def test_invalid_csv_is_refused() -> None:
    with pytest.raises(BadRequest):
        content.decode(b'"' + b"a" * 200_000 + b'"', "text/csv")


def test_json_lines_have_one_record_per_line_bare_or_in_an_envelope() -> None:
    assert decode(b'[1, 2]\n{"features": [3, 4]}\r\n\n5\n{"a": 1, "b": 2}', JSON_LINES) == [
        [1, 2],
        [3, 4],
        5,
        {"a": 1, "b": 2},
    ]
    with pytest.raises(BadRequest, match="Line 2 is not JSON"):
        decode(b"[1]\n[2", JSON_LINES)


def to_npy(array: Any, version: tuple[int, int] | None = None, pickled: bool = False) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(array), version, allow_pickle=pickled)
    return stream.getvalue()


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i2", "u1", "?"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_is_an_array_of_records(dtype: str, version: tuple[int, int], order: Any) -> None:
    array = np.array([[1, 0, 1], [0, 1, 0]], dtype, order=order)
    records = decode(to_npy(array, version), NPY)
    assert records.dtype == array.dtype
    assert (records == array).all()


def test_npy_with_one_axis_is_a_single_record() -> None:
    assert decode(to_npy([1.0, 2.0]), NPY).tolist() == [[1.0, 2.0]]


class Bomb:
    """Fails the test if it is unpickled."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("a pickle was loaded",)


GOOD = to_npy(np.ones((2, 3)))


@pytest.mark.parametrize(
    "body",
    [
        to_npy(np.array([Bomb()], dtype=object), pickled=True),
        to_npy(np.array(["text"])),
        to_npy(np.array([1 + 2j])),
        to_npy(np.array(1.0)),
        GOOD[:-1],
        GOOD + b"x",
        GOOD[:20],
        GOOD.replace(b"(2, 3)", b"(2,10**18)"),
        GOOD.replace(b"(2, 3)", b"(-2,-3)"),
        b"\x93NUMPY\x09\x09",
        pickle.dumps([[1.0]]),
    ],
)
def test_npy_without_plain_numbers_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        decode(body, NPY)


@pytest.mark.parametrize(
    "header", [None, "", "APPLICATION/Json", "application/json;charset=utf-8", 'application/json ; Charset="UTF-8"']
)
def test_parameters_and_case_of_the_media_type_do_not_matter(header: str | None) -> None:
    assert decode(b"[[1]]", header) == [[1]]


def test_the_charset_is_respected() -> None:
    assert decode("é".encode("latin-1"), "text/csv; charset=ISO-8859-1") == [["é"]]
    assert decode("1,2".encode("utf-16"), "text/csv; charset=utf-16") == [[1, 2]]


@pytest.mark.parametrize("header", ["text/html", "json", ";", "text/csv; charset=klingon", "text/csv; charset=zlib"])
def test_unknown_types_and_charsets_are_unsupported(header: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        content.decode(b"1", header)


@pytest.mark.parametrize(
    ("outputs", "as_json", "as_csv"),
    [
        (np.array([1.5, 2]), {"predictions": [1.5, 2.0]}, "1.5\n2.0\n"),
        (np.array(["cat", "dog"]), {"predictions": ["cat", "dog"]}, "cat\ndog\n"),
        (np.array(["a,b", 1], dtype=object), {"predictions": ["a,b", 1]}, '"a,b"\n1\n'),
        (np.eye(2)[:, ::-1], {"predictions": [[0, 1], [1, 0]]}, "0.0,1.0\n1.0,0.0\n"),
        ([np.int64(3), None], {"predictions": [3, None]}, '3\n""\n'),
        ({"predictions": [1], "version": 2}, {"predictions": [1], "version": 2}, "1\n"),
    ],
)
def test_outputs_are_encoded_as_json_and_csv(outputs: Any, as_json: Any, as_csv: str) -> None:
    body = content.encode(outputs, JSON)
    assert json.loads(body) == as_json
    assert body.endswith(b"\n")
    assert content.encode(outputs, CSV).decode() == as_csv


@pytest.mark.parametrize("media_type", [JSON_LINES, NPY])
def test_outputs_are_encoded_as_json_lines_and_npy(media_type: str) -> None:
    outputs = np.array([[0.5, 1.5], [2.0, 3.0]])
    assert (np.array(decode(content.encode(outputs, media_type), media_type)) == outputs).all()


@pytest.mark.parametrize(
    ("outputs", "media_type"),
    [([{"a": 1}], NPY), ([[1], [1, 2]], NPY), *(({"a": 1}, each) for each in RESPONSE_TYPES[1:])],
)
def test_outputs_that_a_type_cannot_represent_are_not_acceptable(outputs: Any, media_type: str) -> None:
    with pytest.raises(NotAcceptable, match="Set Accept to application/json"):
        content.encode(outputs, media_type)


def test_nan_is_null_in_json() -> None:
    assert json.loads(content.encode(np.array([np.nan, np.inf]), JSON)) == {"predictions": [None, None]}


def test_named_inputs_are_one_request_and_any_other_object_is_one_record() -> None:
    named = {"a": [[1], [2]], "b": ["x", "y"]}
    assert content.decode(json.dumps({"inputs": named}).encode(), None)[0] == named
    assert content.decode(json.dumps({"instances": named}).encode(), None)[0] == [named]


def test_a_handler_can_add_content_types() -> None:
    def from_words(body: bytes, charset: str) -> tuple[list[str], dict[str, object]]:
        return body.decode(charset).split(), {}

    others = {"text/words": from_words}
    assert content.decode(b"one two", "Text/Words; charset=utf-8", others)[0] == ["one", "two"]
    with pytest.raises(UnsupportedMediaType, match=r"Send .* or text/words"):
        content.decode(b"one two", "text/other", others)


def test_objects_of_plain_values_are_csv_lines() -> None:
    outputs = [{"label": "good, really", "score": np.float32(0.5)}, {"label": "bad", "score": 1}]
    assert content.encode(outputs, CSV) == b'"good, really",0.5\nbad,1\n'


@pytest.mark.parametrize("prediction", [{"place": [1, 2]}, {"place": np.zeros(2)}, {"a": {"b": 1}}, [{"label": "bad"}]])
def test_nested_predictions_cannot_be_csv(prediction: Any) -> None:
    with pytest.raises(NotAcceptable, match="are objects"):
        content.encode([prediction], CSV)


def test_column_names_are_refused_if_the_model_has_none() -> None:
    with pytest.raises(BadRequest, match="has no column names"):
        decode(b'{"columns": ["b", "a"], "instances": [[1, 2]]}', JSON)


def test_csv_can_have_a_header() -> None:
    assert decode(b"a,b\n1,2\n", "text/csv; header=present") == [[1, 2]]
    assert decode(b"a,b\n1,2\n", CSV) == [["a", "b"], [1, 2]]
