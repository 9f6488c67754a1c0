"""model/signature.json: the columns that a model takes, and the names of its outputs.

{"inputs": [{"name": "city", "type": "string", "required": true, "categories": ["Oslo", "Rome"]}], "outputs": [...]}.
The types are MLflow's. `required` can be left out, as can `categories`, of pandas, and `"missing": "None"`, where that
stands for a missing value, and not NaN. `values` are the only ones that the model takes.
"""

import json
from collections.abc import Iterable, Sequence
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from serving.columns import FRAME, Column, Taken
from serving.content import to_plain
from serving.errors import StartError
from serving.values import SIGNED

FILE = "signature.json"


class Output(NamedTuple):
    """An output of a model."""

    name: str | None
    type: str | None


class Signature(NamedTuple):
    """What the file says."""

    inputs: Sequence[Column]
    outputs: Sequence[Output] = ()


def read_signature(model_dir: Path) -> Signature | None:
    """The file in a model's folder; None where there is none. Raises StartError if it is broken."""
    path = model_dir / FILE
    if not path.is_file():
        return None
    try:
        saved = json.loads(path.read_bytes())
        columns = [to_column(each) for each in saved["inputs"]]
        outputs = [Output(each.get("name"), each.get("type")) for each in saved.get("outputs") or ()]
        names, unknown = {column.name for column in columns}, {column.type for column in columns} - SIGNED
        problem = f"there is no type {min(unknown)}, only {', '.join(sorted(SIGNED))}" if unknown else ""
        problem = problem or ("two columns have one name" if len(names) < len(columns) else "")
        problem = problem or ("" if columns else "it has no inputs")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        problem = f'it is not {{"inputs": [{{"name": ..., "type": ...}}]}} ({type(error).__name__}: {error})'
    if problem:
        raise refuse(path, problem)
    return Signature(columns, outputs)


def to_column(saved: dict[str, Any]) -> Column:
    """An entry of the inputs."""
    categories = tuple(saved.get("categories") or ())
    required = bool(saved.get("required", True))
    return Column(
        str(saved["name"]),
        str(saved["type"]),
        required,
        optional=not required,
        gap=None if saved.get("missing") == "None" else np.nan,
        categories=categories,
        example=saved.get("example"),
        values=tuple(saved.get("values") or ()),
    )


def find_columns(handler: ModuleType, loaded: Any, model_dir: Path) -> tuple[Taken | None, Sequence[Output]]:
    """The columns that a model takes, if it takes any, and its outputs, if the signature says them.

    The handler finds the columns in the model, or the signature says them. Raises StartError where the two do not
    agree, and for a DataFrame without pandas. A script that answers requests (script_mode.py) takes them as they are.
    """
    if hasattr(handler, "TRANSFORM"):
        return None, ()
    found = handler.find_columns(loaded) if hasattr(handler, "find_columns") else None
    signature = read_signature(model_dir)
    if found and not found.columns and not signature:
        raise StartError(
            "The model does not tell its columns, or their categories. Run tools/describe_model.py where it was "
            "trained: that writes model/signature.json."
        )
    taken = merge(found, signature.inputs, model_dir) if signature else found
    if taken and taken.form == FRAME and util.find_spec("pandas") is None:
        raise StartError(
            "The model takes a DataFrame, and pandas is not installed. Add pandas to requirements.in, in the version "
            "the model was trained with, then run ./lock.sh."
        )
    return taken, signature.outputs if signature else ()


def merge(found: Taken | None, inputs: Sequence[Column], model_dir: Path) -> Taken:
    """The model's own columns in its own order, with the types of the signature."""
    if not found or not found.columns:
        return Taken(inputs, found.form if found else FRAME)
    signed = {column.name: column for column in inputs}
    own_names = {column.name for column in found.columns}
    if own_names - signed.keys():
        raise refuse(model_dir / FILE, f"the model has more columns ({list_names(own_names - signed.keys())})")
    if signed.keys() - own_names:
        raise refuse(model_dir / FILE, f"the model has no columns {list_names(signed.keys() - own_names)}")
    columns = []
    for own in found.columns:
        each = signed[own.name]
        gap = own.gap if own.gap is None else each.gap
        categories = own.categories or each.categories
        columns.append(each._replace(gap=gap, categories=categories, closed=own.closed))
    more = any(column.categories or column.type in ("string", "datetime") for column in columns)
    return Taken(columns, FRAME if found.frames and more else found.form)


def name_outputs(answer: Any, outputs: Sequence[Output]) -> Any:
    """Predictions of several outputs with names as objects; any others as they are."""
    names = [each.name for each in outputs if each.name]
    if len(names) < 2:
        return answer
    if isinstance(answer, dict):
        known = "predictions" in answer
        return {**answer, "predictions": name_outputs(answer["predictions"], outputs)} if known else answer
    rows = to_plain(answer)
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return answer
    return [dict(zip(names, row, strict=True)) for row in rows]


def list_names(names: Iterable[str]) -> str:
    """The first of the names."""
    return ", ".join(sorted(names)[:10])


def refuse(path: Path, problem: str) -> StartError:
    """The error for a file that cannot be used."""
    return StartError(f"{path} cannot be used: {problem}. Correct it, or delete it.")
