"""scikit-learn, and models with its API, for describe_model.py. They predict as in code/model_handler.py."""

from __future__ import annotations  # for Python 3.8

import importlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from describe_rows import FROM_TRAINING, Problem

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = True  # predict() gets a DataFrame if the columns have names, not lists of JSON values


def read_skops(path: Path) -> Any:
    """Load a skops file and trust all types in it, because it is the user's own file."""
    skops = importlib.import_module("skops.io")
    return skops.load(path, trusted=skops.get_untrusted_types(file=path))


READERS = {".skops": read_skops}


def unwrap(model: Any) -> Any:
    """Return the model unchanged. Raises Problem if it is not a model."""
    if not hasattr(model, "predict") and not hasattr(model, "transform"):
        raise Problem(f"a {type(model).__name__} is not a model: it has neither predict() nor transform()")
    return model


def find_names(model: Any) -> list[str]:
    """Return the names of the columns, if any. CatBoost and LightGBM name unnamed columns by number."""
    known = (getattr(model, each, None) for each in ("feature_names_in_", "feature_names_", "feature_name_"))
    names = [str(name) for name in next((each for each in known if each is not None), ())]
    numbers = range(len(names))
    return [] if names in ([str(at) for at in numbers], [f"Column_{at}" for at in numbers]) else names


def takes_columns(model: Any, frame: Any) -> bool:
    """Return whether requests name their columns. A model without names gets arrays if possible: no pandas needed."""
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
    """Restore what CSV loses: strings such as 01, None, categories."""
    for step, names in walk(model, list(frame.columns)):
        for name, values in zip(names, getattr(step, "categories_", ())):  # noqa: B905
            if name not in frame.columns:  # created by an earlier step
                continue
            known = [value for value in values if value is not None and value == value]
            if known and all(isinstance(value, str) for value in known) and frame[name].dtype.kind in "iufb":
                raise Problem(
                    f"column {name} is a string in the model but a number in the rows: add --type {name}=string"
                )
            if any(value is None for value in values):
                frame[name] = frame[name].astype(object).where(frame[name].notna(), None)
    has_categories = any(hasattr(frame[name], "cat") for name in frame.columns)
    return frame if has_categories else to_categories(model, frame)


def walk(model: Any, names: list[str]) -> Any:
    """Yield the steps of a model with their columns, as far as these are known."""
    yield model, names
    inside = [value for key, value in vars(model).items() if key.endswith("_") and hasattr(value, "fit")]
    steps = getattr(model, "steps", None) or getattr(model, "transformer_list", None) or ()
    for step in [*inside, *(each for _, each in steps if hasattr(each, "fit"))]:
        yield from walk(step, names)
    own = list(getattr(model, "feature_names_in_", names))
    for key, part, _ in getattr(model, "transformers_", ()):
        if hasattr(part, "fit"):
            yield from walk(part, [own[at] for at in model._transformer_to_input_indices.get(key, ())])


def to_categories(model: Any, frame: Any) -> Any:
    """Convert to categorical the columns that are categorical in a LightGBM or XGBoost booster."""
    known: dict[str, Any] = {}
    if hasattr(model, "booster_"):
        booster = model.booster_
        found = re.search(r"^\[categorical_feature: ([\d,]+)\]$", booster.model_to_string(1), re.MULTILINE)
        names = [frame.columns[int(at)] for at in found[1].split(",")] if found else []
        lists = booster.pandas_categorical or ()
        if lists and len(names) != len(lists):
            raise Problem(FROM_TRAINING)
        known = {name: list(kinds) for name, kinds in zip(names, lists)}  # noqa: B905
    elif hasattr(model, "get_booster"):
        booster = model.get_booster()
        kinds = zip(booster.feature_names or (), booster.feature_types or ())  # noqa: B905
        known = {name: None for name, kind in kinds if kind == "c"}
        if known and not hasattr(booster, "get_categories"):
            raise Problem(FROM_TRAINING)
    kind = importlib.import_module("pandas").CategoricalDtype
    return frame.astype({name: kind(known[name]) for name in known})


def takes_texts(model: Any) -> bool:
    """Return whether the model is a text vectorizer or a pipeline that starts with one."""
    model = getattr(model, "best_estimator_", model)
    steps = getattr(model, "steps", None)
    return takes_texts(steps[0][1]) if steps else hasattr(model, "build_analyzer")


def to_array(rows: Any) -> Any:
    """Return rows of numbers as an array, with NaN for missing values."""
    return np.array(rows, dtype=np.float64)


def run(model: Any, rows: Any) -> Any:
    """Return predictions, or the transformed rows if the model has no predict()."""
    return model.predict(rows) if hasattr(model, "predict") else model.transform(rows)


def predict(model: Any, rows: Any) -> dict[str, Any]:
    """Predict a DataFrame or lists. Returns predictions, and probabilities if the model has them."""
    if not hasattr(rows, "columns"):
        texts = [row[0] if isinstance(row, list) else row for row in rows]
        rows = texts if takes_texts(model) else to_array(rows)
    results = {"predictions": run(model, rows)}
    if hasattr(model, "predict_proba"):
        results["probabilities"] = model.predict_proba(rows)
    return results
