"""Edit this file: it loads your model and makes predictions.

Each request passes through decode, predict and encode. Raise BadRequest("...") in any of them for a client error
(status 400, and the client gets the message). Any other exception is a bug: status 500, details in the log.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export.passes import move_to_device_pass
from torch.export.pt2_archive._package import load_pt2

from serving.content import Records
from serving.errors import BadRequest, ProcessBroken
from serving.gpu import choose_device
from serving.models import find_model_file
from serving.settings import count_math_threads
from serving.tensors import Arrays, Input, run_in_slices, to_inputs, to_predictions

# Load the model in each worker: neither CUDA nor the threads that compute on CPUs survive a fork. With PRELOAD, a
# prediction in load(), such as a warm-up, would make every later one hang.
PRELOAD = False
FLOATS = (torch.float16, torch.float32, torch.float64)  # those that NumPy supports

log = logging.getLogger(__name__)


class Loaded(NamedTuple):
    """The loaded model, passed to the functions below."""

    module: Any
    arrange: Callable[[list[Any]], tuple[Any, Any]]  # `leaves` -> positional and keyword arguments of the module
    leaves: Sequence[Any]  # the arguments the model was exported with: names of tensors, and constants
    inputs: list[Input]
    types: dict[str, torch.dtype]  # by input name
    device: str


def load(model_dir: Path) -> Loaded:
    """Load the model once, when the server starts. The file can run code: load only files that you trust.

    Export an axis of any length as dynamic: dynamic_shapes={"x": {0: torch.export.Dim("records")}}.
    """
    path = find_model_file(model_dir, ".pt2")
    torch.set_num_threads(count_math_threads())
    device = choose_device(built=torch.version.cuda is not None, found=torch.cuda.is_available())
    program = move_to_device_pass(load_program(path), device)
    values = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    leaves = tuple(program.graph_signature.user_inputs)
    tensors = {leaf: values[leaf] for leaf in leaves if isinstance(values.get(leaf), torch.Tensor)}
    types = {name: tensor.dtype for name, tensor in tensors.items()}
    inputs = [to_input(name, tensor.dtype, tensor.shape) for name, tensor in tensors.items()]
    return Loaded(program.module(), program.call_spec.in_spec.unflatten, leaves, inputs, types, device)


def load_program(path: Path) -> Any:
    """Load the exported program. If that fails, raise the cause."""
    try:
        return torch.export.load(path)
    except RuntimeError:
        load_pt2(path)  # raises the error that torch.export.load only logs
        raise


def to_input(name: str, dtype: torch.dtype, shape: Sequence[Any]) -> Input:
    """Return the type and shape of an input. Floats that NumPy lacks, such as bfloat16, arrive as float32."""
    known = "float32" if dtype.is_floating_point and dtype not in FLOATS else str(dtype).removeprefix("torch.")
    return Input(name, known, tuple(length if isinstance(length, int) else None for length in shape))


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
    except (AssertionError, IndexError):  # a length out of its range; an index outside an embedding
        log.warning("The model was not exported for these inputs.", exc_info=True)
        got = ", ".join(f"{array.shape} ({array.dtype})" for array in inputs.values())
        raise BadRequest(f"The model does not accept inputs of shape {got}.") from None


def run(model: Loaded, inputs: Arrays) -> Arrays:
    """Run the model once."""
    tensors = {name: torch.from_numpy(array).to(model.device, model.types[name]) for name, array in inputs.items()}
    args, kwargs = model.arrange([tensors.get(leaf, leaf) for leaf in model.leaves])
    with torch.inference_mode():
        return to_outputs(model.module(*args, **kwargs))


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
