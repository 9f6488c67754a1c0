"""The one file to edit: how your model is loaded and how it predicts.

A request goes through decode, predict and encode. Raise BadRequest("...") in any of them for an error of the client
(status 400, the message goes to the client). Any other exception is a bug here: status 500, the story in the log.
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

PRELOAD = count_math_threads() == 1  # a prediction with more threads takes the CPUs that other processes would have


def load(model_dir: Path) -> CatBoost:
    """Loads the model once, when the server starts: as a classifier if it has classes, or else as a regressor.

    A ranker predicts as a regressor does. Raises StartError for a model whose records decode does not read.
    """
    path = find_model_file(model_dir, ".cbm")
    model = CatBoost().load_model(path)
    if model.get_embedding_feature_indices():
        raise StartError(f"{path.name} has embedding features, which decode() in code/model_handler.py does not read.")
    return (CatBoostClassifier if len(model.classes_) else CatBoostRegressor)().load_model(path)


def find_columns(model: CatBoost) -> InputSchema | None:
    """The columns that requests can name, of a model that was trained with names."""
    names, strings = model.feature_names_, find_strings(model)
    if names == [str(number) for number in range(len(names))]:
        return None
    return InputSchema([Column(name, CATEGORY if at in strings else NUMBER) for at, name in enumerate(names)], ROWS)


def find_strings(model: CatBoost) -> set[int]:
    """The positions of the categorical and text features, from 0."""
    return {*model.get_cat_feature_indices(), *model.get_text_feature_indices()}


def decode(model: CatBoost, records: Any) -> Any:
    """The records of one request as an array of shape (records, features); NaN is a missing value, as in training.

    With categorical or text features they are lists of numbers and strings. Without names of the features, CSV reads a
    category such as 01 as the number 1: send that in JSON.
    """
    names, strings = model.feature_names_, find_strings(model)
    if not strings:
        return to_matrix(records, len(names))
    return to_rows(
        records, names if find_columns(model) else [f"column {at}" for at, _ in enumerate(names, 1)], strings
    )


def to_rows(records: Any, names: Sequence[str], strings: set[int]) -> list[list[Any]]:
    """Records as lists of numbers, with strings in the columns of `strings`, which count from 0.

    Raises BadRequest for anything else, with the number of the record, which counts from 1, and the column.
    """
    if isinstance(records, dict):
        raise BadRequest("This model takes lists of values, not inputs by name.")
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
    """A category or a text. CatBoost takes the number 1 and the string "1" for the same category, but not 1.0."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return str(int(value))
    raise BadRequest(f"{where} is {show(value)}, neither a text nor a whole number.")


def to_number(value: Any, where: str) -> float:
    """The value of a numeric feature; a missing value is NaN."""
    if value is None:
        return np.nan
    if not is_number(value):
        raise BadRequest(f"{where} is {show(value)}, not a number.")
    return float(value)


def predict(model: CatBoost, inputs: Any) -> Any:
    """What the model predicts for each record; with {"parameters": {"probabilities": true}} the probabilities, too.

    The records may come from several requests with the same parameters: BATCHING = False in this file ends that.
    """
    threads = count_math_threads()
    predictions = model.predict(inputs, thread_count=threads)
    if predictions.shape[1:] == (1,):  # of more than two classes
        predictions = predictions.ravel()
    if not current().parameters.get("probabilities"):
        return predictions
    if not isinstance(model, CatBoostClassifier):
        raise BadRequest("This model has no probabilities.")
    return {"predictions": predictions, "probabilities": model.predict_proba(inputs, thread_count=threads)}


def encode(model: Any, outputs: Any) -> Any:
    """What becomes {"predictions": ...}: with probabilities, the classes in their order, too.

    Return a dict to write the whole answer yourself, or a list with one entry a record.
    """
    classes = getattr(model, "classes_", None)
    return {**outputs, "classes": classes} if isinstance(outputs, dict) and classes is not None else outputs
