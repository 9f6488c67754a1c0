"""Edit this file: it loads your model and makes predictions.

Each request passes through decode, predict and encode. Raise BadRequest("...") in any of them for a client error
(status 400, and the client gets the message). Any other exception is a bug: status 500, details in the log.
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
SILENT = 4  # log severity: errors are raised as exceptions, so onnxruntime need not print them
NEWER = re.compile(r"max supported IR version: \d+|official support for domain \S+ is till opset \d+")
TYPES = {  # ONNX's name of a type -> NumPy's
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(string)": "str",
    **{f"tensor({name})": name for name in ("float16", "bool", "int8", "int16", "int32", "int64")},
    **{f"tensor({name})": name for name in ("uint8", "uint16", "uint32", "uint64")},
}


class Model(NamedTuple):
    """The loaded model, passed to the functions below."""

    session: ort.InferenceSession
    inputs: list[Input]
    size: int | None  # records per call; None: any number
    whole: bool  # some input lacks a record axis, so a request gives every input in full


def load(model_dir: Path) -> Model:
    """Load the model once, when the server starts. Any external data must be next to it."""
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
        raise StartError(
            "onnxruntime cannot use the GPU; the lines above say why. Check that the driver is new enough for its CUDA."
        )
    inputs = [to_input(each.name, each.type, each.shape) for each in session.get_inputs()]
    return Model(session, inputs, find_size(inputs), whole=not counts_records(inputs))


def choose_providers() -> list[str]:
    """Return the execution providers: the GPU, with the CPU for operators it lacks, or the CPU alone."""
    if choose_device(built=CUDA in ort.get_available_providers(), found=has_gpu()) == "cpu":
        return [CPU]
    ort.preload_dlls()  # the CUDA libraries were installed by pip, outside the loader's search path
    return [CUDA, CPU]


def refuse_newer_onnx(message: str) -> None:
    """Raise StartError if onnxruntime rejected the model because its ONNX version is too new."""
    if limit := NEWER.search(message):
        raise StartError(
            f"The model needs an onnxruntime newer than {ort.__version__} ({limit[0]}). Set a newer one in "
            "requirements.txt, or export the model for an older version of ONNX."
        ) from None


def to_input(name: str, kind: str, shape: Sequence[int | str | None]) -> Input:
    """Return the type and shape of an input. A named dimension has any length; the shape is None if not declared."""
    if kind not in TYPES:
        raise StartError(f"model_handler.py cannot create the input {name} ({kind}): change load() and decode().")
    lengths = tuple(length if isinstance(length, int) and length > 0 else None for length in shape)
    return Input(name, TYPES[kind], lengths or None)


def find_size(inputs: Sequence[Input]) -> int | None:
    """Return the number of records per call if the first dimension of the inputs fixes it."""
    return next((each.shape[0] for each in inputs if each.shape and each.shape[0]), None)


def decode(model: Model, records: Any) -> Arrays | Whole:
    """Return the records of one request as one array for each input, by name, with records on the first axis."""
    return to_whole(records, model.inputs) if model.whole else to_inputs(records, model.inputs)


def predict(model: Model, inputs: Arrays | Whole) -> dict[str, Any]:
    """Return the outputs of the model, by name.

    The records may come from several requests; set BATCHING = False to prevent that.
    """
    if isinstance(inputs, Whole):
        return run(model.session, inputs.arrays)
    return run_in_slices(partial(run, model.session), inputs, model.size)


def run(session: ort.InferenceSession, inputs: Arrays) -> dict[str, Any]:
    """Run the model once. Raises BadRequest for inputs that the model rejects, such as an index out of range."""
    names = [output.name for output in session.get_outputs()]
    try:
        outputs = session.run(names, inputs)
    except (Fail, InvalidArgument, RuntimeException) as error:
        if not isinstance(error, InvalidArgument) and not re.search("dimension|shape|broadcast", str(error)):
            raise
        logging.warning("onnxruntime rejected the inputs.", exc_info=True)
        raise BadRequest("The model does not accept inputs with these values or shapes.") from None
    return dict(zip(names, map(to_entries, outputs), strict=True))


def to_entries(output: Any) -> Any:
    """Return an output with one entry per record: an array, or a list of dicts (ZipMap) with strings as keys."""
    if isinstance(output, np.ndarray):
        return np.atleast_1d(output)
    if isinstance(output, list) and all(isinstance(entry, dict) for entry in output):
        return [{str(name): value for name, value in entry.items()} for entry in output]
    return output


def encode(model: Model, outputs: dict[str, Any]) -> Any:
    """Return the only output, or all outputs by name, as the predictions; a dict replaces the whole response."""
    return {"predictions": outputs} if model.whole else to_predictions(outputs)
