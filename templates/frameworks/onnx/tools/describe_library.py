"""ONNX for describe_model.py. A model with one input predicts as in code/model_handler.py."""

from __future__ import annotations  # for Python 3.8

from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime as ort
from describe_network import check_inputs, run_rows
from describe_rows import Problem

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = False  # predict() gets the rows as lists of JSON values
TYPES = {"float": "float32", "double": "float64", "string": "object"}  # ONNX names that differ from NumPy's


def read(path: Path) -> Any:
    """Load the model."""
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


READERS = {".onnx": read}


def unwrap(model: Any) -> Any:
    """Return the model as a session."""
    if hasattr(model, "SerializeToString"):
        model = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    if not isinstance(model, ort.InferenceSession):
        raise Problem(f"this project serves ONNX models, not a {type(model).__name__}")
    check_inputs(model.get_inputs())
    return model


def find_names(model: Any) -> list[str]:
    """Return no names: requests are not by column."""
    return []


def takes_columns(model: Any, frame: Any) -> bool:
    """Return whether requests name their columns."""
    return False


def predict(model: Any, rows: list[Any]) -> dict[str, Any]:
    """Return the only output, or all outputs by name."""
    model_input = model.get_inputs()[0]
    kind = model_input.type[len("tensor(") : -1]
    names = [output.name for output in model.get_outputs()]

    def run(array: Any) -> dict[str, Any]:
        outputs = model.run(names, {model_input.name: array})
        arrays = (np.atleast_1d(each) if isinstance(each, np.ndarray) else each for each in outputs)
        return dict(zip(names, arrays))  # noqa: B905

    return run_rows(run, rows, TYPES.get(kind, kind), model_input.shape)
