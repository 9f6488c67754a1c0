"""What describe_model.py needs to know of XGBoost: the booster predicts as in code/model_handler.py."""

from __future__ import annotations  # for Python 3.8

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost as xgb
from describe_rows import Problem

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = False  # predict() gets the rows as lists of JSON's values


def read(path: Path) -> Any:
    """The booster in a file of XGBoost's own."""
    booster = xgb.Booster()
    booster.load_model(str(path))
    return booster


READERS = {".json": read, ".ubj": read}


def unwrap(model: Any) -> Any:
    """The booster, of a model of the scikit-learn interface too."""
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    if not isinstance(booster, xgb.Booster):
        raise Problem(
            f"this project serves a booster of XGBoost, and no {type(model).__name__}: see --framework=sklearn"
        )
    return booster


def find_names(model: Any) -> list[str]:
    """The columns that the model knows by name."""
    return list(model.feature_names or [])


def takes_columns(model: Any, frame: Any) -> bool:
    """Whether requests are by column."""
    return bool(find_names(model))


def prepare(frame: Any) -> Any:
    """Categories of pandas as their positions, which are what the booster knows."""
    for name in frame.columns:
        if hasattr(frame[name], "cat"):
            codes = frame[name].cat.codes
            frame = frame.assign(**{name: codes.where(codes >= 0)})
    return frame


def predict(model: Any, rows: list[list[Any]]) -> dict[str, Any]:
    """What the booster answers: early stopping's best rounds, and probabilities where the objective has them."""
    array = np.array(rows, dtype=np.float64)
    learner = json.loads(model.save_config())["learner"]
    objective = learner["objective"]["name"]
    in_place = learner["gradient_booster"]["name"] != "gblinear"
    best = model.attr("best_iteration") if in_place else None
    rounds = (0, int(best) + 1) if best else (0, 0)

    def run(margin: bool = False) -> Any:
        if not in_place:
            return model.predict(xgb.DMatrix(array, feature_names=model.feature_names), output_margin=margin)
        return model.inplace_predict(array, iteration_range=rounds, predict_type="margin" if margin else "value")

    predictions = run()
    if objective == "binary:logistic":
        return {"predictions": predictions, "probabilities": np.column_stack([1 - predictions, predictions])}
    if objective == "multi:softprob":
        return {"predictions": predictions, "probabilities": predictions}
    if objective != "multi:softmax":
        return {"predictions": predictions}
    margins = run(margin=True)
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return {"predictions": predictions, "probabilities": powers / powers.sum(axis=1, keepdims=True)}
