"""The one file to edit: how your model is loaded and how it predicts.

A request goes through decode, predict and encode. Raise BadRequest("...") in any of them for an error of the client
(status 400, the message goes to the client). Any other exception is a bug here: status 500, the story in the log.
"""

import json
import logging
import os
import re
import zipfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reads it once; its errors are exceptions, too

import h5py
import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from serving import user_code
from serving.advice import UNKNOWN_TO_KERAS
from serving.errors import BadRequest, StartError
from serving.gpu import choose_device
from serving.models import find_model_file
from serving.tensors import Arrays, Input, run_in_slices, to_inputs, to_predictions
from serving.versions import advise_release, refuse_newer, refuse_other

PRELOAD = False  # TensorFlow's threads do not survive a fork: the serving process loads the model itself

# Layers, functions and other objects of your own that the model holds: {"Scale": Scale}. Those that a file beside this
# one defines are found there.
CUSTOM_OBJECTS: dict[str, Any] = {}

log = logging.getLogger(__name__)


class Model(NamedTuple):
    """A loaded model."""

    net: Any  # which has the variables that the graph uses
    graph: Any  # {"input": tensor} -> {"output": tensor}
    inputs: list[Input]
    size: int | None  # the records it takes at a time; None: any number


def load(model_dir: Path) -> Model:
    """Loads the model once, when the server starts. Raises StartError if the model does not tell its inputs."""
    path = find_model_file(model_dir, ".keras", ".h5")
    if saved := read_version(path):
        refuse_version(saved)
    gpus = tf.config.list_physical_devices("GPU")
    choose_device(built=tf.test.is_built_with_cuda(), found=bool(gpus))
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)  # else TensorFlow takes all of its memory at once
    net = load_net(path)
    if not getattr(net, "inputs", None):
        raise StartError(
            f"The model in {path.name} does not tell its inputs, as its class is your own. Build it from keras.Input, "
            "or write load(), decode() and predict() in model_handler.py for it."
        )
    kinds = [tf.as_dtype(each.dtype).name.replace("string", "str") for each in net.inputs]
    inputs = [Input(each.name, kind, tuple(each.shape)) for each, kind in zip(net.inputs, kinds, strict=True)]
    size = next((each.shape[0] for each in net.inputs if each.shape[0]), None)
    return Model(net, trace(net), inputs, size)


def load_net(path: Path) -> Any:
    """The model as Keras has it, with the objects that Keras does not know from the files beside this one."""
    objects = {**CUSTOM_OBJECTS}
    while True:
        try:
            return keras.models.load_model(path, objects, compile=False, safe_mode=True)
        except (TypeError, ValueError) as error:
            found = re.search(UNKNOWN_TO_KERAS, str(error))
            name = found and (found[1] or found[2])
            if not name or name in objects:
                raise
            try:
                objects[name] = user_code.find(Path(__file__).parent, name)
            except AttributeError:
                raise error from None


def read_version(path: Path) -> str | None:
    """The version of Keras that saved the model; None if the file does not say."""
    if zipfile.is_zipfile(path):  # Keras 2.12 wrote .keras as HDF5, too
        with zipfile.ZipFile(path) as archive:
            return str(json.loads(archive.read("metadata.json"))["keras_version"])
    with h5py.File(path) as file:
        version = file.attrs.get("keras_version")
    return version.decode() if isinstance(version, bytes) else version


def refuse_version(saved: str) -> None:
    """Raises StartError for a model of a newer Keras, or of Keras 2, which was part of TensorFlow up to 2.15."""
    refuse_newer("Keras", saved, keras.__version__)
    if saved.startswith("2.") and not keras.__version__.startswith("2."):
        minor = max(12, int(saved.split(".")[1]))  # the oldest that there are packages for reads what is older, too
        refuse_other("Keras", saved, keras.__version__, advise_release(f"2.{minor}"))


def trace(net: Any) -> Any:
    """The model as a graph for any number of records; without one each layer is a call from Python, which is slow."""
    structure = net.inputs[0] if isinstance(net, keras.Sequential) else net.input

    def call(tensors: dict[str, Any]) -> dict[str, Any]:
        outputs = net(tf.nest.map_structure(lambda each: tensors[each.name], structure), training=False)
        return outputs if isinstance(outputs, dict) else name_outputs(net, tf.nest.flatten(outputs))

    signature = {each.name: tf.TensorSpec(each.shape, each.dtype) for each in net.inputs}
    return tf.function(call, input_signature=[signature]).get_concrete_function()


@tf.autograph.experimental.do_not_convert
def name_outputs(net: Any, tensors: list[Any]) -> dict[str, Any]:
    """The outputs by the names of their layers, or numbered where one layer has several or the model no names."""
    names = getattr(net, "output_names", [])
    if len(set(names)) != len(tensors):
        names = [f"output_{number}" for number in range(len(tensors))]
    return dict(zip(names, tensors, strict=True))


def decode(model: Model, records: Any) -> Arrays:
    """The records of one request as an array for each input of the model, by its name in Keras."""
    return to_inputs(records, model.inputs)


def predict(model: Model, inputs: Arrays) -> Arrays:
    """The outputs of the model by name, one entry a record. Raises BadRequest for values that it refuses.

    The records may come from several requests: BATCHING = False in this file ends that.
    """
    try:
        return run_in_slices(partial(run, model), inputs, model.size)
    except tf.errors.InvalidArgumentError as error:  # such as a number beyond those that an embedding knows
        log.warning("The model refused a request: %s", error.message)
        raise BadRequest("The model does not take these values.") from None


def run(model: Model, inputs: Arrays) -> Arrays:
    """The outputs for as many records as the model takes."""
    outputs = model.graph({name: tf.constant(array) for name, array in inputs.items()})
    return {name: to_array(tensor) for name, tensor in outputs.items()}


def to_array(tensor: Any) -> NDArray[Any]:
    """A tensor as an array that JSON can hold: texts as str, bfloat16 as float32."""
    if tensor.dtype == tf.string:
        return np.char.decode(np.asarray(tensor).astype(bytes), "utf-8", "replace")
    return np.asarray(tf.cast(tensor, tf.float32) if tensor.dtype == tf.bfloat16 else tensor)


def encode(_: Model, outputs: Arrays) -> Any:
    """What becomes {"predictions": ...}: the only output, or {"name": ...} a record; a dict is the whole answer."""
    return to_predictions(outputs)
