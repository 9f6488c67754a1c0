"""What is particular to scikit-learn."""

import pickle
import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import joblib
import numpy as np
import skops.io
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from test_every import double, put, rename, truncate


def make_newer(model_dir: Path) -> None:
    """A model that says it was saved by scikit-learn 9."""
    path = next(model_dir.glob("model.*"))
    if path.suffix != ".skops":
        saved = {**vars(Ridge().fit([[0], [1]], [0, 2])), "_sklearn_version": "9.1"}
        path.write_bytes(pickle.dumps(Saved(saved)))
        return
    shutil.move(path, path.with_suffix(".old"))
    with ZipFile(path.with_suffix(".old")) as old, ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"protocol": ', b'"protocol": 9'))
    path.with_suffix(".old").unlink()


class Saved:
    """Pickled, a ridge regression with this state."""

    def __init__(self, state: dict[str, object]) -> None:
        self.state = state

    def __reduce__(self) -> object:
        return Ridge, (), self.state


BROKEN = {
    "newer": (make_newer, "saved by scikit-learn 9.1, and .* is installed|does not load: .*(version|protocol)"),
    "truncated": (truncate("model.*"), "does not load: .*Save it again"),
    "of another framework": (put("model.joblib", b"tree\nversion=v4\n", "model.*"), "LightGBM|There is no model.skops"),
    "two candidates": (double, "Which is the model"),
    "another name": (rename, "There is no model.* only model.bin"),
}


def expect(model_dir: Path, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    path = next(model_dir.glob("model.*"))
    model: Any = skops.io.load(path) if path.suffix == ".skops" else joblib.load(path)
    predictions: NDArray[np.float64] = model.predict(rows)
    return predictions
