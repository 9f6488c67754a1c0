"""The one file to edit: how your model is loaded and how it predicts.

MLflow loads the folder model/ and predicts, whatever flavour it has. A request goes through decode, predict and encode.
Raise BadRequest("...") in any of them for an error of the client (status 400, the message goes to the client). Any
other exception is a bug here: status 500, the story in the log.
"""

from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException

from serving.columns import Column, InputSchema
from serving.dataframes import Table
from serving.errors import BadRequest, StartError
from serving.request import current
from serving.values import SIGNATURE_TYPES

# Set to True what holds for your model, whatever its code does:
BATCHING = False  # it may get the records of several requests at once, and returns one prediction a record
THREAD_SAFE = False  # several threads may call it at the same time (SM_THREADS; 1 if not set)
PRELOAD = False  # the model survives a fork, so that all processes share one; not so with CUDA or threads of its own


def load(model_dir: Path) -> Any:
    """Loads the model once, when the server starts. It runs code that the folder names: load only models you trust."""
    if not (model_dir / "MLmodel").is_file():
        raise StartError(f"There is no MLmodel in {model_dir}. Put the files of your MLflow model there.")
    return mlflow.pyfunc.load_model(str(model_dir))


def find_columns(model: Any) -> InputSchema | None:
    """The columns of the model's signature; None if they have no names, or hold more than numbers, texts and dates."""
    schema = model.metadata.get_input_schema()
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        return None
    never_missing = ("long", "integer", "boolean")  # in others MLflow passes a missing value on to the model
    columns = [
        Column(each["name"], each["type"], each.get("required", True) and each["type"] in never_missing)
        for each in schema.to_dict()
    ]
    return InputSchema(columns) if SIGNATURE_TYPES.issuperset(column.type for column in columns) else None


def decode(model: Any, records: Any) -> Any:
    """The records of one request as arrays, for a signature of tensors or none. Other signatures are left to MLflow.

    Not called where the signature has columns: predict gets a DataFrame.
    """
    schema = model.metadata.get_input_schema()
    if isinstance(records, Table):
        return pd.DataFrame(records, columns=records.names)
    if schema is not None and not schema.is_tensor_spec():
        return records
    try:
        return to_arrays(records, {spec.name: spec.type for spec in schema or ()})
    except (KeyError, TypeError, ValueError) as error:
        raise BadRequest(f"The records do not fit the model's signature: {error}.") from None


def to_arrays(records: Any, types: dict[str | None, Any]) -> Any:
    """One array, or one for each input by name; `types` are those of the signature, by name."""
    if isinstance(records, list) and records and isinstance(records[0], dict):
        records = {name: [record[name] for record in records] for name in records[0]}
    if isinstance(records, dict):
        return {name: np.asarray(values, types.get(name)) for name, values in records.items()}
    name, dtype = next(iter(types.items()), (None, None))
    array = np.asarray(records, dtype)
    return array if name is None else {name: array}


def predict(model: Any, inputs: Any) -> Any:
    """One prediction a record, in their order. The request's parameters are the model's, by its signature."""
    parameters = current().parameters
    try:
        return model.predict(inputs, params=parameters) if parameters else model.predict(inputs)
    except MlflowException as error:
        if error.get_http_status_code() != 400:
            raise
        raise BadRequest(error.message.rpartition("Error: ")[2]) from None


def encode(model: Any, outputs: Any) -> Any:
    """The answer that `mlflow models serve` gives: of a DataFrame or a Series each row by its columns."""
    return {"predictions": outputs.to_frame() if isinstance(outputs, pd.Series) else outputs}
