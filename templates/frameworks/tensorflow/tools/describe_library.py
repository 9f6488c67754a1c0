"""What describe_model.py needs to know of TensorFlow: a model with one input predicts as in code/model_handler.py."""

from __future__ import annotations  # for Python 3.8

from typing import TYPE_CHECKING, Any

import tensorflow as tf
from describe_network import check_inputs, run_rows
from describe_rows import Problem

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = False  # predict() gets the rows as lists of JSON's values


def read(path: Path) -> Any:
    """The model in a file of Keras."""
    return tf.keras.models.load_model(str(path), compile=False)


def read_folder(path: Path) -> Any:
    """The signature to serve of a SavedModel."""
    model = tf.saved_model.load(str(path))
    names = list(model.signatures)
    if "serving_default" not in names and len(names) != 1:
        raise Problem(f"{path} has no signature serving_default, but {', '.join(names) or 'none at all'}")
    signature = model.signatures["serving_default" if "serving_default" in names else names[0]]
    signature.owner = model  # which has the variables
    return signature


READERS = {".keras": read, ".h5": read, "/": read_folder}


def unwrap(model: Any) -> Any:
    """The model: one of Keras, or a signature."""
    if not isinstance(model, tf.keras.Model) and not hasattr(model, "structured_input_signature"):
        raise Problem(f"this project serves a model of TensorFlow, and no {type(model).__name__}")
    check_inputs(inputs_of(model))
    return model


def inputs_of(model: Any) -> list[Any]:
    """What the model takes."""
    if hasattr(model, "structured_input_signature"):
        return list(model.structured_input_signature[1].values())
    return list(getattr(model, "inputs", None) or [])


def find_names(model: Any) -> list[str]:
    """The columns that the model knows by name: none."""
    return []


def takes_columns(model: Any, frame: Any) -> bool:
    """Whether requests are by column."""
    return False


def predict(model: Any, rows: list[Any]) -> dict[str, Any]:
    """The only output, or all by name."""
    taken = inputs_of(model)[0]
    dtype = tf.as_dtype(taken.dtype)
    shape = None if taken.shape is None or tf.TensorShape(taken.shape).rank is None else list(taken.shape)
    names = getattr(model, "output_names", [])

    def run(array: Any) -> dict[str, Any]:
        tensor = tf.constant(array, dtype)
        if hasattr(model, "structured_input_signature"):
            outputs = model(**{taken.name: tensor})
        else:
            outputs = model(tensor, training=False)
        if not isinstance(outputs, dict):
            tensors = tf.nest.flatten(outputs)
            known = names if len(set(names)) == len(tensors) else [f"output_{number}" for number in range(len(tensors))]
            outputs = dict(zip(known, tensors))  # noqa: B905
        return {name: to_array(tensor) for name, tensor in outputs.items()}

    return run_rows(run, rows, "object" if dtype == tf.string else dtype.as_numpy_dtype, shape)


def to_array(tensor: Any) -> Any:
    """A tensor as an array that JSON can hold: texts as str, bfloat16 as float32."""
    if tensor.dtype == tf.string:
        return [text.decode("utf-8", "replace") for text in tensor.numpy().tolist()]
    return (tf.cast(tensor, tf.float32) if tensor.dtype == tf.bfloat16 else tensor).numpy()
