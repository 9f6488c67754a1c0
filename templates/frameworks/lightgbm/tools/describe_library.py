"""LightGBM for describe_model.py. The booster predicts as in code/model_handler.py."""

from __future__ import annotations  # for Python 3.8

import importlib
import re
from typing import TYPE_CHECKING, Any

import lightgbm as lgb
import numpy as np
from describe_rows import FROM_TRAINING, Problem

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = True  # predict() gets a DataFrame if the columns have names, not lists of JSON values


def read(path: Path) -> Any:
    """Load a booster from LightGBM's own format."""
    return lgb.Booster(model_file=str(path))


READERS = {".txt": read}


def unwrap(model: Any) -> Any:
    """Return the booster, also of a scikit-learn wrapper, as saved: only the best rounds of early stopping."""
    booster = model.booster_ if hasattr(model, "booster_") else model
    if not isinstance(booster, lgb.Booster):
        raise Problem(f"this project serves LightGBM boosters, not a {type(model).__name__}: see --framework=sklearn")
    return lgb.Booster(model_str=booster.model_to_string())


def find_names(model: Any) -> list[str]:
    """Return the names of the columns; empty if the model was trained without names."""
    names = list(model.feature_name())
    return [] if names == [f"Column_{number}" for number in range(len(names))] else names


def takes_columns(model: Any, frame: Any) -> bool:
    """Return whether requests name their columns."""
    return bool(find_names(model))


def prepare(model: Any, frame: Any) -> Any:
    """Make the columns of categories categorical, which CSV cannot express."""
    lists = model.pandas_categorical or ()
    if not lists or any(hasattr(frame[name], "cat") for name in frame.columns):
        return frame
    found = re.search(r"^\[categorical_feature: ([\d,]+)\]$", model.model_to_string(num_iteration=1), re.MULTILINE)
    names = [frame.columns[int(at)] for at in found[1].split(",")] if found else []
    if len(names) != len(lists):
        raise Problem(FROM_TRAINING)
    kind = importlib.import_module("pandas").CategoricalDtype
    return frame.astype(dict(zip(names, map(kind, lists))))  # noqa: B905


def predict(model: Any, rows: Any) -> dict[str, Any]:
    """Return the predictions, and the class probabilities of a classifier."""
    predictions = model.predict(rows if hasattr(rows, "columns") else np.array(rows, dtype=np.float64))
    objective = model.dump_model(num_iteration=1).get("objective", "").partition(" ")[0]
    if objective == "binary":
        return {"predictions": predictions, "probabilities": np.column_stack([1 - predictions, predictions])}
    if objective in ("multiclass", "multiclassova"):
        return {"predictions": predictions, "probabilities": predictions}
    return {"predictions": predictions}
