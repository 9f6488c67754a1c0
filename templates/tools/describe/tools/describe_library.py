"""What describe_model.py needs to know of scikit-learn, and of what predicts like it: as code/model_handler.py does."""

from __future__ import annotations  # for Python 3.8

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
from describe_rows import Problem

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = True  # predict() gets a DataFrame where the rows have names, and not their JSON


def read_skops(path: Path) -> Any:
    """The model of a skops file, with whatever types it holds: the file is the user's own."""
    skops = importlib.import_module("skops.io")
    return skops.load(path, trusted=skops.get_untrusted_types(file=path))


READERS = {".skops": read_skops}


def unwrap(model: Any) -> Any:
    """The model as it is served."""
    if not hasattr(model, "predict") and not hasattr(model, "transform"):
        raise Problem(f"a {type(model).__name__} is no model: it has neither predict() nor transform()")
    return model


def find_names(model: Any) -> list[str]:
    """The columns that the model knows by name."""
    return [str(name) for name in getattr(model, "feature_names_in_", ())]


def takes_columns(model: Any, frame: Any) -> bool:
    """Whether requests are by column. A model without names that predicts arrays gets arrays: they need no pandas."""
    if find_names(model):
        return True
    if takes_texts(model):
        return False
    try:
        run(model, to_array(frame.iloc[:2].values))
    except Exception:
        return True
    return False


def takes_texts(model: Any) -> bool:
    """Whether it is a vectorizer of texts, or a pipeline that begins with one."""
    model = getattr(model, "best_estimator_", model)
    steps = getattr(model, "steps", None)
    return takes_texts(steps[0][1]) if steps else hasattr(model, "build_analyzer")


def to_array(rows: Any) -> Any:
    """Rows of numbers as an array; a missing value is NaN."""
    return np.array(rows, dtype=np.float64)


def run(model: Any, rows: Any) -> Any:
    """Predictions; of a model that cannot predict what it makes of the rows."""
    return model.predict(rows) if hasattr(model, "predict") else model.transform(rows)


def predict(model: Any, rows: Any) -> dict[str, Any]:
    """What the model answers for a DataFrame or lists."""
    if not hasattr(rows, "columns"):
        texts = [row[0] if isinstance(row, list) else row for row in rows]
        rows = texts if takes_texts(model) else to_array(rows)
    answers = {"predictions": run(model, rows)}
    if hasattr(model, "predict_proba"):
        answers["probabilities"] = model.predict_proba(rows)
    return answers
