"""PyTorch for describe_model.py. A model with one input predicts as in code/model_handler.py."""

from __future__ import annotations  # for Python 3.8

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from describe_network import check_inputs, run_rows
from describe_rows import Problem

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = False  # predict() gets the rows as lists of JSON values
FLOATS = (torch.float16, torch.float32, torch.float64)  # those that NumPy supports


def read(path: Path) -> Any:
    """Load a TorchScript model, with the type and shape of its input from inputs.json if there is one."""
    files = {"inputs.json": ""}
    model = torch.jit.load(str(path), map_location="cpu", _extra_files=files)
    file = path.with_name("inputs.json")
    text = files["inputs.json"] or (file.read_text() if file.is_file() else "")
    inputs = json.loads(text) if text else {}
    model.described = [(getattr(torch, each["dtype"]), each.get("shape")) for each in inputs.values()]
    return model


def read_program(path: Path) -> Any:
    """Load an exported program as a module, with the type and shape of its input."""
    program = torch.export.load(str(path))
    values = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    tensors = [values[name] for name in program.graph_signature.user_inputs if hasattr(values.get(name), "dtype")]
    model = program.module()
    model.described = [(tensor.dtype, list(tensor.shape)) for tensor in tensors]
    return model


READERS = {**dict.fromkeys([".pt", ".pth", ".torchscript", ".ts"], read), ".pt2": read_program}


def unwrap(model: Any) -> Any:
    """Return the model unchanged."""
    if not isinstance(model, torch.nn.Module):
        raise Problem(f"this project serves PyTorch models, not a {type(model).__name__}")
    tensors = (
        [each for each in model.forward.schema.arguments[1:] if str(each.type) == "Tensor"]
        if is_scripted(model)
        else [None]
    )
    check_inputs(getattr(model, "described", None) or tensors)
    return model


def is_scripted(model: Any) -> bool:
    """Return whether the model is TorchScript, which records the names of its inputs."""
    return isinstance(model, torch.jit.ScriptModule)


def find_names(model: Any) -> list[str]:
    """Return no names: requests are not by column."""
    return []


def takes_columns(model: Any, frame: Any) -> bool:
    """Return whether requests name their columns."""
    return False


def predict(model: Any, rows: list[Any]) -> dict[str, Any]:
    """Return the only output, or all by name. Without an inputs.json, the input has the type of the first weights."""
    weights = next((each for each in model.parameters() if each.is_floating_point()), torch.empty(0))
    dtype, shape = next(iter(getattr(model, "described", None) or [(weights.dtype, None)]))
    known = "float32" if dtype.is_floating_point and dtype not in FLOATS else str(dtype).replace("torch.", "")

    def run(array: Any) -> dict[str, Any]:
        with torch.no_grad():
            outputs = model(torch.from_numpy(array).to(weights.device, dtype))
        if isinstance(outputs, torch.Tensor):
            outputs = {"output": outputs}
        elif not isinstance(outputs, dict):
            outputs = {f"output_{number}": tensor for number, tensor in enumerate(outputs)}
        return {str(name): to_array(tensor) for name, tensor in outputs.items()}

    trains = model.training and not isinstance(model, torch.fx.GraphModule)  # an exported program has no modes
    try:
        if trains:
            model.eval()
        return run_rows(run, rows, known, shape)
    finally:
        if trains:
            model.train()


def to_array(tensor: Any) -> Any:
    """Return a tensor, which may be on the GPU, as an array of a type that NumPy supports."""
    if tensor.is_floating_point() and tensor.dtype not in FLOATS:
        tensor = tensor.float()
    return np.atleast_1d(tensor.detach().cpu().numpy())
