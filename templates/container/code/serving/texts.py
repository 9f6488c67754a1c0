"""For models that take texts: the records and the parameters of a request checked, and CSV with one text a line."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from serving.content import Parameters, Records, decode_text
from serving.errors import BadRequest
from serving.request import current


def to_texts(records: Records) -> list[str]:
    """The texts of one request. Raises BadRequest for records that are no texts, for empty ones, and for none."""
    if not isinstance(records, list):
        raise BadRequest("Expected one text a record.")
    if not records:
        raise BadRequest("The request has no records.")
    for number, text in enumerate(records, 1):
        if not isinstance(text, str):
            raise BadRequest(f"Expected one text a record, got something else in record {number}.")
        if not text.strip():
            raise BadRequest(f"The text of record {number} is empty.")
    return records


def from_csv(body: bytes, charset: str) -> tuple[Records, Parameters]:
    """One text a line, no header; one with a comma, a quote or a line end in it is in quotes. A number is a text."""
    rows = csv.reader(io.StringIO(decode_text(body, charset), newline=None), skipinitialspace=True)
    texts: list[str] = []
    try:
        for row in rows:
            if len(row) > 1:
                raise BadRequest(f"Line {rows.line_num} has {len(row)} fields: put a text with a comma in quotes.")
            texts += row
    except csv.Error as error:
        raise BadRequest(f"The body is not CSV: {error} (line {rows.line_num}).") from None
    return texts, {}


class Values(NamedTuple):
    """What a parameter may be: in words, for the client, and as a check."""

    words: str
    fit: Callable[[Any], bool]


FLAG = Values("true or false", lambda value: isinstance(value, bool))


def whole(most: int) -> Values:
    """Whole numbers from 1."""
    return Values(f"a whole number from 1 to {most}", lambda value: type(value) is int and 1 <= value <= most)


def number(most: float) -> Values:
    """Numbers above 0."""
    return Values(f"a number above 0, up to {most}", lambda value: type(value) in (int, float) and 0 < value <= most)


def one_or_more(most: int) -> Values:
    """A text, or a list of them."""

    def fit(value: Any) -> bool:
        texts = [value] if isinstance(value, str) else value
        return isinstance(texts, list) and len(texts) <= most and all(isinstance(text, str) and text for text in texts)

    return Values(f"a text, or a list of up to {most}", fit)


def read_parameters(takes: Mapping[str, Values]) -> Parameters:
    """The parameters of the request, without those that are null. Raises BadRequest for what is not in `takes`."""
    given = {name: value for name, value in current().parameters.items() if value is not None}
    for name, value in given.items():
        if name not in takes:
            raise BadRequest(f"There is no parameter {name[:40]!r}. There are {', '.join(takes)}.")
        if not takes[name].fit(value):
            raise BadRequest(f"The parameter {name} is not {takes[name].words}.")
    return given


def form_slices(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """The positions of texts that go through a model together: of like lengths, and `most` tokens, padding included."""
    positions: list[int] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        if positions and (len(positions) + 1) * lengths[position] > most:
            yield positions
            positions = []
        positions.append(position)
    if positions:
        yield positions


def cut_at(text: str, stops: Sequence[str]) -> str:
    """The text up to the first of these in it."""
    return min((text.partition(stop)[0] for stop in stops), key=len, default=text)
