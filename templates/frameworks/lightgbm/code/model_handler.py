"""The one file to edit: how your model is loaded and how it predicts.

A request goes through decode, predict and encode. Raise BadRequest("...") in any of them for an error of the client
(status 400, the message goes to the client). Any other exception is a bug here: status 500, the story in the log.
"""

import re
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from serving.categories import UnknownCategoriesError, read_lightgbm
from serving.columns import ARRAY, NUMBER, Column, InputSchema
from serving.errors import BadRequest, StartError
from serving.libsvm import LIBSVM, from_libsvm, to_rows
from serving.models import find_model_file
from serving.request import current
from serving.settings import count_math_threads
from serving.tabular import to_matrix
from serving.versions import refuse_newer

DECODERS = {LIBSVM: from_libsvm}
PRELOAD = count_math_threads() == 1  # more of OpenMP's threads would not survive a fork


def load(model_dir: Path) -> lgb.Booster:
    """Loads the model once, when the server starts. Raises StartError for a file that LightGBM would crash on."""
    path = find_model_file(model_dir, ".txt")
    text = path.read_text(errors="replace")
    version = re.match(r"tree\nversion=v(\d+)\n", text)
    if not version:
        raise ValueError(f"{path.name} is not a model that LightGBM has saved as text")
    refuse_newer("LightGBM", version[1], lgb.__version__)
    if "\nend of trees\n" not in text:
        raise StartError(f"{path.name} is cut off: its last trees are missing. Save or copy it again.")
    return lgb.Booster(model_str=text)


def find_columns(model: lgb.Booster) -> InputSchema | None:
    """The columns that requests can name, of a model that was trained with names; categories of pandas by value."""
    names = model.feature_name()
    if names == [f"Column_{number}" for number in range(len(names))]:
        return None
    try:
        categories = read_lightgbm(model)
    except UnknownCategoriesError:
        return InputSchema([], ARRAY)  # the signature has to tell them
    return InputSchema([Column(name, NUMBER, categories=categories.get(name, ())) for name in names], ARRAY)


def decode(model: lgb.Booster, records: Any) -> NDArray[Any]:
    """The records of one request as an array of shape (records, features); NaN is a missing value, as in training."""
    features = model.num_feature()
    return to_matrix(to_rows(records, features, absent=0), features)


def predict(model: lgb.Booster, inputs: NDArray[Any]) -> Any:
    """What the booster predicts for each record; with {"parameters": {"probabilities": true}} the probabilities, too.

    The records may come from several requests with the same parameters: BATCHING = False in this file ends that.
    """
    predictions = model.predict(inputs, num_threads=count_math_threads())
    if not current().parameters.get("probabilities"):
        return predictions
    return {"predictions": predictions, "probabilities": to_probabilities(model, predictions)}


def to_probabilities(model: lgb.Booster, predictions: NDArray[Any]) -> NDArray[Any]:
    """Of shape (records, classes): what a classifier predicts already, for two classes the second one's only."""
    objective = model.dump_model(num_iteration=1).get("objective", "").partition(" ")[0]
    if objective == "binary":
        return np.column_stack([1 - predictions, predictions])
    if objective in ("multiclass", "multiclassova"):
        return predictions
    raise BadRequest("This model has no probabilities.")


# def encode(model: lgb.Booster, outputs: NDArray[Any]) -> Any:
#     """What becomes {"predictions": ...}; return a dict to write the whole answer yourself."""
#     return [{"expensive": bool(price > 500)} for price in outputs]
