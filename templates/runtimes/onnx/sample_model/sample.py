"""Shared by all samples: the data of data.py and the conversion of the model that was trained on it."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from data import PROJECT, make_data
from numpy.typing import NDArray

sys.path.append(str(PROJECT / "tools"))

from convert import convert
from describe_model import load

MODEL = Path(tempfile.mkdtemp())  # for the trained model: only the converted one is kept

__all__ = ["MODEL", "finish", "make_data"]


def finish(what: str, model: Path, test_x: NDArray[Any], test_y: NDArray[Any], predictions: NDArray[Any]) -> None:
    """Convert the model and print how well it predicts the prices."""
    error = np.square(test_y - np.ravel(predictions)).sum() / np.square(test_y - test_y.mean()).sum()
    print(f"Trained {what} on synthetic house prices. R2 on {len(test_x)} test records: {1 - error:.2f}.")
    convert(load(model, PROJECT / "code"), test_x, PROJECT)
    shutil.rmtree(MODEL)
