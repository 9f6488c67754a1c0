"""The one file to edit: how your model is loaded and how it predicts.

A request goes through decode, predict and encode. Raise BadRequest("...") in any of them for an error of the client
(status 400, the message goes to the client). Any other exception is a bug here: status 500, the story in the log.
"""

import logging
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, RuntimeException

from serving.errors import BadRequest, StartError
from serving.gpu import choose_device, has_gpu
from serving.models import find_model_file
from serving.settings import count_math_threads
from serving.tensors import (
    Arrays,
    Input,
    Whole,
    counts_records,
    run_in_slices,
    to_inputs,
    to_predictions,
    to_whole,
)

PRELOAD = count_math_threads() == 1 and not has_gpu()  # neither a session's threads nor CUDA survive a fork

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
SILENT = 4  # what goes wrong with a session is an exception, so that onnxruntime need not print it, too
NEWER = re.compile(r"max supported IR version: \d+|official support for domain \S+ is till opset \d+")
TYPES = {  # ONNX's name of a type -> NumPy's
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(string)": "str",
    **{f"tensor({name})": name for name in ("float16", "bool", "int8", "int16", "int32", "int64")},
    **{f"tensor({name})": name for name in ("uint8", "uint16", "uint32", "uint64")},
}


class Model(NamedTuple):
    """What load returns, and the other functions get."""

    session: ort.InferenceSession
    inputs: list[Input]
    size: int | None  # the number of records that it takes at a time; None: any
    whole: bool  # not every input has records on its first axis: a request has each input as the model takes it


def load(model_dir: Path) -> Model:
    """Loads the model once, when the server starts. Its external data, if it has any, lie beside it."""
    path = find_model_file(model_dir, ".onnx")
    options = ort.SessionOptions()
    options.intra_op_num_threads = count_math_threads()
    options.log_severity_level = SILENT
    providers = choose_providers()
    try:
        session = ort.InferenceSession(path, options, providers, enable_fallback=0)
    except Exception as error:
        refuse_newer_onnx(str(error))
        raise
    if session.get_providers()[0] != providers[0]:
        raise StartError("onnxruntime cannot use the GPU. The lines above say why: a driver too old for its CUDA?")
    inputs = [to_input(each.name, each.type, each.shape) for each in session.get_inputs()]
    return Model(session, inputs, find_size(inputs), whole=not counts_records(inputs))


def choose_providers() -> list[str]:
    """What runs the model: the GPU, with the CPU for what that cannot run, or the CPU."""
    if choose_device(built=CUDA in ort.get_available_providers(), found=has_gpu()) == "cpu":
        return [CPU]
    ort.preload_dlls()  # CUDA's libraries come from pip, to a place where no one else looks for them
    return [CUDA, CPU]


def refuse_newer_onnx(message: str) -> None:
    """Raises StartError if onnxruntime refused the model for its version of ONNX."""
    if limit := NEWER.search(message):
        raise StartError(
            f"The model needs an onnxruntime newer than {ort.__version__} ({limit[0]}). Set requirements.txt to a "
            "newer one, or save the model for an older version of ONNX."
        ) from None


def to_input(name: str, kind: str, shape: Sequence[int | str | None]) -> Input:
    """What the model expects of an input. A dimension with a name is of any length; no dimensions: it does not say."""
    if kind not in TYPES:
        raise StartError(f"The input {name} is a {kind}, which model_handler.py does not make: change load and decode.")
    lengths = tuple(length if isinstance(length, int) and length > 0 else None for length in shape)
    return Input(name, TYPES[kind], lengths or None)


def find_size(inputs: Sequence[Input]) -> int | None:
    """The number of records that a model takes at a time, if that is fixed: the first dimension of its inputs."""
    return next((each.shape[0] for each in inputs if each.shape and each.shape[0]), None)


def decode(model: Model, records: Any) -> Arrays | Whole:
    """The records of one request as one array for each input of the model, by name; records are on the first axis."""
    return to_whole(records, model.inputs) if model.whole else to_inputs(records, model.inputs)


def predict(model: Model, inputs: Arrays | Whole) -> dict[str, Any]:
    """The outputs of the model, by name.

    The records may come from several requests: BATCHING = False in this file ends that.
    """
    if isinstance(inputs, Whole):
        return run(model.session, inputs.arrays)
    return run_in_slices(partial(run, model.session), inputs, model.size)


def run(session: ort.InferenceSession, inputs: Arrays) -> dict[str, Any]:
    """Runs the model once. Raises BadRequest for what it refuses itself, such as an index beyond its table."""
    names = [output.name for output in session.get_outputs()]
    try:
        outputs = session.run(names, inputs)
    except (Fail, InvalidArgument, RuntimeException) as error:
        if not isinstance(error, InvalidArgument) and not re.search("dimension|shape|broadcast", str(error)):
            raise
        logging.warning("onnxruntime refused the inputs.", exc_info=True)
        raise BadRequest("The model does not take inputs of these values or shapes.") from None
    return dict(zip(names, map(to_entries, outputs), strict=True))


def to_entries(output: Any) -> Any:
    """An output with one entry a record: an array, or a list of dicts (ZipMap), whose keys must be texts for JSON."""
    if isinstance(output, np.ndarray):
        return np.atleast_1d(output)
    if isinstance(output, list) and all(isinstance(entry, dict) for entry in output):
        return [{str(name): value for name, value in entry.items()} for entry in output]
    return output


def encode(model: Model, outputs: dict[str, Any]) -> Any:
    """What becomes {"predictions": ...}: the only output, or all by name; return a dict to write the whole answer."""
    return {"predictions": outputs} if model.whole else to_predictions(outputs)
