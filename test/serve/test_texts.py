"""serving/texts.py: texts and the parameters of their requests."""

from collections.abc import Iterator
from typing import Any

import pytest

from serving.errors import BadRequest
from serving.request import CURRENT, Request
from serving.texts import FLAG, cut_at, form_slices, from_csv, number, one_or_more, read_parameters, to_texts, whole

TAKES = {"flag": FLAG, "count": whole(10), "part": number(1), "stop": one_or_more(2)}


@pytest.fixture
def parameters() -> Iterator[dict[str, Any]]:
    """The parameters of the current request."""
    request = Request(b"")
    token = CURRENT.set(request)
    yield request.parameters
    CURRENT.reset(token)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "no records"),
        ({"text": ["a"]}, "Expected one string per record"),
        (["a", 1], "got something else in record 2"),
        ([["a"]], "got something else in record 1"),
        ([None], "got something else in record 1"),
        (["a", " \n"], "The text of record 2 is empty"),
    ],
)
def test_records_that_are_not_text_are_refused(records: Any, message: str) -> None:
    assert to_texts(["a", "b"]) == ["a", "b"]
    with pytest.raises(BadRequest, match=message):
        to_texts(records)


def test_csv_has_one_text_per_line_and_numbers_are_text() -> None:
    body = 'good\r\n"bad, really"\n\n7\nnan\n"two\nlines, and a ""quote"""\n'
    assert from_csv(body.encode(), "utf-8") == (["good", "bad, really", "7", "nan", 'two\nlines, and a "quote"'], {})
    with pytest.raises(BadRequest, match="Line 2 has 2 fields: put text that contains a comma in quotes"):
        from_csv(b"good\nbad, really\n", "utf-8")
    with pytest.raises(BadRequest, match="not CSV"):
        from_csv(b"x" * 200_000, "utf-8")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"other": 1}, "no parameter 'other'. The parameters are flag, count, part, stop"),
        ({"flag": 1}, "flag is not true or false"),
        ({"count": True}, "count is not a whole number from 1 to 10"),
        ({"count": 1.0}, "whole number"),
        ({"count": 11}, "whole number"),
        ({"part": 0}, "part is not a number above 0, up to 1"),
        ({"part": "1"}, "number above 0"),
        ({"stop": ["a", "b", "c"]}, "stop is not a string, or a list of up to 2"),
        ({"stop": ""}, "a string, or a list"),
        ({"stop": [1]}, "a string, or a list"),
    ],
)
def test_unknown_parameters_and_values_are_refused(given: Any, message: str, parameters: dict[str, Any]) -> None:
    parameters.update(given)
    with pytest.raises(BadRequest, match=message):
        read_parameters(TAKES)


def test_null_parameters_are_dropped(parameters: dict[str, Any]) -> None:
    good = {"flag": False, "count": 10, "part": 0.5, "stop": "a"}
    parameters.update(good)
    assert read_parameters(TAKES) == good
    parameters.update(part=1, stop=["a", "b"], count=None)
    assert read_parameters(TAKES) == {"flag": False, "part": 1, "stop": ["a", "b"]}


def test_slices_have_texts_of_similar_length_and_a_limited_number_of_tokens() -> None:
    assert list(form_slices([5, 1, 9, 2, 30, 2], 12)) == [[1, 3, 5], [0], [2], [4]]
    assert list(form_slices([], 12)) == []


def test_a_text_is_cut_at_the_first_stop() -> None:
    assert cut_at("one. two; three", [";", "."]) == "one"
    assert cut_at("one", ["."]) == cut_at("one", []) == "one"
