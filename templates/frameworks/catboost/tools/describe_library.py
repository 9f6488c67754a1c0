"""What describe_model.py needs to know of CatBoost: a model is read and predicts as in code/model_handler.py."""

from __future__ import annotations  # for Python 3.8

import math
import tempfile
from pathlib import Path
from typing import Any

from catboost import CatBoost, CatBoostClassifier, CatBoostRegressor
from describe_rows import Problem

FRAMES = False  # predict() gets the rows as lists of JSON's values


def read(path: Path) -> Any:
    """The model in a file: as a classifier if it has classes, or else as a regressor."""
    model = CatBoost().load_model(str(path))
    return (CatBoostClassifier if len(model.classes_) else CatBoostRegressor)().load_model(str(path))


READERS = {".cbm": read}


def unwrap(model: Any) -> Any:
    """The model as it is read from its file, in which the class is not saved."""
    if not isinstance(model, CatBoost):
        raise Problem(
            f"this project serves a model of CatBoost, and no {type(model).__name__}: see --framework=sklearn"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.cbm"
        model.save_model(str(path))
        return read(path)


def find_names(model: Any) -> list[str]:
    """The columns that the model knows by name."""
    names = list(model.feature_names_)
    return [] if names == [str(number) for number in range(len(names))] else names


def takes_columns(model: Any, frame: Any) -> bool:
    """Whether requests are by column."""
    return bool(find_names(model))


def predict(model: Any, rows: list[list[Any]]) -> dict[str, Any]:
    """What the model answers: values or labels, and probabilities of a classifier's."""
    texts = {*model.get_cat_feature_indices(), *model.get_text_feature_indices()}
    rows = [[to_text(value) if at in texts else to_number(value) for at, value in enumerate(row)] for row in rows]
    predictions = model.predict(rows)
    if predictions.shape[1:] == (1,):  # of more than two classes
        predictions = predictions.ravel()
    if not isinstance(model, CatBoostClassifier):
        return {"predictions": predictions}
    return {"predictions": predictions, "probabilities": model.predict_proba(rows)}


def to_text(value: Any) -> Any:
    """A category or a text: the number 1 and the string "1" are the same category."""
    return str(int(value)) if isinstance(value, (int, float)) and float(value).is_integer() else value


def to_number(value: Any) -> float:
    """The value of a numeric feature; a missing value is NaN."""
    return math.nan if value is None else float(value)
