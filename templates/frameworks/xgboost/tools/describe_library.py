"""What describe_model.py needs to know of XGBoost: the booster predicts as in code/model_handler.py."""

from __future__ import annotations  # for Python 3.8

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost as xgb
from describe_rows import FROM_TRAINING, Problem

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = True  # predict() gets a DataFrame where the rows have names, and not their JSON


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


def prepare(model: Any, frame: Any) -> Any:
    """Columns of categories as such, which csv does not tell. Since XGBoost 3.1 the booster knows their order."""
    kinds = zip(find_names(model), model.feature_types or ())  # noqa: B905
    plain = [name for name, kind in kinds if kind == "c" and not hasattr(frame[name], "cat")]
    if plain and not hasattr(model, "get_categories"):
        raise Problem(FROM_TRAINING)
    return frame.astype(dict.fromkeys(plain, "category"))


def predict(model: Any, rows: Any) -> dict[str, Any]:
    """What the booster answers: early stopping's best rounds, and probabilities where the objective has them."""
    if hasattr(rows, "columns"):
        matrix = xgb.DMatrix(rows, enable_categorical=True)
    else:
        matrix = xgb.DMatrix(np.array(rows, dtype=np.float64))
    learner = json.loads(model.save_config())["learner"]
    objective = learner["objective"]["name"]
    best = model.attr("best_iteration") if learner["gradient_booster"]["name"] != "gblinear" else None
    rounds: dict[str, Any] = {"iteration_range": (0, int(best) + 1)} if best else {}  # which XGBoost 1.3 lacks
    predictions = model.predict(matrix, **rounds)
    if objective == "binary:logistic":
        return {"predictions": predictions, "probabilities": np.column_stack([1 - predictions, predictions])}
    if objective == "multi:softprob":
        return {"predictions": predictions, "probabilities": predictions}
    if objective != "multi:softmax":
        return {"predictions": predictions}
    margins = model.predict(matrix, output_margin=True, **rounds)
    powers = np.exp(margins - margins.max(axis=1, keepdims=True))
    return {"predictions": predictions, "probabilities": powers / powers.sum(axis=1, keepdims=True)}
