"""CatBoost for describe_model.py. The model is loaded and predicts as in code/model_handler.py."""

from __future__ import annotations  # for Python 3.8

import math
import tempfile
from pathlib import Path
from typing import Any

from catboost import CatBoost, CatBoostClassifier, CatBoostRegressor
from describe_rows import Problem

FRAMES = False  # predict() gets the rows as lists of JSON values


def read(path: Path) -> Any:
    """Load the model: as a classifier if it has classes, otherwise as a regressor."""
    model = CatBoost().load_model(str(path))
    return (CatBoostClassifier if len(model.classes_) else CatBoostRegressor)().load_model(str(path))


READERS = {".cbm": read}


def unwrap(model: Any) -> Any:
    """Return the model as loaded from its file, which does not record the class."""
    if not isinstance(model, CatBoost):
        raise Problem(f"this project serves CatBoost models, not a {type(model).__name__}: see --framework=sklearn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.cbm"
        model.save_model(str(path))
        return read(path)


def find_names(model: Any) -> list[str]:
    """Return the names of the columns; empty if the model was trained without names."""
    names = list(model.feature_names_)
    return [] if names == [str(number) for number in range(len(names))] else names


def takes_columns(model: Any, frame: Any) -> bool:
    """Return whether requests name their columns."""
    return bool(find_names(model))


def predict(model: Any, rows: list[list[Any]]) -> dict[str, Any]:
    """Return the predictions, and the class probabilities of a classifier."""
    texts = {*model.get_cat_feature_indices(), *model.get_text_feature_indices()}
    rows = [[to_text(value) if at in texts else to_number(value) for at, value in enumerate(row)] for row in rows]
    predictions = model.predict(rows)
    if predictions.shape[1:] == (1,):  # for more than two classes
        predictions = predictions.ravel()
    if not isinstance(model, CatBoostClassifier):
        return {"predictions": predictions}
    return {"predictions": predictions, "probabilities": model.predict_proba(rows)}


def to_text(value: Any) -> Any:
    """Return a category or a text: the number 1 and the string "1" are the same category."""
    return str(int(value)) if isinstance(value, (int, float)) and float(value).is_integer() else value


def to_number(value: Any) -> float:
    """Return the value of a numeric feature; NaN if it is missing."""
    return math.nan if value is None else float(value)
