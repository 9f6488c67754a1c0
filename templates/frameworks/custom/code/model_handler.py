"""The one file to edit: how your model is loaded and how it predicts.

What is here serves an example, a linear model in model.json. Replace load() and predict() with your own, and put what
they import into requirements.in, then type ./lock.sh. A request goes through decode, predict and encode. Raise
BadRequest("...") in any of them for an error of the client (status 400, the message goes to the client). Any other
exception is a bug here: status 500, the story in the log.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.errors import StartError
from serving.tabular import check_finite, to_matrix

# Set to False what does not hold for your predict():
BATCHING = True  # it may get the records of several requests at once, and returns one prediction a record
THREAD_SAFE = True  # several threads may call it at the same time (SM_THREADS; 1 if not set)
PRELOAD = True  # the model survives a fork, so that all processes share one; not so with CUDA or threads of its own


class Linear(NamedTuple):
    """The example: weights of shape (features,)."""

    weights: NDArray[np.float64]
    bias: float


def load(model_dir: Path) -> Linear:
    """Loads the model once, when the server starts."""
    path = model_dir / "model.json"
    if not path.is_file():
        raise StartError(f"There is no model.json in {model_dir}. Write load() and predict() in code/model_handler.py.")
    saved = json.loads(path.read_text())
    return Linear(np.array(saved["weights"], dtype=np.float64), float(saved["bias"]))


def decode(model: Linear, records: Any) -> NDArray[Any]:
    """The records of one request, lists of numbers, as an array of shape (records, features)."""
    matrix = to_matrix(records, features=len(model.weights))
    check_finite(matrix)
    return matrix


def predict(model: Linear, inputs: NDArray[Any]) -> Any:
    """One prediction a record, in their order."""
    return inputs @ model.weights + model.bias


# def encode(model: Linear, outputs: NDArray[Any]) -> Any:
#     """What becomes {"predictions": ...}; return a dict to write the whole answer yourself."""
#     return [{"expensive": bool(price > 500)} for price in outputs]
