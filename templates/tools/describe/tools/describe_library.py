"""What describe_model.py needs to know of scikit-learn, and of what predicts like it: as code/model_handler.py does."""

from __future__ import annotations  # for Python 3.8

import importlib
import re
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
    """The columns that the model knows by name. CatBoost and LightGBM number those without."""
    known = (getattr(model, each, None) for each in ("feature_names_in_", "feature_names_", "feature_name_"))
    names = [str(name) for name in next((each for each in known if each is not None), ())]
    numbers = range(len(names))
    return [] if names in ([str(at) for at in numbers], [f"Column_{at}" for at in numbers]) else names


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


def prepare(model: Any, frame: Any) -> Any:
    """Columns of categories that a booster of LightGBM or XGBoost knows as such, which csv does not tell."""
    known: dict[str, Any] = {}
    if hasattr(model, "booster_"):
        booster = model.booster_
        found = re.search(r"^\[categorical_feature: ([\d,]+)\]$", booster.model_to_string(1), re.MULTILINE)
        names = [frame.columns[int(at)] for at in found[1].split(",")] if found else ()
        known = {name: list(kinds) for name, kinds in zip(names, booster.pandas_categorical or ())}  # noqa: B905
    elif hasattr(model, "get_booster") and hasattr(model.get_booster(), "get_categories"):
        kinds = zip(model.get_booster().feature_names or (), model.get_booster().feature_types or ())  # noqa: B905
        known = {name: None for name, kind in kinds if kind == "c"}
    plain = [name for name in known if name in frame.columns and not hasattr(frame[name], "cat")]
    kind = importlib.import_module("pandas").CategoricalDtype
    return frame.astype({name: kind(known[name]) for name in plain})


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
