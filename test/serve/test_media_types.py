"""serving/media_types.py: Content-Type and Accept."""

import pytest

from serving import content
from serving.errors import NotAcceptable
from serving.media_types import CSV, JSON, JSON_LINES, NPY, RESPONSE_TYPES, choose_response_type


def test_every_answer_type_has_an_encoder() -> None:
    assert tuple(content.ENCODERS) == RESPONSE_TYPES


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV; charset=utf-8", CSV),
        ("text/*", CSV),
        ("text/html, text/csv;q=0.2, application/json;q=0.1", CSV),
        ("text/csv;q=0.1, application/json", JSON),
        ("text/csv, application/json", CSV),
        ("application/json, text/csv", JSON),
        ("text/csv, */*", CSV),
        ("*/*, application/json;q=0", CSV),
        ("*/*;q=0.1, image/png", JSON),
        ("text/csv; q = 0.5, application/json; q=0.4", CSV),
        ("text/csv;q=much", CSV),
        ("application/x-npy, application/jsonlines;q=0.9", NPY),
        ("application/jsonlines", JSON_LINES),
        ("application/json;q=0.1, */*;q=0.5", CSV),
    ],
)
def test_the_answer_has_the_type_that_accept_prefers(accept: str | None, media_type: str) -> None:
    assert choose_response_type(accept, RESPONSE_TYPES) == media_type


def test_the_default_type_is_used_if_accept_allows_any() -> None:
    assert choose_response_type(None, (CSV, JSON)) == CSV
    assert choose_response_type("application/json", (CSV, JSON)) == JSON


@pytest.mark.parametrize("accept", ["image/png", "application/json;q=0", "*/*;q=0", "application/xml, text/html"])
def test_an_unsupported_accept_is_not_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        choose_response_type(accept, RESPONSE_TYPES)


def test_a_handler_with_its_own_type_answers_only_in_that() -> None:
    assert choose_response_type("text/*", ("text/html; charset=utf-8",)) == "text/html; charset=utf-8"
    with pytest.raises(NotAcceptable, match="text/html"):
        choose_response_type("application/json", ("text/html",))
