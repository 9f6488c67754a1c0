"""Edit this file: it loads your model and makes predictions.

Each request passes through decode, predict and encode. Raise BadRequest("...") in any of them for a client error
(status 400, and the client gets the message). Any other exception is a bug: status 500, details in the log.
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

# Types that the model file can contain besides those that skops trusts: "package.module.Class". The server lists any
# that are missing. Add only types that you know, because they can run code when the file is loaded.
TRUSTED: list[str] = []

HAS_BOOSTERS = any(map(util.find_spec, ("catboost", "lightgbm", "xgboost")))
PRELOAD = count_math_threads() == 1 or not HAS_BOOSTERS  # the threads of a booster do not survive a fork


def load(model_dir: Path) -> Any:
    """Load the model once, when the server starts. Raises StartError for types that are not in TRUSTED."""
    path = find_model_file(model_dir, ".skops")
    unknown = sorted(set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED))
    if unknown:
        raise StartError(
            f"{path.name} contains types that are not trusted: {', '.join(unknown)}. "
            "If you know them, add them to TRUSTED in code/model_handler.py."
        )
    model = skops.io.load(path, trusted=TRUSTED)
    require(model, "predict", "transform")
    return accelerate(model)


def find_columns(model: Any) -> InputSchema | None:
    """Return the columns of a model trained on a DataFrame; None for any other model."""
    return estimators.find_columns(model)


def decode(model: Any, records: Any) -> NDArray[Any]:
    """Return the records of one request as an array: numbers of shape (records, features), or texts of (records,).

    Not called if predict gets a DataFrame. It gets one if the model was trained on one, unless all columns are numbers
    and no step selects columns.
    """
    if takes_texts(model):
        return to_texts(records)
    return to_matrix(records, features=getattr(model, "n_features_in_", None) or None)  # CatBoost has 0


def predict(model: Any, inputs: Any) -> Any:
    """Return one prediction per record, plus class probabilities for {"parameters": {"probabilities": true}}.

    A model without predict() transforms the records instead. The records may come from several requests with the same
    parameters; set BATCHING = False to prevent that.
    """
    run = model.predict if hasattr(model, "predict") else model.transform
    probabilities = current().parameters.get("probabilities")
    try:
        outputs = run(inputs.copy() if probabilities else inputs)  # a step with copy=False changes its input
    except ValueError as error:  # most models reject NaN and infinity: a client error
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
    """Return the predictions. With probabilities, add the classes in the order of their columns.

    Return a dict to replace the whole response, or a list with one entry per record.
    """
    classes = getattr(model, "classes_", None)
    return {**outputs, "classes": classes} if isinstance(outputs, dict) and classes is not None else outputs
