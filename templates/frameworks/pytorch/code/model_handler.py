"""Edit this file: it loads your model and makes predictions.

Each request passes through decode, predict and encode. Raise BadRequest("...") in any of them for a client error
(status 400, and the client gets the message). Any other exception is a bug: status 500, details in the log.
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

# Load the model in each worker: neither CUDA nor the threads that compute on CPUs survive a fork. With PRELOAD, a
# prediction in load(), such as a warm-up, would make every later prediction hang.
PRELOAD = False
FLOATS = (torch.float16, torch.float32, torch.float64)  # those that NumPy supports

log = logging.getLogger(__name__)
warnings.filterwarnings("ignore", "`torch.jit", FutureWarning)  # every call warns that it is deprecated


class Loaded(NamedTuple):
    """The loaded model, passed to the functions below."""

    module: Any  # called with tensors by name
    inputs: list[Input]
    types: dict[str, torch.dtype]  # by input name
    device: str


def load(model_dir: Path) -> Loaded:
    """Load the model once, when the server starts.

    The file has the names of the inputs, but not their types and shapes. Declare them in an inputs.json next to it, so
    that integers stay integers and bad requests get precise errors: {"x": {"dtype": "float32", "shape": [null, 8]}}
    Or put it in the file: torch.jit.save(model, path, _extra_files={"inputs.json": ...})
    """
    path = find_model_file(model_dir, ".pt", ".pth", ".torchscript", ".ts")
    torch.set_num_threads(count_math_threads())
    device = choose_device(built=torch.version.cuda is not None, found=torch.cuda.is_available())
    files = {"inputs.json": ""}
    module = torch.jit.load(path, map_location=device, _extra_files=files).eval()
    file = path.with_name("inputs.json")
    declared = read_inputs(module, files["inputs.json"] or (file.read_text() if file.is_file() else ""))
    types = {name: getattr(torch, each["dtype"]) for name, each in declared.items()}
    inputs = [to_input(name, types[name], each.get("shape")) for name, each in declared.items()]
    return Loaded(module, inputs, types, device)


def read_inputs(module: Any, text: str) -> dict[str, dict[str, Any]]:
    """Return the inputs in inputs.json. Without one, each tensor argument of forward() gets the type of the weights.

    Raises StartError for names that forward() does not have, and for missing arguments without a default.
    """
    arguments = {each.name: each for each in module.forward.schema.arguments[1:]}
    floats = (str(each.dtype).removeprefix("torch.") for each in module.parameters() if each.is_floating_point())
    default = {"dtype": next(floats, "float32")}
    tensors = [name for name, each in arguments.items() if str(each.type) == "Tensor"]
    declared: dict[str, dict[str, Any]] = json.loads(text) if text else dict.fromkeys(tensors, default)
    required = {name for name, each in arguments.items() if not each.has_default_value()}
    if not required <= declared.keys() <= arguments.keys():
        takes = ", ".join(f"{name}: {each.type}" for name, each in arguments.items())
        raise StartError(
            f"The model's forward() takes {takes}. If all are tensors, list them in an inputs.json next to the model; "
            "otherwise write load() and predict() in code/model_handler.py."
        )
    return declared


def to_input(name: str, dtype: torch.dtype, shape: Sequence[int | None] | None) -> Input:
    """Return the type and shape of an input. Floats that NumPy lacks, such as bfloat16, arrive as float32."""
    known = "float32" if dtype.is_floating_point and dtype not in FLOATS else str(dtype).removeprefix("torch.")
    return Input(name, known, None if shape is None else tuple(shape))


def decode(model: Loaded, records: Records) -> Arrays:
    """Return the records of one request as one array for each input of the model."""
    return to_inputs(records, model.inputs)


def predict(model: Loaded, inputs: Arrays) -> Arrays:
    """Return the outputs of the model by name, each with one entry per record, in order.

    The records may come from several requests; set BATCHING = False to prevent that.
    """
    shape = model.inputs[0].shape
    try:
        return run_in_slices(partial(run, model), inputs, shape[0] if shape else None)
    except torch.AcceleratorError as error:
        raise ProcessBroken("CUDA failed and cannot recover in this process.") from error
    except torch.OutOfMemoryError:
        raise
    except RuntimeError:
        if all(each.shape is not None for each in model.inputs):
            raise
        log.warning("The model failed on inputs that inputs.json does not describe.", exc_info=True)
        got = ", ".join(f"{array.shape} ({array.dtype})" for array in inputs.values())
        hint = "Without an inputs.json next to the model, all inputs are passed as numbers of one type."
        raise BadRequest(f"The model does not accept inputs of shape {got}. {hint}") from None


def run(model: Loaded, inputs: Arrays) -> Arrays:
    """Run the model once."""
    tensors = {name: torch.from_numpy(array).to(model.device, model.types[name]) for name, array in inputs.items()}
    with torch.inference_mode():
        return to_outputs(model.module(**tensors))


def to_outputs(outputs: Any) -> Arrays:
    """Name the outputs: "output" for one tensor, "output_0", "output_1" … for a sequence; a dict keeps its keys."""
    if isinstance(outputs, torch.Tensor):
        outputs = {"output": outputs}
    elif not isinstance(outputs, dict):
        outputs = {f"output_{number}": tensor for number, tensor in enumerate(outputs)}
    return {str(name): to_array(tensor) for name, tensor in outputs.items()}


def to_array(tensor: torch.Tensor) -> NDArray[Any]:
    """Return a tensor, which may be on the GPU, as an array of a type that NumPy supports."""
    if tensor.is_floating_point() and tensor.dtype not in FLOATS:
        tensor = tensor.float()
    array: NDArray[Any] = np.atleast_1d(tensor.numpy(force=True))
    return array


def encode(model: Loaded, outputs: Arrays) -> Any:
    """Return the value of "predictions" in the response, or a dict to replace the whole response."""
    return to_predictions(outputs)
