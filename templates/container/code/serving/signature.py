"""model/signature.json: the input columns of a model, and the names of its outputs.

{"inputs": [{"name": "city", "type": "string", "required": true, "categories": ["Oslo", "Rome"]}], "outputs": [...]}.
Types are MLflow's. Optional keys: `required`, whether a record must have the column; `nullable`, whether its value can
be null although it is required; `categories`, as in pandas; `"missing": "None"` if None, not NaN, stands for a missing
value; and `values`, the only values that the model takes.
"""

import json
from collections.abc import Iterable, Sequence
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from serving.columns import FRAME, Column, InputSchema
from serving.content import to_plain
from serving.errors import StartError
from serving.values import SIGNATURE_TYPES

FILE = "signature.json"


class Output(NamedTuple):
    """An output of a model."""

    name: str | None
    type: str | None


class Signature(NamedTuple):
    """The contents of the file."""

    inputs: Sequence[Column]
    outputs: Sequence[Output] = ()


def read_signature(model_dir: Path) -> Signature | None:
    """Read the file in a model's folder; None if there is none. Raises StartError if it is broken."""
    path = model_dir / FILE
    if not path.is_file():
        return None
    try:
        saved = json.loads(path.read_bytes())
        columns = [to_column(each) for each in saved["inputs"]]
        outputs = [Output(each.get("name"), each.get("type")) for each in saved.get("outputs") or ()]
        names, unknown = {column.name for column in columns}, {column.type for column in columns} - SIGNATURE_TYPES
        problem = f"unknown type {min(unknown)}; the types are {', '.join(sorted(SIGNATURE_TYPES))}" if unknown else ""
        problem = problem or ("two columns have the same name" if len(names) < len(columns) else "")
        problem = problem or ("" if columns else "it has no inputs")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        problem = f'it is not {{"inputs": [{{"name": ..., "type": ...}}]}} ({type(error).__name__}: {error})'
    if problem:
        raise refuse(path, problem)
    return Signature(columns, outputs)


def to_column(saved: dict[str, Any]) -> Column:
    """Convert an entry of "inputs"."""
    categories = tuple(saved.get("categories") or ())
    required = bool(saved.get("required", True))
    return Column(
        str(saved["name"]),
        str(saved["type"]),
        required and not saved.get("nullable"),
        can_be_omitted=not required,
        missing_value=None if saved.get("missing") == "None" else np.nan,
        categories=categories,
        example=saved.get("example"),
        values=tuple(saved.get("values") or ()),
    )


def find_columns(handler: ModuleType, loaded: Any, model_dir: Path) -> tuple[InputSchema | None, Sequence[Output]]:
    """Find the input columns of a model, if it has any, and its outputs, if the signature lists them.

    Columns come from the model, through the handler, and from the signature. Raises StartError if the two disagree, or
    if pandas is needed but not installed. There are none in script mode (script_mode.py).
    """
    if hasattr(handler, "TRANSFORM"):
        return None, ()
    found = handler.find_columns(loaded) if hasattr(handler, "find_columns") else None
    signature = read_signature(model_dir)
    if found and not found.columns and not signature:
        raise StartError(
            "The model does not contain its column names, or their categories. In the training environment, run "
            "tools/describe_model.py, which writes model/signature.json."
        )
    schema = merge(found, signature.inputs, model_dir) if signature else found
    if schema and schema.form == FRAME and util.find_spec("pandas") is None:
        raise StartError(
            "The model takes a DataFrame, but pandas is not installed. Add pandas to requirements.in, at the version "
            "the model was trained with, then run ./lock.sh."
        )
    return schema, signature.outputs if signature else ()


def merge(found: InputSchema | None, inputs: Sequence[Column], model_dir: Path) -> InputSchema:
    """Combine the model's columns, in its order, with the types of the signature."""
    if not found or not found.columns:
        return InputSchema(inputs, found.form if found else FRAME)
    signed = {column.name: column for column in inputs}
    own_names = {column.name for column in found.columns}
    if own_names - signed.keys():
        raise refuse(model_dir / FILE, f"it lacks columns of the model: {list_names(own_names - signed.keys())}")
    if signed.keys() - own_names:
        raise refuse(model_dir / FILE, f"the model has no columns {list_names(signed.keys() - own_names)}")
    columns = []
    for own in found.columns:
        each = signed[own.name]
        missing = own.missing_value if own.missing_value is None else each.missing_value
        categories = own.categories or each.categories
        each = each._replace(missing_value=missing, categories=categories, refuses_unknown=own.refuses_unknown)
        columns.append(each)
    more = any(column.categories or column.type in ("string", "datetime") for column in columns)
    return InputSchema(columns, FRAME if found.frames and more else found.form)


def name_outputs(response: Any, outputs: Sequence[Output]) -> Any:
    """Convert predictions of several named outputs to objects. Return others unchanged."""
    names = [each.name for each in outputs if each.name]
    if len(names) < 2:
        return response
    if isinstance(response, dict):
        known = "predictions" in response
        return {**response, "predictions": name_outputs(response["predictions"], outputs)} if known else response
    rows = to_plain(response)
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return response
    return [dict(zip(names, row, strict=True)) for row in rows]


def list_names(names: Iterable[str]) -> str:
    """Return the first ten names, sorted."""
    return ", ".join(sorted(names)[:10])


def refuse(path: Path, problem: str) -> StartError:
    """Return the error for a file that cannot be used."""
    return StartError(f"{path} cannot be used: {problem}. Fix it, or delete it.")
