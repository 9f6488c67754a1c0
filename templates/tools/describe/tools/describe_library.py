"""What describe_model.py needs to know of scikit-learn, and of what predicts like it: as code/model_handler.py does."""

from __future__ import annotations  # for Python 3.8

import importlib
import re
from typing import TYPE_CHECKING, Any

import numpy as np
from describe_rows import FROM_TRAINING, Problem

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
    """Columns as in the training, where the model knows more of them than csv: texts such as 01, None, categories."""
    for step, names in walk(model, list(frame.columns)):
        for name, values in zip(names, getattr(step, "categories_", ())):  # noqa: B905
            if name not in frame.columns:  # made by a step before
                continue
            known = [value for value in values if value is not None and value == value]
            if known and all(isinstance(value, str) for value in known) and frame[name].dtype.kind in "iufb":
                raise Problem(f"column {name} has texts in the model, and numbers in the rows: --type {name}=string")
            if any(value is None for value in values):
                frame[name] = frame[name].astype(object).where(frame[name].notna(), None)
    has_categories = any(hasattr(frame[name], "cat") for name in frame.columns)
    return frame if has_categories else to_categories(model, frame)


def walk(model: Any, names: list[str]) -> Any:
    """The steps of a model, each with the columns that it gets, as far as these are known."""
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
    """Columns of categories that a booster of LightGBM or XGBoost knows as such."""
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
