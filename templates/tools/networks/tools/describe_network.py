"""Networks with one input: its array from rows, and outputs as the server returns them (code/serving/tensors.py)."""

from __future__ import annotations  # for Python 3.8

from typing import TYPE_CHECKING, Any

import numpy as np
from describe_json import to_json
from describe_rows import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def check_inputs(inputs: Sequence[Any]) -> None:
    """Raise Problem for a model with several inputs."""
    if len(inputs) != 1:
        raise Problem(
            f"the model has {len(inputs)} inputs, but this tool supports only one. Write model/expected.json yourself "
            "where the model was trained (README.md, 'Your model')"
        )


def run_rows(run: Callable[[Any], Any], rows: Sequence[Any], dtype: Any, shape: Sequence[Any] | None) -> dict[str, Any]:
    """Return the predictions of a network that takes arrays of this type and shape, with records on the first axis.

    `run`: array -> {"output": array}. A dimension that is not a number has any length.
    """
    array = np.array(rows, dtype=dtype)
    size = len(array)
    if shape:
        record = [length for length in shape[1:] if isinstance(length, int) and length > 0]
        if len(record) == len(shape) - 1:
            array = array.reshape([len(array), *record])
        size = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else size
    if len(array) % size:
        raise Problem(f"the model takes {size} records at a time, and {len(array)} is not a multiple of that")
    parts = [run(array[start : start + size]) for start in range(0, len(array), size)]
    outputs = {name: [entry for part in parts for entry in to_json(part[name])] for name in parts[0]}
    if any(len(values) != len(array) for values in outputs.values()):
        raise Problem("the model does not return one entry per record")
    if len(outputs) == 1:
        return {"predictions": next(iter(outputs.values()))}
    return {"predictions": [dict(zip(outputs, values)) for values in zip(*outputs.values())]}  # noqa: B905
