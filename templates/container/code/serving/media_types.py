"""Parses the headers Content-Type and Accept (RFC 9110). Ignores case, and parameters except charset, header and q."""

from collections.abc import Sequence
from functools import lru_cache

from serving.errors import NotAcceptable

JSON = "application/json"
CSV = "text/csv"
JSON_LINES = "application/jsonlines"
NPY = "application/x-npy"
RESPONSE_TYPES = (JSON, CSV, JSON_LINES, NPY)


@lru_cache(256)
def parse_content_type(header: str) -> tuple[str, str]:
    """Return media type and charset in lower case: "Text/CSV; charset=UTF-8" is ("text/csv", "utf-8")."""
    return header.partition(";")[0].strip().lower(), read_parameter(header, "charset") or "utf-8"


def read_parameter(header: str, wanted: str) -> str | None:
    """Return the value of a parameter such as charset, in lower case; None if it is absent."""
    for parameter in header.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == wanted:
            return value.strip().strip('"').lower()
    return None


@lru_cache(256)
def choose_response_type(accept: str | None, offers: Sequence[str]) -> str:
    """Choose the offer that Accept prefers; the first if there is no Accept or in case of a tie.

    Raises NotAcceptable if Accept allows none of them.
    """
    ranges = parse_accept(accept or "*/*")
    best = max(offers, key=lambda offer: rank(offer, ranges))
    if rank(best, ranges)[0] == 0:
        raise NotAcceptable(f"None of the types in Accept is available. Set Accept to {' or '.join(offers)}.")
    return best


def parse_accept(header: str) -> list[tuple[str, float]]:
    """Return the media ranges of an Accept header with their q-values, in order. A malformed q counts as 1."""
    ranges = []
    for entry in filter(str.strip, header.lower().split(",")):
        media_range, *parameters = (part.strip() for part in entry.split(";"))
        quality = dict(parameter.replace(" ", "").partition("=")[::2] for parameter in parameters).get("q", "1")
        ranges.append((media_range, float(quality) if quality.replace(".", "", 1).isdecimal() else 1.0))
    return ranges


def rank(offer: str, ranges: list[tuple[str, float]]) -> tuple[float, int, int]:
    """Rank an offer by Accept: by q-value, then by how specific the matching range is, then by its position."""
    name = offer.partition(";")[0]
    patterns = ("*/*", name.partition("/")[0] + "/*", name)
    matches = [
        (patterns.index(media_range), -position, quality)
        for position, (media_range, quality) in enumerate(ranges)
        if media_range in patterns
    ]
    exactness, earliness, quality = max(matches, default=(0, 0, 0.0))
    return quality, exactness, earliness
