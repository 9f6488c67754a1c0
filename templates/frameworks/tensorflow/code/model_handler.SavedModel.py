"""The one file to edit: how your model is loaded and how it predicts.

A request goes through decode, predict and encode. Raise BadRequest("...") in any of them for an error of the client
(status 400, the message goes to the client). Any other exception is a bug here: status 500, the story in the log.
"""

import logging
import os
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reads it once; its errors are exceptions, too

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from serving.errors import BadRequest, StartError
from serving.gpu import choose_device
from serving.models import describe_mismatch, list_files
from serving.tensors import Arrays, Input, run_in_slices, to_inputs, to_predictions
from serving.versions import advise_release, refuse_newer

PRELOAD = False  # TensorFlow's threads do not survive a fork: the serving process loads the model itself
FILE = "saved_model.pb"
SIGNATURE = "serving_default"

log = logging.getLogger(__name__)


class Model(NamedTuple):
    """A loaded model."""

    owner: Any  # which has the variables that the signature uses
    signature: Any  # input=tensor -> {"output": tensor}
    inputs: list[Input]
    size: int | None  # the records it takes at a time; None: any number


def load(model_dir: Path) -> Model:
    """Loads the model once, when the server starts. Raises StartError if there is no signature to serve."""
    folder = find_saved_model(model_dir)
    saved = read_version(folder)
    if saved:
        refuse_newer("TensorFlow", saved, tf.__version__)
    gpus = tf.config.list_physical_devices("GPU")
    choose_device(built=tf.test.is_built_with_cuda(), found=bool(gpus))
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)  # else TensorFlow takes all of its memory at once
    owner = read(folder, saved)
    signature = choose_signature(owner.signatures)
    inputs = [to_input(name, spec) for name, spec in signature.structured_input_signature[1].items()]
    size = next((each.shape[0] for each in inputs if each.shape), None)
    return Model(owner, signature, inputs, size)


def find_saved_model(model_dir: Path) -> Path:
    """The folder with saved_model.pb: the model's own, or the only one in it, such as the 1/ of TensorFlow Serving.

    Raises StartError, for the last line of the log, if there is none or if there are several.
    """
    if (model_dir / FILE).exists():
        return model_dir
    folders = [path.parent for path in sorted(model_dir.rglob(FILE))]
    if len(folders) == 1:
        return folders[0]
    if not folders:
        there = ", ".join(path.name for path in list_files(model_dir))
        raise StartError(
            f"There is no {FILE} in {model_dir}, only {there}. {describe_mismatch(model_dir)}"
            "Save your model there with model.export() or tf.saved_model.save()."
        )
    names = ", ".join(str(folder.relative_to(model_dir)) for folder in folders)
    raise StartError(f"Which is the model in {model_dir}: {names}? Leave only one there.")


def read_version(folder: Path) -> str | None:
    """The version of TensorFlow that saved the model; None if the file does not say."""
    graphs = SavedModel.FromString((folder / FILE).read_bytes()).meta_graphs
    return graphs[0].meta_info_def.tensorflow_version if graphs else None


def read(folder: Path, saved: str | None) -> Any:
    """The model in the folder. Raises StartError for one that was saved with an optimizer of Keras 2."""
    try:
        return tf.saved_model.load(folder)
    except AttributeError as error:
        if "add_slot" not in str(error):
            raise
    raise StartError(
        f"The model was saved by TensorFlow {saved} with an optimizer of Keras 2, which {tf.__version__} cannot read. "
        f"{advise_release('2.15')}. Or save it again without the optimizer: model.save(path, include_optimizer=False)."
    )


def choose_signature(signatures: Any) -> Any:
    """The signature to serve: serving_default, or the only one. Raises StartError if there is neither."""
    names = list(signatures)
    if SIGNATURE not in names and len(names) != 1:
        raise StartError(
            f"The model has no signature {SIGNATURE}, but {', '.join(names) or 'none at all'}. Save it with "
            "model.export(), or with tf.saved_model.save(model, folder, signatures=...)."
        )
    return signatures[SIGNATURE if SIGNATURE in names else names[0]]


def to_input(name: str, spec: Any) -> Input:
    """What the signature expects of one of its inputs."""
    shape = None if spec.shape.rank is None else tuple(spec.shape.as_list())
    return Input(name, spec.dtype.name.replace("string", "str"), shape)


def decode(model: Model, records: Any) -> Arrays:
    """The records of one request as an array for each input of the signature."""
    return to_inputs(records, model.inputs)


def predict(model: Model, inputs: Arrays) -> Arrays:
    """The outputs of the signature by name, one entry a record. Raises BadRequest for values that it refuses.

    The records may come from several requests: BATCHING = False in this file ends that.
    """
    try:
        return run_in_slices(partial(run, model), inputs, model.size)
    except tf.errors.InvalidArgumentError as error:  # such as a number beyond those that an embedding knows
        log.warning("The model refused a request: %s", error.message)
        raise BadRequest("The model does not take these values.") from None


def run(model: Model, inputs: Arrays) -> Arrays:
    """The outputs for as many records as the model takes."""
    outputs = model.signature(**{name: tf.constant(array) for name, array in inputs.items()})
    return {name: to_array(tensor) for name, tensor in outputs.items()}


def to_array(tensor: Any) -> NDArray[Any]:
    """A tensor as an array that JSON can hold: texts as str, bfloat16 as float32."""
    if tensor.dtype == tf.string:
        return np.char.decode(np.asarray(tensor).astype(bytes), "utf-8", "replace")
    return np.asarray(tf.cast(tensor, tf.float32) if tensor.dtype == tf.bfloat16 else tensor)


def encode(_: Model, outputs: Arrays) -> Any:
    """What becomes {"predictions": ...}: the only output, or {"name": ...} a record; a dict is the whole answer."""
    return to_predictions(outputs)
