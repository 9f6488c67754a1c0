"""The one file to edit: how your model is loaded and how it predicts.

A request goes through decode, predict and encode. Raise BadRequest("...") in any of them for an error of the client
(status 400, the message goes to the client). Any other exception is a bug here: status 500, the story in the log.
"""

import json
import logging
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from serving.content import Records
from serving.errors import BadRequest, ProcessBroken, StartError
from serving.gpu import choose_device
from serving.models import find_model_file
from serving.settings import count_math_threads
from serving.tensors import Arrays, Input, run_in_slices, to_inputs, to_predictions

# The model is loaded in the process that serves it: CUDA does not survive a fork, nor do the threads of a computation,
# on CPUs too, so that a prediction in load(), such as one to warm up, would hang every later one.
PRELOAD = False
FLOATS = (torch.float16, torch.float32, torch.float64)  # those of NumPy

log = logging.getLogger(__name__)
warnings.filterwarnings("ignore", "`torch.jit", FutureWarning)  # each call is deprecated, and says so


class Loaded(NamedTuple):
    """The model and what it takes."""

    module: Any  # called with tensors by name
    inputs: list[Input]
    types: dict[str, torch.dtype]  # by the name of the input
    device: str


def load(model_dir: Path) -> Loaded:
    """Loads the model once, when the server starts.

    The file names the inputs, but tells no types and shapes. Say them in an inputs.json next to it, so that
    whole numbers arrive as such and wrong requests get exact answers: {"x": {"dtype": "float32", "shape": [null, 8]}}
    It can also be in the file: torch.jit.save(model, path, _extra_files={"inputs.json": ...})
    """
    path = find_model_file(model_dir, ".pt", ".pth", ".torchscript", ".ts")
    torch.set_num_threads(count_math_threads())
    device = choose_device(built=torch.version.cuda is not None, found=torch.cuda.is_available())
    files = {"inputs.json": ""}
    module = torch.jit.load(path, map_location=device, _extra_files=files).eval()
    beside = path.with_name("inputs.json")
    told = read_inputs(module, files["inputs.json"] or (beside.read_text() if beside.is_file() else ""))
    types = {name: getattr(torch, each["dtype"]) for name, each in told.items()}
    inputs = [to_input(name, types[name], each.get("shape")) for name, each in told.items()]
    return Loaded(module, inputs, types, device)


def read_inputs(module: Any, text: str) -> dict[str, dict[str, Any]]:
    """What inputs.json says; if there is none, each tensor that forward() takes has the type of the first weights.

    Raises StartError for names that forward() does not have, and for arguments without a default that are left out.
    """
    arguments = {each.name: each for each in module.forward.schema.arguments[1:]}
    floats = (str(each.dtype).removeprefix("torch.") for each in module.parameters() if each.is_floating_point())
    usual = {"dtype": next(floats, "float32")}
    tensors = [name for name, each in arguments.items() if str(each.type) == "Tensor"]
    told: dict[str, dict[str, Any]] = json.loads(text) if text else dict.fromkeys(tensors, usual)
    needed = {name for name, each in arguments.items() if not each.has_default_value()}
    if not needed <= told.keys() <= arguments.keys():
        takes = ", ".join(f"{name}: {each.type}" for name, each in arguments.items())
        raise StartError(
            f"The model's forward() takes {takes}. If all are tensors, name them in an inputs.json next to the model; "
            "otherwise write load() and predict() in code/model_handler.py."
        )
    return told


def to_input(name: str, dtype: torch.dtype, shape: Sequence[int | None] | None) -> Input:
    """What is expected of an input, in types of NumPy. A float that NumPy lacks, such as bfloat16, fits its float32."""
    known = "float32" if dtype.is_floating_point and dtype not in FLOATS else str(dtype).removeprefix("torch.")
    return Input(name, known, None if shape is None else tuple(shape))


def decode(model: Loaded, records: Records) -> Arrays:
    """The records of one request as one array for each input of the model."""
    return to_inputs(records, model.inputs)


def predict(model: Loaded, inputs: Arrays) -> Arrays:
    """The outputs of the model by name, each with one entry a record, in their order.

    The records may come from several requests: BATCHING = False in this file ends that.
    """
    shape = model.inputs[0].shape
    try:
        return run_in_slices(partial(run, model), inputs, shape[0] if shape else None)
    except torch.AcceleratorError as error:
        raise ProcessBroken("CUDA has failed in this process, for good.") from error
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:
        if all(each.shape is not None for each in model.inputs):
            raise
        log.warning("The model failed on inputs that inputs.json does not describe.", exc_info=True)
        got = ", ".join(f"{array.shape} ({array.dtype})" for array in inputs.values())
        hint = "Without an inputs.json next to the model, every input is sent as numbers of one type."
        raise BadRequest(f"The model does not take inputs of shape {got}. {hint}") from None


def run(model: Loaded, inputs: Arrays) -> Arrays:
    """One call of the model."""
    tensors = {name: torch.from_numpy(array).to(model.device, model.types[name]) for name, array in inputs.items()}
    with torch.inference_mode():
        return to_outputs(model.module(**tensors))


def to_outputs(outputs: Any) -> Arrays:
    """One tensor as "output", those of a tuple or a list as "output_0", "output_1" …, those of a dict by its keys."""
    if isinstance(outputs, torch.Tensor):
        outputs = {"output": outputs}
    elif not isinstance(outputs, dict):
        outputs = {f"output_{number}": tensor for number, tensor in enumerate(outputs)}
    return {str(name): to_array(tensor) for name, tensor in outputs.items()}


def to_array(tensor: torch.Tensor) -> NDArray[Any]:
    """The tensor for NumPy."""
    if tensor.is_floating_point() and tensor.dtype not in FLOATS:
        tensor = tensor.float()
    array: NDArray[Any] = np.atleast_1d(tensor.numpy(force=True))  # from the GPU, too
    return array


def encode(model: Loaded, outputs: Arrays) -> Any:
    """What becomes {"predictions": ...}; return a dict to write the whole answer yourself."""
    return to_predictions(outputs)
