"""Edit this file: it loads your model and makes predictions.

Each request passes through decode, predict and encode. Raise BadRequest("...") in any of them for a client error
(status 400, and the client gets the message). Any other exception is a bug: status 500, details in the log.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from serving.categories import UnknownCategoriesError, read_xgboost
from serving.columns import ARRAY, NUMBER, Column, InputSchema
from serving.errors import BadRequest
from serving.gpu import choose_device, has_gpu
from serving.libsvm import LIBSVM, from_libsvm, to_rows
from serving.models import find_model_file
from serving.request import current
from serving.settings import count_math_threads
from serving.tabular import to_matrix
from serving.versions import advise_release, read_xgboost_version, refuse_newer

DECODERS = {LIBSVM: from_libsvm}
PRELOAD = count_math_threads() == 1 and not has_gpu()  # neither OpenMP's threads nor CUDA survive a fork


class Model(NamedTuple):
    """The loaded model, passed to the functions below."""

    booster: xgb.Booster
    objective: str  # such as "binary:logistic"
    in_place: bool  # the booster predicts arrays directly; linear boosters do not
    rounds: tuple[int, int]  # boosting rounds to use: up to the best of early stopping; (0, 0): all


def load(model_dir: Path) -> Model:
    """Load the model once, when the server starts. Raises StartError if a newer major XGBoost saved it."""
    path = find_model_file(model_dir, ".json", ".ubj")
    if saved := read_xgboost_version(path.read_bytes()):
        refuse_newer("XGBoost", saved, xgb.__version__, advise_release(saved))
    device = choose_device(built=bool(xgb.build_info()["USE_CUDA"]), found=has_gpu())
    settings = {"nthread": count_math_threads(), "device": device}
    booster = xgb.Booster(settings, model_file=path)
    booster.set_param(settings)  # again, because loading the file overrides these settings
    learner = json.loads(booster.save_config())["learner"]
    in_place = learner["gradient_booster"]["name"] != "gblinear"
    best = booster.attr("best_iteration") if in_place else None
    return Model(booster, learner["objective"]["name"], in_place, (0, int(best) + 1) if best else (0, 0))


def find_columns(model: Model) -> InputSchema | None:
    """Return the columns of a model trained with feature names, with the categories of pandas; None for any other."""
    names = model.booster.feature_names
    if not names:
        return None
    try:
        categories = read_xgboost(model.booster)
    except UnknownCategoriesError:
        return InputSchema([], ARRAY)  # only the signature can name the categories
    return InputSchema(
        [Column(name, NUMBER, categories=categories.get(name, ()), refuses_unknown=True) for name in names], ARRAY
    )


def decode(model: Model, records: Any) -> NDArray[Any]:
    """Return the records of one request as an array of shape (records, features). NaN is a missing value."""
    features = model.booster.num_features()
    matrix = to_matrix(to_rows(records, features, absent=np.nan), features)
    if np.isinf(matrix).any():
        raise BadRequest("A record has an infinite value, which this model does not accept.")
    return matrix


def predict(model: Model, inputs: NDArray[Any]) -> Any:
    """Return one prediction per record, plus class probabilities for {"parameters": {"probabilities": true}}.

    The records may come from several requests with the same parameters; set BATCHING = False to prevent that.
    """
    predictions = run(model, inputs)
    if not current().parameters.get("probabilities"):
        return predictions
    return {"predictions": predictions, "probabilities": to_probabilities(model, inputs, predictions)}


def run(model: Model, inputs: NDArray[Any], margin: bool = False) -> NDArray[Any]:
    """Return the predictions of the booster, or the margins that they are computed from."""
    if model.in_place:
        kind = "margin" if margin else "value"
        return model.booster.inplace_predict(inputs, iteration_range=model.rounds, predict_type=kind)
    return model.booster.predict(xgb.DMatrix(inputs, feature_names=model.booster.feature_names), output_margin=margin)


def to_probabilities(model: Model, inputs: NDArray[Any], predictions: NDArray[Any]) -> NDArray[Any]:
    """Return probabilities of shape (records, classes) from the predictions of a classification objective."""
    if model.objective == "binary:logistic":
        return np.column_stack([1 - predictions, predictions])
    if model.objective == "multi:softprob":
        return predictions
    if model.objective == "multi:softmax":
        margins = run(model, inputs, margin=True)
        powers = np.exp(margins - margins.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
    raise BadRequest("This model has no probabilities.")


# def encode(model: Model, outputs: NDArray[Any]) -> Any:
#     """Return the value of "predictions" in the response, or a dict to replace the whole response."""
#     return [{"expensive": bool(price > 500)} for price in outputs]
