"""Tests specific to custom handlers, with the example handler."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from test_every import put, rename, truncate

TOLERANCE = 1e-12  # sums can be rounded in a different order
NO_MODEL = r"There is no model.json in .*Write load\(\) and predict\(\) in code/model_handler.py"

BROKEN = {
    "truncated": (truncate("model.json"), "could not be loaded: JSONDecodeError"),
    "of another framework": (put("model.json", b"tree\nversion=v4\n"), r"looks like a LightGBM model \(model.txt\)"),
    "another name": (rename, NO_MODEL),
}


def expect(model_dir: Path, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    model = json.loads((model_dir / "model.json").read_text())
    return np.array([sum(map(np.multiply, row, model["weights"])) + model["bias"] for row in rows])
