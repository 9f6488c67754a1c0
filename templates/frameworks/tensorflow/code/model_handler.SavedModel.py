"""Edit this file: it loads your model and makes predictions.

Each request passes through decode, predict and encode. Raise BadRequest("...") in any of them for a client error
(status 400, and the client gets the message). Any other exception is a bug: status 500, details in the log.
"""

import logging
import os
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # must precede the import; errors are raised anyway

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from serving.errors import BadRequest, StartError
from serving.gpu import choose_device
from serving.models import describe_mismatch, list_files
from serving.tensors import Arrays, Input, run_in_slices, to_inputs, to_predictions
from serving.versions import advise_release, refuse_newer

PRELOAD = False  # TensorFlow's threads do not survive a fork, so each worker loads the model
FILE = "saved_model.pb"
SIGNATURE = "serving_default"

log = logging.getLogger(__name__)


class Model(NamedTuple):
    """The loaded model, passed to the functions below."""

    owner: Any  # keeps the variables of the signature alive
    signature: Any  # input=tensor -> {"output": tensor}
    inputs: list[Input]
    size: int | None  # records per call; None: any number


def load(model_dir: Path) -> Model:
    """Load the model once, when the server starts. Raises StartError if there is no signature to serve."""
    folder = find_saved_model(model_dir)
    saved = read_version(folder)
    if saved:
        refuse_newer("TensorFlow", saved, tf.__version__, advise_release(saved))
    gpus = tf.config.list_physical_devices("GPU")
    choose_device(built=tf.test.is_built_with_cuda(), found=bool(gpus))
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)  # otherwise TensorFlow takes all GPU memory at once
    owner = read(folder, saved)
    signature = choose_signature(owner.signatures)
    inputs = [to_input(name, spec) for name, spec in signature.structured_input_signature[1].items()]
    size = next((each.shape[0] for each in inputs if each.shape), None)
    return Model(owner, signature, inputs, size)


def find_saved_model(model_dir: Path) -> Path:
    """Return the folder with saved_model.pb: `model_dir`, or the only one below it, such as 1/ for TensorFlow Serving.

    Raises StartError if there is none or if there are several.
    """
    if (model_dir / FILE).exists():
        return model_dir
    folders = [path.parent for path in sorted(model_dir.rglob(FILE))]
    if len(folders) == 1:
        return folders[0]
    if not folders:
        found = ", ".join(path.name for path in list_files(model_dir))
        raise StartError(
            f"There is no {FILE} in {model_dir}, only {found}. {describe_mismatch(model_dir)}"
            "Save your model there with model.export() or tf.saved_model.save()."
        )
    names = ", ".join(str(folder.relative_to(model_dir)) for folder in folders)
    raise StartError(f"There are several models in {model_dir}: {names}. Keep only one.")


def read_version(folder: Path) -> str | None:
    """Return the version of TensorFlow that saved the model; None if the file does not record it."""
    graphs = SavedModel.FromString((folder / FILE).read_bytes()).meta_graphs
    return graphs[0].meta_info_def.tensorflow_version if graphs else None


def read(folder: Path, saved: str | None) -> Any:
    """Load the model in the folder. Raises StartError for one that was saved with a Keras 2 optimizer."""
    try:
        return tf.saved_model.load(folder)
    except AttributeError as error:
        if "add_slot" not in str(error):
            raise
    raise StartError(
        f"The model was saved by TensorFlow {saved} with a Keras 2 optimizer, which {tf.__version__} cannot read. "
        f"{advise_release('2.15')}. Or save it again without the optimizer: model.save(path, include_optimizer=False)."
    )


def choose_signature(signatures: Any) -> Any:
    """Return the signature to serve: serving_default, or the only one. Raises StartError if there is neither."""
    names = list(signatures)
    if SIGNATURE not in names and len(names) != 1:
        raise StartError(
            f"The model has no signature {SIGNATURE}, but {', '.join(names) or 'none at all'}. Save it with "
            "model.export(), or with tf.saved_model.save(model, folder, signatures=...)."
        )
    return signatures[SIGNATURE if SIGNATURE in names else names[0]]


def to_input(name: str, spec: Any) -> Input:
    """Return the type and shape of an input of the signature."""
    shape = None if spec.shape.rank is None else tuple(spec.shape.as_list())
    return Input(name, spec.dtype.name.replace("string", "str"), shape)


def decode(model: Model, records: Any) -> Arrays:
    """Return the records of one request as one array for each input of the signature."""
    return to_inputs(records, model.inputs)


def predict(model: Model, inputs: Arrays) -> Arrays:
    """Return the outputs of the signature by name, one entry per record. Raises BadRequest for values it rejects.

    The records may come from several requests; set BATCHING = False to prevent that.
    """
    try:
        return run_in_slices(partial(run, model), inputs, model.size)
    except tf.errors.InvalidArgumentError as error:  # such as an index outside an embedding
        log.warning("The model rejected a request: %s", error.message)
        raise BadRequest("The model does not accept these values.") from None


def run(model: Model, inputs: Arrays) -> Arrays:
    """Run the model once, on as many records as it takes."""
    outputs = model.signature(**{name: tf.constant(array) for name, array in inputs.items()})
    return {name: to_array(tensor) for name, tensor in outputs.items()}


def to_array(tensor: Any) -> NDArray[Any]:
    """Return a tensor as an array that JSON can represent: bytes as str, bfloat16 as float32."""
    if tensor.dtype == tf.string:
        return np.char.decode(np.asarray(tensor).astype(bytes), "utf-8", "replace")
    return np.asarray(tf.cast(tensor, tf.float32) if tensor.dtype == tf.bfloat16 else tensor)


def encode(_: Model, outputs: Arrays) -> Any:
    """Return the only output, or {"name": ...} per record, as the predictions; a dict replaces the whole response."""
    return to_predictions(outputs)
