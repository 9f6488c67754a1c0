"""TensorFlow for describe_model.py. A model with one input predicts as in code/model_handler.py."""

from __future__ import annotations  # for Python 3.8

from typing import TYPE_CHECKING, Any

import tensorflow as tf
from describe_network import check_inputs, run_rows
from describe_rows import Problem

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = False  # predict() gets the rows as lists of JSON values


def read(path: Path) -> Any:
    """Load a Keras file."""
    return tf.keras.models.load_model(str(path), compile=False)


def read_folder(path: Path) -> Any:
    """Return the signature of a SavedModel that the server uses."""
    model = tf.saved_model.load(str(path))
    names = list(model.signatures)
    if "serving_default" not in names and len(names) != 1:
        raise Problem(f"{path} has no signature serving_default, but {', '.join(names) or 'none at all'}")
    signature = model.signatures["serving_default" if "serving_default" in names else names[0]]
    signature.owner = model  # keeps the variables alive
    return signature


READERS = {".keras": read, ".h5": read, "/": read_folder}


def unwrap(model: Any) -> Any:
    """Return the Keras model or the signature."""
    if not isinstance(model, tf.keras.Model) and not hasattr(model, "structured_input_signature"):
        raise Problem(f"this project serves TensorFlow models, not a {type(model).__name__}")
    check_inputs(list_inputs(model))
    return model


def list_inputs(model: Any) -> list[Any]:
    """Return the inputs of the model."""
    if hasattr(model, "structured_input_signature"):
        return list(model.structured_input_signature[1].values())
    return list(getattr(model, "inputs", None) or [])


def find_names(model: Any) -> list[str]:
    """Return no names: requests are not by column."""
    return []


def takes_columns(model: Any, frame: Any) -> bool:
    """Return whether requests name their columns."""
    return False


def predict(model: Any, rows: list[Any]) -> dict[str, Any]:
    """Return the only output, or all outputs by name."""
    spec = list_inputs(model)[0]
    dtype = tf.as_dtype(spec.dtype)
    shape = None if spec.shape is None or tf.TensorShape(spec.shape).rank is None else list(spec.shape)
    names = getattr(model, "output_names", [])

    def run(array: Any) -> dict[str, Any]:
        tensor = tf.constant(array, dtype)
        if hasattr(model, "structured_input_signature"):
            outputs = model(**{spec.name: tensor})
        else:
            outputs = model(tensor, training=False)
        if not isinstance(outputs, dict):
            tensors = tf.nest.flatten(outputs)
            known = names if len(set(names)) == len(tensors) else [f"output_{number}" for number in range(len(tensors))]
            outputs = dict(zip(known, tensors))  # noqa: B905
        return {name: to_array(tensor) for name, tensor in outputs.items()}

    return run_rows(run, rows, "object" if dtype == tf.string else dtype.as_numpy_dtype, shape)


def to_array(tensor: Any) -> Any:
    """Return a tensor as an array that JSON can represent: bytes as str, bfloat16 as float32."""
    if tensor.dtype == tf.string:
        return [text.decode("utf-8", "replace") for text in tensor.numpy().tolist()]
    return (tf.cast(tensor, tf.float32) if tensor.dtype == tf.bfloat16 else tensor).numpy()
