"""The one file to edit: how your model is loaded and how it predicts.

A request goes through decode, predict and encode. Raise BadRequest("...") in any of them for an error of the client
(status 400, the message goes to the client). Any other exception is a bug here: status 500, the story in the log.
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
from serving.versions import read_xgboost_version, refuse_newer

DECODERS = {LIBSVM: from_libsvm}
PRELOAD = count_math_threads() == 1 and not has_gpu()  # neither OpenMP's threads nor CUDA survive a fork


class Model(NamedTuple):
    """A loaded booster."""

    booster: xgb.Booster
    objective: str  # such as "binary:logistic"
    in_place: bool  # it predicts arrays as they are; linear boosters do not
    rounds: tuple[int, int]  # whose trees predict: up to early stopping's best, as in scikit-learn; (0, 0): all


def load(model_dir: Path) -> Model:
    """Loads the model once, when the server starts. Raises StartError for a model of a newer XGBoost."""
    path = find_model_file(model_dir, ".json", ".ubj")
    if saved := read_xgboost_version(path.read_bytes()):
        refuse_newer("XGBoost", saved, xgb.__version__)
    device = choose_device(built=bool(xgb.build_info()["USE_CUDA"]), found=has_gpu())
    settings = {"nthread": count_math_threads(), "device": device}
    booster = xgb.Booster(settings, model_file=path)
    booster.set_param(settings)  # again, for the file has settings of its own
    learner = json.loads(booster.save_config())["learner"]
    in_place = learner["gradient_booster"]["name"] != "gblinear"
    best = booster.attr("best_iteration") if in_place else None
    return Model(booster, learner["objective"]["name"], in_place, (0, int(best) + 1) if best else (0, 0))


def find_columns(model: Model) -> InputSchema | None:
    """The columns that requests can name, of a model that was trained with names; categories of pandas by value."""
    names = model.booster.feature_names
    if not names:
        return None
    try:
        categories = read_xgboost(model.booster)
    except UnknownCategoriesError:
        return InputSchema([], ARRAY)  # the signature has to tell them
    return InputSchema(
        [Column(name, NUMBER, categories=categories.get(name, ()), closed=True) for name in names], ARRAY
    )


def decode(model: Model, records: Any) -> NDArray[Any]:
    """The records of one request as an array of shape (records, features); NaN is a missing value, as in training."""
    features = model.booster.num_features()
    matrix = to_matrix(to_rows(records, features, absent=np.nan), features)
    if np.isinf(matrix).any():
        raise BadRequest("A record has an infinite value, which this model does not take.")
    return matrix


def predict(model: Model, inputs: NDArray[Any]) -> Any:
    """What the booster predicts for each record; with {"parameters": {"probabilities": true}} the probabilities, too.

    The records may come from several requests with the same parameters: BATCHING = False in this file ends that.
    """
    predictions = run(model, inputs)
    if not current().parameters.get("probabilities"):
        return predictions
    return {"predictions": predictions, "probabilities": to_probabilities(model, inputs, predictions)}


def run(model: Model, inputs: NDArray[Any], margin: bool = False) -> NDArray[Any]:
    """The booster's own predictions, or what they are made from."""
    if model.in_place:
        kind = "margin" if margin else "value"
        return model.booster.inplace_predict(inputs, iteration_range=model.rounds, predict_type=kind)
    return model.booster.predict(xgb.DMatrix(inputs, feature_names=model.booster.feature_names), output_margin=margin)


def to_probabilities(model: Model, inputs: NDArray[Any], predictions: NDArray[Any]) -> NDArray[Any]:
    """Of shape (records, classes), whichever of them the objective predicts."""
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
#     """What becomes {"predictions": ...}; return a dict to write the whole answer yourself."""
#     return [{"expensive": bool(price > 500)} for price in outputs]
