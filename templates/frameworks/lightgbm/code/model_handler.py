"""Edit this file: it loads your model and makes predictions.

Each request passes through decode, predict and encode. Raise BadRequest("...") in any of them for a client error
(status 400, and the client gets the message). Any other exception is a bug: status 500, details in the log.
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
from serving.versions import advise_release, refuse_newer

DECODERS = {LIBSVM: from_libsvm}
PRELOAD = count_math_threads() == 1  # OpenMP's threads do not survive a fork


def load(model_dir: Path) -> lgb.Booster:
    """Load the model once, when the server starts. Raises StartError for a file that would crash LightGBM."""
    path = find_model_file(model_dir, ".txt")
    text = path.read_text(errors="replace")
    version = re.match(r"tree\nversion=v(\d+)\n", text)
    if not version:
        raise ValueError(f"{path.name} is not a LightGBM model saved as text")
    advice = advise_release("VERSION, with the version used in training")  # the file has only the major version
    refuse_newer("LightGBM", version[1], lgb.__version__, advice)
    if "\nend of trees\n" not in text:
        raise StartError(f"{path.name} is truncated: its last trees are missing. Save or copy it again.")
    return lgb.Booster(model_str=text)


def find_columns(model: lgb.Booster) -> InputSchema | None:
    """Return the columns of a model trained with feature names, with the categories of pandas; None for any other."""
    names = model.feature_name()
    if names == [f"Column_{number}" for number in range(len(names))]:
        return None
    try:
        categories = read_lightgbm(model)
    except UnknownCategoriesError:
        return InputSchema([], ARRAY)  # only the signature can name the categories
    return InputSchema([Column(name, NUMBER, categories=categories.get(name, ())) for name in names], ARRAY)


def decode(model: lgb.Booster, records: Any) -> NDArray[Any]:
    """Return the records of one request as an array of shape (records, features). NaN is a missing value."""
    features = model.num_feature()
    return to_matrix(to_rows(records, features, absent=0), features)


def predict(model: lgb.Booster, inputs: NDArray[Any]) -> Any:
    """Return one prediction per record, plus class probabilities for {"parameters": {"probabilities": true}}.

    The records may come from several requests with the same parameters; set BATCHING = False to prevent that.
    """
    predictions = model.predict(inputs, num_threads=count_math_threads())
    if not current().parameters.get("probabilities"):
        return predictions
    return {"predictions": predictions, "probabilities": to_probabilities(model, predictions)}


def to_probabilities(model: lgb.Booster, predictions: NDArray[Any]) -> NDArray[Any]:
    """Return probabilities of shape (records, classes). A binary objective predicts only those of class 1."""
    objective = model.dump_model(num_iteration=1).get("objective", "").partition(" ")[0]
    if objective == "binary":
        return np.column_stack([1 - predictions, predictions])
    if objective in ("multiclass", "multiclassova"):
        return predictions
    raise BadRequest("This model has no probabilities.")


# def encode(model: lgb.Booster, outputs: NDArray[Any]) -> Any:
#     """Return the value of "predictions" in the response, or a dict to replace the whole response."""
#     return [{"expensive": bool(price > 500)} for price in outputs]
