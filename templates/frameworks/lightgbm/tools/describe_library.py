"""What describe_model.py needs to know of LightGBM: the booster predicts as in code/model_handler.py."""

from __future__ import annotations  # for Python 3.8

import math
import re
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np
from describe_rows import Problem

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = False  # predict() gets the rows as lists of JSON's values


def read(path: Path) -> Any:
    """The booster in a file of LightGBM's own."""
    return lgb.Booster(model_file=str(path))


READERS = {".txt": read}


def unwrap(model: Any) -> Any:
    """The booster as it is saved, of a model of the scikit-learn interface too: early stopping's best rounds only."""
    booster = model.booster_ if hasattr(model, "booster_") else model
    if not isinstance(booster, lgb.Booster):
        raise Problem(
            f"this project serves a booster of LightGBM, and no {type(model).__name__}: see --framework=sklearn"
        )
    return lgb.Booster(model_str=booster.model_to_string())


def find_names(model: Any) -> list[str]:
    """The columns that the model knows by name."""
    names = list(model.feature_name())
    return [] if names == [f"Column_{number}" for number in range(len(names))] else names


def takes_columns(model: Any, frame: Any) -> bool:
    """Whether requests are by column."""
    return bool(find_names(model))


def rename(frame: Any) -> Any:
    """Names as LightGBM saves them, without spaces."""
    return frame.rename(columns=lambda name: name.replace(" ", "_"))


def predict(model: Any, rows: list[list[Any]]) -> dict[str, Any]:
    """What the booster answers, and probabilities of a classifier's."""
    found = re.search(r"^\[categorical_feature: ([\d,]+)\]$", model.model_to_string(num_iteration=1), re.MULTILINE)
    columns = map(int, found[1].split(",")) if found and model.pandas_categorical else ()
    for column, categories in zip(columns, model.pandas_categorical or ()):  # noqa: B905
        codes = {value: float(at) for at, value in enumerate(categories)}
        rows = [[*row[:column], codes.get(row[column], math.nan), *row[column + 1 :]] for row in rows]
    predictions = model.predict(np.array(rows, dtype=np.float64))
    objective = model.dump_model(num_iteration=1).get("objective", "").partition(" ")[0]
    if objective == "binary":
        return {"predictions": predictions, "probabilities": np.column_stack([1 - predictions, predictions])}
    if objective in ("multiclass", "multiclassova"):
        return {"predictions": predictions, "probabilities": predictions}
    return {"predictions": predictions}
