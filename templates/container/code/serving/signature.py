"""model/signature.json: the columns that a model takes, and the names of its outputs.

{"inputs": [{"name": "city", "type": "string", "required": true, "categories": ["Oslo", "Rome"]}], "outputs": [...]}.
The types are MLflow's. `required` and `categories`, of pandas, can be left out.
"""

import json
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from serving.columns import FRAME, Column, Taken
from serving.content import to_plain
from serving.errors import StartError
from serving.values import SIGNED

FILE = "signature.json"


class Signature(NamedTuple):
    """What the file says."""

    inputs: Sequence[Column]
    outputs: Sequence[str] = ()  # names, of a model with several outputs


def read_signature(model_dir: Path) -> Signature | None:
    """The file in a model's folder; None where there is none. Raises StartError if it is broken."""
    path = model_dir / FILE
    if not path.is_file():
        return None
    try:
        saved = json.loads(path.read_bytes())
        columns = [to_column(each) for each in saved["inputs"]]
        outputs = [str(each["name"]) for each in saved.get("outputs") or () if each.get("name")]
        names, unknown = {column.name for column in columns}, {column.type for column in columns} - SIGNED
        problem = f"there is no type {min(unknown)}, only {', '.join(sorted(SIGNED))}" if unknown else ""
        problem = problem or ("two columns have one name" if len(names) < len(columns) else "")
        problem = problem or ("" if columns else "it has no inputs")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        problem = f'it is not {{"inputs": [{{"name": ..., "type": ...}}]}} ({type(error).__name__}: {error})'
    if problem:
        raise refuse(path, problem)
    return Signature(columns, outputs if len(outputs) > 1 else ())


def to_column(saved: dict[str, Any]) -> Column:
    """An entry of the inputs."""
    categories = tuple(saved.get("categories") or ())
    return Column(str(saved["name"]), str(saved["type"]), bool(saved.get("required", True)), categories=categories)


def find_columns(handler: ModuleType, loaded: Any, model_dir: Path) -> tuple[Taken | None, Sequence[str]]:
    """The columns that a model takes, if it takes any, and the names of its outputs, if it has several.

    The handler finds the columns in the model, or the signature says them. Raises StartError where the two do not
    agree, and for a DataFrame without pandas.
    """
    found = handler.find_columns(loaded) if hasattr(handler, "find_columns") else None
    signature = read_signature(model_dir)
    if found and not found.columns and not signature:
        raise StartError(
            "The model takes a DataFrame and does not say its columns. Run tools/describe_model.py where it was "
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
        return Taken(inputs)
    signed = {column.name: column for column in inputs}
    if odd := signed.keys() ^ {column.name for column in found.columns}:
        raise refuse(model_dir / FILE, f"the model has other columns ({', '.join(sorted(odd)[:10])})")
    columns = []
    for own in found.columns:
        each = signed[own.name]
        categories = own.categories or each.categories
        columns.append(each._replace(gap=own.gap, categories=categories, closed=own.closed))
    return Taken(columns, found.form)


def name_outputs(outputs: Any, names: Sequence[str]) -> Any:
    """Predictions of as many values a record as there are names, as objects; any others as they are."""
    if isinstance(outputs, dict):
        known = "predictions" in outputs
        return {**outputs, "predictions": name_outputs(outputs["predictions"], names)} if known else outputs
    rows = to_plain(outputs)
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return outputs
    return [dict(zip(names, row, strict=True)) for row in rows]


def refuse(path: Path, problem: str) -> StartError:
    """The error for a file that cannot be used."""
    return StartError(f"{path} cannot be used: {problem}. Correct it, or delete it.")
