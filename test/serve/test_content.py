"""Media types in and out: serving/content.py."""

import json
from typing import Any

import numpy as np
import pytest

from serving import content
from serving.errors import BadRequest, NotAcceptable, UnsupportedMediaType

RECORD = [1, 2.5, 3]


@pytest.mark.parametrize("key", ["instances", "inputs", "features", "input", "data"])
@pytest.mark.parametrize(("value", "records"), [([RECORD, RECORD], [RECORD, RECORD]), (RECORD, [RECORD])])
def test_json_comes_under_any_of_the_usual_keys_one_record_or_many(key: str, value: Any, records: Any) -> None:
    assert content.decode(json.dumps({key: value, "other": 1}).encode(), "application/json") == records


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
def test_json_may_be_a_bare_array(value: Any, records: Any) -> None:
    assert content.decode(json.dumps(value).encode(), "application/json") == records


def test_a_single_text_or_object_is_one_record() -> None:
    assert content.decode(b'{"inputs": "a text"}', "application/json") == ["a text"]
    assert content.decode(b'{"instances": {"age": 3}}', "application/json") == [{"age": 3}]


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
def test_json_that_is_none_is_refused(body: bytes) -> None:
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
def test_csv_is_read_however_it_was_written(body: bytes) -> None:
    assert content.decode(body, "text/csv") == [[1, 2.5, 3], [4, 5, 6]]


def test_csv_keeps_text_and_missing_values() -> None:
    assert content.decode(b'a b,"x,y",,1\n', "text/csv") == [["a b", "x,y", None, 1]]


def test_csv_that_is_none_is_refused() -> None:
    with pytest.raises(BadRequest):
        content.decode(b'"' + b"a" * 200_000 + b'"', "text/csv")


@pytest.mark.parametrize(
    "header", [None, "", "APPLICATION/Json", "application/json;charset=utf-8", 'application/json ; Charset="UTF-8"']
)
def test_parameters_and_case_of_the_media_type_do_not_matter(header: str | None) -> None:
    assert content.decode(b"[[1]]", header) == [[1]]


def test_the_charset_is_honoured() -> None:
    assert content.decode("é".encode("latin-1"), "text/csv; charset=ISO-8859-1") == [["é"]]
    assert content.decode("1,2".encode("utf-16"), "text/csv; charset=utf-16") == [[1, 2]]


@pytest.mark.parametrize("header", ["text/html", "json", ";", "text/csv; charset=klingon", "text/csv; charset=zlib"])
def test_what_cannot_be_read_is_unsupported(header: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        content.decode(b"1", header)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, content.JSON),
        ("", content.JSON),
        ("*/*", content.JSON),
        ("text/csv", content.CSV),
        ("TEXT/CSV; charset=utf-8", content.CSV),
        ("text/*", content.CSV),
        ("text/html, text/csv;q=0.2, application/json;q=0.1", content.CSV),
        ("text/csv;q=0.1, application/json", content.JSON),
        ("text/csv, application/json", content.CSV),
        ("application/json, text/csv", content.JSON),
        ("text/csv, */*", content.CSV),
        ("*/*, application/json;q=0", content.CSV),
        ("*/*;q=0.1, image/png", content.JSON),
        ("text/csv; q = 0.5, application/json; q=0.4", content.CSV),
        ("text/csv;q=much", content.CSV),
    ],
)
def test_the_answer_is_what_accept_likes_best(accept: str | None, media_type: str) -> None:
    assert content.choose_answer(accept, content.JSON) == media_type


def test_the_default_answers_when_the_client_does_not_mind() -> None:
    assert content.choose_answer(None, content.CSV) == content.CSV
    assert content.choose_answer("application/json", content.CSV) == content.JSON


@pytest.mark.parametrize("accept", ["image/png", "application/json;q=0", "*/*;q=0", "application/xml, text/html"])
def test_an_answer_nobody_wants_is_not_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        content.choose_answer(accept, content.JSON)


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
def test_outputs_are_written_as_json_and_as_csv(outputs: Any, as_json: Any, as_csv: str) -> None:
    body = content.encode(outputs, content.JSON)
    assert json.loads(body) == as_json
    assert body.endswith(b"\n")
    assert content.encode(outputs, content.CSV).decode() == as_csv


def test_json_has_null_for_what_is_not_a_number() -> None:
    assert json.loads(content.encode(np.array([np.nan, np.inf]), content.JSON)) == {"predictions": [None, None]}
