"""The categories of pandas that a booster was trained with: it takes a value as its position among them."""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

Categories = Mapping[str, Sequence[Any]]  # by column


def of_lightgbm(booster: Any) -> Categories:
    """Those of a lightgbm.Booster."""
    positions = re.search(
        r"^\[categorical_feature: ([\d,]+)\]$", booster.model_to_string(num_iteration=1), re.MULTILINE
    )
    if not positions or not booster.pandas_categorical:
        return {}
    names = booster.feature_name()
    columns = [names[int(position)] for position in positions[1].split(",")]
    return dict(zip(columns, booster.pandas_categorical, strict=False))


def of_xgboost(booster: Any) -> Categories:
    """Those of an xgboost.Booster, which keeps them since XGBoost 3.1. Its own function for this needs pyarrow."""
    if not hasattr(booster, "get_categories") or "c" not in (booster.feature_types or ()):
        return {}
    learner = json.loads(bytes(booster[:1].save_raw("json")))["learner"]
    columns = learner["gradient_booster"]["model"]["cats"]["enc"]
    return {name: read(each) for name, each in zip(booster.feature_names, columns, strict=False) if each["values"]}


def read(encoded: Mapping[str, Any]) -> list[Any]:
    """The categories of a column: numbers, or texts as their bytes and where each begins."""
    values, offsets = encoded["values"], encoded.get("offsets")
    if offsets is None:
        return list(values)
    data = bytes(value & 255 for value in values)
    return [data[start:end].decode() for start, end in pairwise(offsets)]
