"""The pandas categories of a booster's training data. The booster represents a value by its position in the list."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise
from typing import Any

Categories = Mapping[str, Sequence[Any]]  # by column


class UnknownCategoriesError(Exception):
    """A booster has categories, but they, or their columns, cannot be read from it."""


def read_lightgbm(booster: Any) -> Categories:
    """Return the categories of a lightgbm.Booster, which lists them per categorical column without naming the columns.

    Only unordered categories, and integer columns declared categorical in training, are listed as categorical features.
    Raises UnknownCategoriesError unless exactly one choice of columns fits.
    """
    lists = booster.pandas_categorical or []
    text = booster.model_to_string(num_iteration=1)
    found = re.search(r"^\[categorical_feature: ([\d,]+)\]$", text, re.MULTILINE)
    places = [int(place) for place in found[1].split(",")] if found else []
    values = re.findall(r"^feature_infos=(.*)$", text, re.MULTILINE)[0].split(" ")
    pairs = zip(places, lists, strict=False)
    likely = len(places) == len(lists) and all(fits(values[place], each, split=True) for place, each in pairs)
    chosen = [places] if likely else list(islice(choose(values, lists, {*places}), 2))
    if len(chosen) != 1:
        raise UnknownCategoriesError
    return {booster.feature_name()[place]: each for place, each in zip(chosen[0], lists, strict=True)}


def choose(values: Sequence[str], lists: Sequence[Any], split: set[int], start: int = 0) -> Iterator[list[int]]:
    """Yield the column positions that the lists could have, in order."""
    if not lists:
        yield []
        return
    for place in range(start, len(values) - len(lists) + 1):
        if fits(values[place], lists[0], place in split):
            yield from ([place, *rest] for rest in choose(values, lists[1:], split, place + 1))


def fits(values: str, categories: Sequence[Any], split: bool) -> bool:
    """Return whether the values of a column, such as 0:2:1 or the range [0:2], can be positions in the categories."""
    numbers = [float(each) for each in re.findall(r"-?[\d.]+(?:e[+-]?\d+)?", values)]
    positions = all(-1 <= number < len(categories) and number.is_integer() for number in numbers)
    return positions and (split or numbers == [0, len(categories) - 1])


def read_xgboost(booster: Any) -> Categories:
    """Return the categories of an xgboost.Booster, stored since XGBoost 3.1. XGBoost's own function needs pyarrow.

    Raises UnknownCategoriesError if they are not stored.
    """
    names, types = booster.feature_names or (), booster.feature_types or ()
    columns = [name for name, kind in zip(names, types, strict=False) if kind == "c"]
    if not columns:
        return {}
    raw = bytes(booster.save_raw("json"))
    start = raw.find(b'{"enc":[')
    encoded = json.JSONDecoder().raw_decode(raw[start:].decode())[0]["enc"] if start >= 0 else ()
    known = {name: decode(each) for name, each in zip(names, encoded, strict=False) if each["values"]}
    if not known.keys() >= {*columns}:
        raise UnknownCategoriesError
    return known


def decode(encoded: Mapping[str, Any]) -> list[Any]:
    """Decode the categories of a column: numbers, or strings stored as bytes and offsets."""
    values, offsets = encoded["values"], encoded.get("offsets")
    if offsets is None:
        return list(values)
    data = bytes(value & 255 for value in values)
    return [data[start:end].decode() for start, end in pairwise(offsets)]
