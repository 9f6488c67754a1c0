"""Edit this file: it loads your model and makes predictions.

Each request passes through decode, predict and encode. Raise BadRequest("...") in any of them for a client error
(status 400, and the client gets the message). Any other exception is a bug: status 500, details in the log.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from catboost import CatBoost, CatBoostClassifier, CatBoostRegressor

from serving.columns import CATEGORY, NUMBER, ROWS, Column, InputSchema
from serving.errors import BadRequest, StartError
from serving.models import find_model_file
from serving.request import current
from serving.settings import count_math_threads
from serving.tabular import is_number, to_matrix
from serving.values import show

PRELOAD = count_math_threads() == 1  # with more threads, a prediction takes the CPUs of the other workers


def load(model_dir: Path) -> CatBoost:
    """Load the model once, when the server starts: as a classifier if it has classes, otherwise as a regressor.

    A ranker predicts as a regressor does. Raises StartError for a model with features that decode cannot read.
    """
    path = find_model_file(model_dir, ".cbm")
    model = CatBoost().load_model(path)
    if model.get_embedding_feature_indices():
        raise StartError(f"{path.name} has embedding features, which decode() in code/model_handler.py does not read.")
    return (CatBoostClassifier if len(model.classes_) else CatBoostRegressor)().load_model(path)


def find_columns(model: CatBoost) -> InputSchema | None:
    """Return the columns of a model trained with feature names; None for any other."""
    names, strings = model.feature_names_, find_strings(model)
    if names == [str(number) for number in range(len(names))]:
        return None
    return InputSchema([Column(name, CATEGORY if at in strings else NUMBER) for at, name in enumerate(names)], ROWS)


def find_strings(model: CatBoost) -> set[int]:
    """Return the positions of the categorical and text features, from 0."""
    return {*model.get_cat_feature_indices(), *model.get_text_feature_indices()}


def decode(model: CatBoost, records: Any) -> Any:
    """Return the records of one request as an array of shape (records, features). NaN is a missing value.

    With categorical or text features, return lists of numbers and strings. Without feature names, CSV reads a category
    such as 01 as the number 1: send it as JSON.
    """
    names, strings = model.feature_names_, find_strings(model)
    if not strings:
        return to_matrix(records, len(names))
    return to_rows(
        records, names if find_columns(model) else [f"column {at}" for at, _ in enumerate(names, 1)], strings
    )


def to_rows(records: Any, names: Sequence[str], strings: set[int]) -> list[list[Any]]:
    """Return records as lists of numbers, with strings in the columns at the positions `strings`, from 0.

    Raises BadRequest for anything else, with the number of the record, from 1, and the column.
    """
    if isinstance(records, dict):
        raise BadRequest("This model takes lists of values, not named inputs.")
    if not len(records):
        raise BadRequest("The request has no records.")
    convert = [to_string if at in strings else to_number for at, _ in enumerate(names)]
    rows = []
    for number, record in enumerate(records.tolist() if isinstance(records, np.ndarray) else records, 1):
        if not isinstance(record, list):
            raise BadRequest(f"Record {number} is not a list of numbers and strings.")
        if len(record) != len(names):
            raise BadRequest(f"Expected {len(names)} features per record, got {len(record)} in record {number}.")
        rows.append([convert[at](value, f"Record {number}: {names[at]}") for at, value in enumerate(record)])
    return rows


def to_string(value: Any, where: str) -> str:
    """Return a category or a text. CatBoost treats the number 1 and the string "1" as one category, but not 1.0."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    raise BadRequest(f"{where} is {show(value)}, neither a string nor an integer.")


def to_number(value: Any, where: str) -> float:
    """Return the value of a numeric feature; NaN if it is missing."""
    if value is None:
        return np.nan
    if not is_number(value):
        raise BadRequest(f"{where} is {show(value)}, not a number.")
    return float(value)


def predict(model: CatBoost, inputs: Any) -> Any:
    """Return one prediction per record, plus class probabilities for {"parameters": {"probabilities": true}}.

    The records may come from several requests with the same parameters; set BATCHING = False to prevent that.
    """
    threads = count_math_threads()
    predictions = model.predict(inputs, thread_count=threads)
    if predictions.shape[1:] == (1,):  # for more than two classes
        predictions = predictions.ravel()
    if not current().parameters.get("probabilities"):
        return predictions
    if not isinstance(model, CatBoostClassifier):
        raise BadRequest("This model has no probabilities.")
    return {"predictions": predictions, "probabilities": model.predict_proba(inputs, thread_count=threads)}


def encode(model: Any, outputs: Any) -> Any:
    """Return the predictions. With probabilities, add the classes in the order of their columns.

    Return a dict to replace the whole response, or a list with one entry per record.
    """
    classes = getattr(model, "classes_", None)
    return {**outputs, "classes": classes} if isinstance(outputs, dict) and classes is not None else outputs
