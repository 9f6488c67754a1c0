"""Networks with one input: rows as its array, and the outputs as the server answers them (code/serving/tensors.py)."""

from __future__ import annotations  # for Python 3.8

from typing import TYPE_CHECKING, Any

import numpy as np
from describe_json import to_json
from describe_rows import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def check_inputs(inputs: Sequence[Any]) -> None:
    """Raises Problem for a model with several inputs."""
    if len(inputs) != 1:
        raise Problem(
            f"the model has {len(inputs)} inputs, and only models with one are described. Write model/expected.json "
            "yourself where the model was trained (README.md, 'Your model')"
        )


def run_rows(run: Callable[[Any], Any], rows: Sequence[Any], dtype: Any, shape: Sequence[Any] | None) -> dict[str, Any]:
    """The predictions of a network that takes arrays of this type and shape, whose first axis counts the records.

    `run`: array -> {"output": array}. A length that is not a number is any.
    """
    array = np.array(rows, dtype=dtype)
    size = len(array)
    if shape:
        record = [length for length in shape[1:] if isinstance(length, int) and length > 0]
        if len(record) == len(shape) - 1:
            array = array.reshape([len(array), *record])
        size = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else size
    if len(array) % size:
        raise Problem(f"the model takes {size} records at a time, and {len(array)} are not that many times some number")
    parts = [run(array[start : start + size]) for start in range(0, len(array), size)]
    outputs = {name: [entry for part in parts for entry in to_json(part[name])] for name in parts[0]}
    if any(len(values) != len(array) for values in outputs.values()):
        raise Problem("the model does not give one entry for each record")
    if len(outputs) == 1:
        return {"predictions": next(iter(outputs.values()))}
    return {"predictions": [dict(zip(outputs, values)) for values in zip(*outputs.values())]}  # noqa: B905
