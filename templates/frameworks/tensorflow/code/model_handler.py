"""Edit this file: it loads your model and makes predictions.

Each request passes through decode, predict and encode. Raise BadRequest("...") in any of them for a client error
(status 400, and the client gets the message). Any other exception is a bug: status 500, details in the log.
"""

import json
import logging
import os
import re
import zipfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # must precede the import; errors are raised anyway

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

PRELOAD = False  # TensorFlow's threads do not survive a fork, so each worker loads the model

# Your own layers, functions and other objects in the model: {"Scale": Scale}. Those defined in a Python file next to
# this one are found without an entry here.
CUSTOM_OBJECTS: dict[str, Any] = {}

log = logging.getLogger(__name__)


class Model(NamedTuple):
    """The loaded model, passed to the functions below."""

    net: Any  # keeps the variables of the graph alive
    graph: Any  # {"input": tensor} -> {"output": tensor}
    inputs: list[Input]
    size: int | None  # records per call; None: any number


def load(model_dir: Path) -> Model:
    """Load the model once, when the server starts. Raises StartError if the model does not declare its inputs."""
    path = find_model_file(model_dir, ".keras", ".h5")
    if saved := read_version(path):
        refuse_version(saved)
    gpus = tf.config.list_physical_devices("GPU")
    choose_device(built=tf.test.is_built_with_cuda(), found=bool(gpus))
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)  # otherwise TensorFlow takes all GPU memory at once
    net = load_net(path)
    if not getattr(net, "inputs", None):
        raise StartError(
            f"The model in {path.name} is a class of your own and does not declare its inputs. Build it from "
            "keras.Input, or write load(), decode() and predict() for it in model_handler.py."
        )
    kinds = [tf.as_dtype(each.dtype).name.replace("string", "str") for each in net.inputs]
    inputs = [Input(each.name, kind, tuple(each.shape)) for each, kind in zip(net.inputs, kinds, strict=True)]
    size = next((each.shape[0] for each in net.inputs if each.shape[0]), None)
    return Model(net, trace(net), inputs, size)


def load_net(path: Path) -> Any:
    """Return the Keras model, with objects that Keras does not know taken from the Python files next to this one."""
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
    """Return the version of Keras that saved the model; None if the file does not record it."""
    if zipfile.is_zipfile(path):  # Keras 2.12 wrote .keras as HDF5, too
        with zipfile.ZipFile(path) as archive:
            return str(json.loads(archive.read("metadata.json"))["keras_version"])
    with h5py.File(path) as file:
        version = file.attrs.get("keras_version")
    return version.decode() if isinstance(version, bytes) else version


def refuse_version(saved: str) -> None:
    """Raise StartError for a model of a newer Keras, or of Keras 2, which was part of TensorFlow up to 2.15."""
    advice = advise_release("VERSION, with the TensorFlow version used in training")
    refuse_newer("Keras", saved, keras.__version__, advice)
    if saved.startswith("2.") and not keras.__version__.startswith("2."):
        minor = max(12, int(saved.split(".")[1]))  # 2.12, the oldest release available here, reads older models
        refuse_other("Keras", saved, keras.__version__, advise_release(f"2.{minor}"))


def trace(net: Any) -> Any:
    """Return the model as a graph for any number of records. Without one, each layer is a slow call from Python."""
    structure = net.inputs[0] if isinstance(net, keras.Sequential) else net.input

    def call(tensors: dict[str, Any]) -> dict[str, Any]:
        outputs = net(tf.nest.map_structure(lambda each: tensors[each.name], structure), training=False)
        return outputs if isinstance(outputs, dict) else name_outputs(net, tf.nest.flatten(outputs))

    signature = {each.name: tf.TensorSpec(each.shape, each.dtype) for each in net.inputs}
    return tf.function(call, input_signature=[signature]).get_concrete_function()


@tf.autograph.experimental.do_not_convert
def name_outputs(net: Any, tensors: list[Any]) -> dict[str, Any]:
    """Return the outputs by layer name, or numbered if a layer has several outputs or the model has no names."""
    names = getattr(net, "output_names", [])
    if len(set(names)) != len(tensors):
        names = [f"output_{number}" for number in range(len(tensors))]
    return dict(zip(names, tensors, strict=True))


def decode(model: Model, records: Any) -> Arrays:
    """Return the records of one request as one array for each input of the model, by its Keras name."""
    return to_inputs(records, model.inputs)


def predict(model: Model, inputs: Arrays) -> Arrays:
    """Return the outputs of the model by name, one entry per record. Raises BadRequest for values it rejects.

    The records may come from several requests; set BATCHING = False to prevent that.
    """
    try:
        return run_in_slices(partial(run, model), inputs, model.size)
    except tf.errors.InvalidArgumentError as error:  # such as an index outside an embedding
        log.warning("The model rejected a request: %s", error.message)
        raise BadRequest("The model does not accept these values.") from None


def run(model: Model, inputs: Arrays) -> Arrays:
    """Run the model once, on as many records as it takes."""
    outputs = model.graph({name: tf.constant(array) for name, array in inputs.items()})
    return {name: to_array(tensor) for name, tensor in outputs.items()}


def to_array(tensor: Any) -> NDArray[Any]:
    """Return a tensor as an array that JSON can represent: bytes as str, bfloat16 as float32."""
    if tensor.dtype == tf.string:
        return np.char.decode(np.asarray(tensor).astype(bytes), "utf-8", "replace")
    return np.asarray(tf.cast(tensor, tf.float32) if tensor.dtype == tf.bfloat16 else tensor)


def encode(_: Model, outputs: Arrays) -> Any:
    """Return the only output, or {"name": ...} per record, as the predictions; a dict replaces the whole response."""
    return to_predictions(outputs)
