"""Edit this file: it loads your model and makes predictions.

Each request passes through decode, predict and encode. Raise BadRequest("...") in any of them for a client error
(status 400, and the client gets the message). Any other exception is a bug: status 500, details in the log.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from serving.columns import ARRAY, COLUMNS, NUMBER, Column, Columns, InputSchema
from serving.errors import BadRequest, StartError
from serving.models import find_model_file
from serving.request import current
from serving.settings import count_math_threads
from serving.tabular import to_matrix

PRELOAD = count_math_threads() == 1  # a session's threads do not survive a fork
SILENT = 4  # log severity: errors are raised as exceptions, so onnxruntime need not print them
TEXT = "tensor(string)"
MISSING = "\u2400"  # the same as in convert_steps.py
LARGEST = float(np.finfo(np.float32).max)  # trees compare in float32

Arrays = dict[str, NDArray[Any]]  # by input name


class Model(NamedTuple):
    """The loaded model, passed to the functions below."""

    session: ort.InferenceSession
    inputs: Mapping[str, str]  # name -> type: one array of records, or one input per column
    width: int  # number of columns
    names: Sequence[str]  # of the columns; empty for a model trained on arrays
    closed: bool  # an unknown category is an error; otherwise it counts as missing
    missing: bool  # records given as lists can have missing values
    classes: Sequence[Any] | None

    @property
    def by_column(self) -> bool:
        """Whether the model has one input per column."""
        return TEXT in self.inputs.values()


def load(model_dir: Path) -> Model:
    """Load the model once, when the server starts. Raises StartError for one that convert.py did not write."""
    path = find_model_file(model_dir, ".onnx")
    options = ort.SessionOptions()
    options.intra_op_num_threads = count_math_threads()
    options.log_severity_level = SILENT
    session = ort.InferenceSession(path, options, ["CPUExecutionProvider"], enable_fallback=0)
    facts = session.get_modelmeta().custom_metadata_map.get("serving")
    if facts is None:
        raise StartError(
            f"{path.name} was not written by tools/convert.py. Convert your model with that, or generate a project for "
            "other ONNX models with --framework=onnx."
        )
    return Model(session, {each.name: each.type for each in session.get_inputs()}, **json.loads(facts))


def find_columns(model: Model) -> InputSchema | None:
    """Return the columns, if they have names. Their types and possible values are in model/signature.json."""
    texts = {name for name, kind in model.inputs.items() if kind == TEXT}
    columns = [
        Column(name, "string", missing_value=None)
        if name in texts
        else Column(name, NUMBER, refuses_unknown=model.closed)
        for name in model.names
    ]
    return InputSchema(columns, COLUMNS if model.by_column else ARRAY) if columns else None


def decode(model: Model, records: Any) -> Arrays:
    """Return the records of one request as model inputs, each of shape (records, 1) or (records, columns)."""
    if isinstance(records, Columns):
        arrays = {name: to_input(records[name], kind) for name, kind in model.inputs.items()}
        numbers = np.column_stack([each for each in arrays.values() if each.dtype == np.float64] or [np.zeros((1, 1))])
    else:
        numbers = to_matrix(records, model.width)
        arrays = {"records": numbers}
    check_values(numbers, missing=model.missing or bool(model.names))
    return arrays


def to_input(values: NDArray[Any], kind: str) -> NDArray[Any]:
    """Return a column as a model input. ONNX has no missing strings: MISSING marks them, escaped in the client's."""
    if kind != TEXT:
        return values.astype(np.float64)[:, np.newaxis]
    texts = [MISSING if value is None else 2 * MISSING if value == MISSING else value for value in values]
    return np.array(texts, dtype=object)[:, np.newaxis]


def check_values(numbers: NDArray[np.float64], missing: bool) -> None:
    """Raise BadRequest for values that are infinite in float32 and, unless `missing`, for missing values."""
    fits = np.abs(numbers) <= LARGEST
    if not (fits | np.isnan(numbers) if missing else fits).all():
        record = int((~fits).any(axis=1).argmax()) + 1
        raise BadRequest(f"Record {record}: this model does not accept missing, infinite or too large values.")


def predict(model: Model, inputs: Arrays) -> Any:
    """Return one prediction per record, plus class probabilities for {"parameters": {"probabilities": true}}.

    The records may come from several requests with the same parameters; set BATCHING = False to prevent that.
    """
    known = {output.name for output in model.session.get_outputs()}
    if not current().parameters.get("probabilities"):
        return model.session.run(["answer.predictions"], inputs)[0]
    if "answer.probabilities" not in known:
        raise BadRequest("This model has no probabilities.")
    predictions, probabilities = model.session.run(["answer.predictions", "answer.probabilities"], inputs)
    return {"predictions": predictions, "probabilities": probabilities}


def encode(model: Model, outputs: Any) -> Any:
    """Return the predictions. With probabilities, add the classes in the order of their columns.

    Return a dict to replace the whole response, or a list with one entry per record.
    """
    return {**outputs, "classes": model.classes} if isinstance(outputs, dict) and model.classes else outputs
