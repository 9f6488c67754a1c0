"""What describe_model.py needs to know of ONNX: a model with one input runs as in code/model_handler.py."""

from __future__ import annotations  # for Python 3.8

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
from describe_network import check_inputs, run_rows
from describe_rows import Problem

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = False  # predict() gets the rows as lists of JSON's values
TYPES = {"float": "float32", "double": "float64", "string": "object"}  # ONNX's names that are not NumPy's


def read(path: Path) -> Any:
    """The model in a file."""
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


READERS = {".onnx": read}


def unwrap(model: Any) -> Any:
    """The model as a session."""
    if hasattr(model, "SerializeToString"):
        model = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    if not isinstance(model, ort.InferenceSession):
        raise Problem(f"this project serves a model of ONNX, and no {type(model).__name__}")
    check_inputs(model.get_inputs())
    return model


def find_names(model: Any) -> list[str]:
    """The columns that the model knows by name: none."""
    return []


def takes_columns(model: Any, frame: Any) -> bool:
    """Whether requests are by column."""
    return False


def predict(model: Any, rows: list[Any]) -> dict[str, Any]:
    """The only output, or all by name."""
    taken = model.get_inputs()[0]
    kind = taken.type[len("tensor(") : -1]
    names = [output.name for output in model.get_outputs()]

    def run(array: Any) -> dict[str, Any]:
        outputs = model.run(names, {taken.name: array})
        arrays = (np.atleast_1d(each) if isinstance(each, np.ndarray) else each for each in outputs)
        return dict(zip(names, arrays))  # noqa: B905

    return run_rows(run, rows, TYPES.get(kind, kind), taken.shape)
