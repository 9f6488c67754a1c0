"""A handler whose model multiplies matrices: about half a millisecond per record, nearly all without the GIL."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.tabular import to_matrix

SIZE = 256


def load(model_dir: Path) -> NDArray[Any]:
    return np.random.default_rng(seed=7).random((SIZE, SIZE))


def decode(model: NDArray[Any], records: list[Any]) -> NDArray[Any]:
    return to_matrix(records)


def predict(model: NDArray[Any], inputs: NDArray[Any]) -> list[int]:
    return [classify(model, record) for record in inputs]


def classify(model: NDArray[Any], record: NDArray[Any]) -> int:
    np.matmul(model, model)
    return int(record[0] > 0)
