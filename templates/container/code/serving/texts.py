"""For models that take text: checks records and parameters, and reads CSV with one text per line."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from serving.content import Parameters, Records, decode_text
from serving.errors import BadRequest
from serving.request import current


def to_texts(records: Records) -> list[str]:
    """Check the texts of one request. Raises BadRequest if there are none, or one is empty or not a string."""
    if not isinstance(records, list):
        raise BadRequest("Expected one string per record.")
    if not records:
        raise BadRequest("The request has no records.")
    for number, text in enumerate(records, 1):
        if not isinstance(text, str):
            raise BadRequest(f"Expected one string per record, got something else in record {number}.")
        if not text.strip():
            raise BadRequest(f"The text of record {number} is empty.")
    return records


def from_csv(body: bytes, charset: str) -> tuple[Records, Parameters]:
    """Decode one text per line, without a header. Texts with a comma, quote or newline are quoted; numbers are text."""
    rows = csv.reader(io.StringIO(decode_text(body, charset), newline=None), skipinitialspace=True)
    texts: list[str] = []
    try:
        for row in rows:
            if len(row) > 1:
                raise BadRequest(
                    f"Line {rows.line_num} has {len(row)} fields: put text that contains a comma in quotes."
                )
            texts += row
    except csv.Error as error:
        raise BadRequest(f"The body is not CSV: {error} (line {rows.line_num}).") from None
    return texts, {}


class Values(NamedTuple):
    """The allowed values of a parameter: a description for the client, and a check."""

    description: str
    fits: Callable[[Any], bool]


FLAG = Values("true or false", lambda value: isinstance(value, bool))


def whole(maximum: int) -> Values:
    """Allow whole numbers from 1."""
    return Values(f"a whole number from 1 to {maximum}", lambda value: type(value) is int and 1 <= value <= maximum)


def number(maximum: float) -> Values:
    """Allow numbers above 0."""
    return Values(
        f"a number above 0, up to {maximum}", lambda value: type(value) in (int, float) and 0 < value <= maximum
    )


def one_or_more(maximum: int) -> Values:
    """Allow a string, or a list of strings."""

    def fits(value: Any) -> bool:
        texts = [value] if isinstance(value, str) else value
        return (
            isinstance(texts, list) and len(texts) <= maximum and all(isinstance(text, str) and text for text in texts)
        )

    return Values(f"a string, or a list of up to {maximum}", fits)


def read_parameters(takes: Mapping[str, Values]) -> Parameters:
    """Read the parameters of the request that are not null. Raises BadRequest for names or values not in `takes`."""
    given = {name: value for name, value in current().parameters.items() if value is not None}
    for name, value in given.items():
        if name not in takes:
            raise BadRequest(f"There is no parameter {name[:40]!r}. The parameters are {', '.join(takes)}.")
        if not takes[name].fits(value):
            raise BadRequest(f"The parameter {name} is not {takes[name].description}.")
    return given


def form_slices(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """Group texts, by position, into batches of similar length and up to `max_tokens` tokens, padding included."""
    positions: list[int] = []
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        if positions and (len(positions) + 1) * lengths[position] > max_tokens:
            yield positions
            positions = []
        positions.append(position)
    if positions:
        yield positions


def cut_at(text: str, stops: Sequence[str]) -> str:
    """Cut the text before the first stop that it contains."""
    return min((text.partition(stop)[0] for stop in stops), key=len, default=text)
