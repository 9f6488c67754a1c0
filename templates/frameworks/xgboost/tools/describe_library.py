"""XGBoost for describe_model.py. The booster predicts as in code/model_handler.py."""

from __future__ import annotations  # for Python 3.8

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost as xgb
from describe_rows import FROM_TRAINING, Problem

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = True  # predict() gets a DataFrame if the columns have names, not lists of JSON values


def read(path: Path) -> Any:
    """Load a booster from XGBoost's own format."""
    booster = xgb.Booster()
    booster.load_model(str(path))
    return booster


READERS = {".json": read, ".ubj": read}


def unwrap(model: Any) -> Any:
    """Return the booster; if the model is a scikit-learn wrapper, its booster."""
    booster = model.get_booster() if hasattr(model, "get_booster") else model
    if not isinstance(booster, xgb.Booster):
        raise Problem(
            f"this project serves XGBoost boosters, not a {type(model).__name__}; for this model, generate a project "
            "with --framework=sklearn"
        )
    return booster


def find_names(model: Any) -> list[str]:
    """Return the names of the columns; empty if the model was trained without names."""
    return list(model.feature_names or [])


def takes_columns(model: Any, frame: Any) -> bool:
    """Return whether requests name their columns."""
    return bool(find_names(model))


def prepare(model: Any, frame: Any) -> Any:
    """Convert categorical columns to pandas' type. Since XGBoost 3.1, the booster stores the categories' order."""
    kinds = zip(find_names(model), model.feature_types or ())  # noqa: B905
    plain = [name for name, kind in kinds if kind == "c" and not hasattr(frame[name], "cat")]
    if plain and not hasattr(model, "get_categories"):
        raise Problem(FROM_TRAINING)
    return frame.astype(dict.fromkeys(plain, "category"))


def predict(model: Any, rows: Any) -> dict[str, Any]:
    """Return the predictions of the best rounds of early stopping, and class probabilities if there are any."""
    if hasattr(rows, "columns"):
        matrix = xgb.DMatrix(rows, enable_categorical=True)
    else:
        matrix = xgb.DMatrix(np.array(rows, dtype=np.float64))
    learner = json.loads(model.save_config())["learner"]
    objective = learner["objective"]["name"]
    best = model.attr("best_iteration") if learner["gradient_booster"]["name"] != "gblinear" else None
    rounds: dict[str, Any] = {"iteration_range": (0, int(best) + 1)} if best else {}  # XGBoost 1.3 lacks it
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
