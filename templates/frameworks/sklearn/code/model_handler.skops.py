"""The one file to edit: how your model is loaded and how it predicts.

A request goes through decode, predict and encode. Raise BadRequest("...") in any of them for an error of the client
(status 400, the message goes to the client). Any other exception is a bug here: status 500, the story in the log.
"""

from importlib import util
from pathlib import Path
from typing import Any

import skops.io
from numpy.typing import NDArray

from serving import estimators
from serving.accelerate import accelerate
from serving.columns import InputSchema
from serving.errors import BadRequest, StartError
from serving.models import find_model_file, require
from serving.request import current
from serving.settings import count_math_threads
from serving.tabular import check_finite, takes_texts, to_matrix, to_texts

# Types beyond those skops trusts by itself that a model file may hold: "package.module.Class". The server names those
# that are missing; add only what you know, for a type in this list may run code when the file is loaded.
TRUSTED: list[str] = []

BOOSTERS = any(map(util.find_spec, ("catboost", "lightgbm", "xgboost")))  # whether a model may be one of theirs
PRELOAD = count_math_threads() == 1 or not BOOSTERS  # more of their threads would not survive a fork


def load(model_dir: Path) -> Any:
    """Loads the model once, when the server starts. Raises StartError for types that are not in TRUSTED."""
    path = find_model_file(model_dir, ".skops")
    unknown = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED))
    if unknown:
        raise StartError(
            f"{path.name} holds types that are not trusted: {', '.join(unknown)}. "
            "If you know them, add them to TRUSTED in code/model_handler.py."
        )
    model = skops.io.load(path, trusted=TRUSTED)
    require(model, "predict", "transform")
    return accelerate(model)


def find_columns(model: Any) -> InputSchema | None:
    """The columns that requests have by name, of a model that was trained on a DataFrame; None of any other."""
    return estimators.find_columns(model)


def decode(model: Any, records: Any) -> NDArray[Any]:
    """The records of one request as an array: of lists of numbers (records, features), of texts (records,).

    Not called for a model that takes a DataFrame: predict gets that.
    """
    if takes_texts(model):
        return to_texts(records)
    return to_matrix(records, features=getattr(model, "n_features_in_", None) or None)  # CatBoost's is 0


def predict(model: Any, inputs: Any) -> Any:
    """One prediction a record, in their order; with {"parameters": {"probabilities": true}} the probabilities, too.

    A model that cannot predict transforms. The records may come from several requests with the same parameters:
    BATCHING = False in this file ends that.
    """
    work = model.predict if hasattr(model, "predict") else model.transform
    probabilities = current().parameters.get("probabilities")
    try:
        outputs = work(inputs.copy() if probabilities else inputs)  # a step with copy=False works in place
    except ValueError as error:  # most models refuse NaN and infinity: the client's error, not a bug
        if hasattr(inputs, "columns"):
            raise estimators.explain(error, inputs, model) or error from None
        if inputs.ndim == 2:
            check_finite(inputs)
        raise
    predictions = outputs.toarray() if hasattr(outputs, "toarray") else outputs  # vectorizers return sparse matrices
    if not probabilities:
        return predictions
    if not hasattr(model, "predict_proba"):
        raise BadRequest("This model has no probabilities.")
    return {"predictions": predictions, "probabilities": estimators.to_records(model.predict_proba(inputs))}


def encode(model: Any, outputs: Any) -> Any:
    """What becomes {"predictions": ...}: with probabilities, the classes in their order, too.

    Return a dict to write the whole answer yourself, or a list with one entry a record.
    """
    classes = getattr(model, "classes_", None)
    return {**outputs, "classes": classes} if isinstance(outputs, dict) and classes is not None else outputs
