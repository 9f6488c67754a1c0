"""Edit this file: it loads your model and makes predictions.

This example serves a linear model from model.json. Replace load() and predict() with your own, add the packages that
they import to requirements.in, and run ./lock.sh. Each request passes through decode, predict and encode. Raise
BadRequest("...") in any of them for a client error (status 400, and the client gets the message). Any other exception
is a bug: status 500, details in the log.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.errors import StartError
from serving.tabular import check_finite, to_matrix

# Set each of these to False if it does not hold for your predict() or model:
BATCHING = True  # predict() accepts the records of several requests at once and returns one prediction per record
THREAD_SAFE = True  # several threads can call predict() at the same time (SM_THREADS; 1 if unset)
PRELOAD = True  # the model survives a fork, so workers share one copy; False for CUDA and models that start threads


class Linear(NamedTuple):
    """The example: weights of shape (features,)."""

    weights: NDArray[np.float64]
    bias: float


def load(model_dir: Path) -> Linear:
    """Load the model once, when the server starts."""
    path = model_dir / "model.json"
    if not path.is_file():
        raise StartError(f"There is no model.json in {model_dir}. Write load() and predict() in code/model_handler.py.")
    saved = json.loads(path.read_text())
    return Linear(np.array(saved["weights"], dtype=np.float64), float(saved["bias"]))


def decode(model: Linear, records: Any) -> NDArray[Any]:
    """Return the records of one request, lists of numbers, as an array of shape (records, features)."""
    matrix = to_matrix(records, features=len(model.weights))
    check_finite(matrix)
    return matrix


def predict(model: Linear, inputs: NDArray[Any]) -> Any:
    """Return one prediction per record, in order."""
    return inputs @ model.weights + model.bias


# def encode(model: Linear, outputs: NDArray[Any]) -> Any:
#     """Return the value of "predictions" in the response, or a dict to replace the whole response."""
#     return [{"expensive": bool(price > 500)} for price in outputs]
