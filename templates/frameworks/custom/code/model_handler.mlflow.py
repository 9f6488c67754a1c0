"""Edit this file: it loads your model and makes predictions.

MLflow loads model/ and predicts, whatever its flavor. Each request passes through decode, predict and encode. Raise
BadRequest("...") in any of them for a client error (status 400, and the client gets the message). Any other exception
is a bug: status 500, details in the log.
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

# Set to True what you know is true of your model:
BATCHING = False  # predict() accepts the records of several requests at once and returns one prediction per record
THREAD_SAFE = False  # several threads can call predict() at the same time (SM_THREADS; 1 if unset)
PRELOAD = False  # the model survives a fork, so workers share one copy; False for CUDA and models that start threads


def load(model_dir: Path) -> Any:
    """Load the model once, when the server starts. The model can run code: load only models that you trust."""
    if not (model_dir / "MLmodel").is_file():
        raise StartError(f"There is no MLmodel in {model_dir}. Put the files of your MLflow model there.")
    return mlflow.pyfunc.load_model(str(model_dir))


def find_columns(model: Any) -> InputSchema | None:
    """Return the columns of the signature; None if they are unnamed or not all numbers, strings or dates."""
    schema = model.metadata.get_input_schema()
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        return None
    never_missing = ("long", "integer", "boolean")  # MLflow passes missing values of other types to the model
    columns = [
        Column(each["name"], each["type"], each.get("required", True) and each["type"] in never_missing)
        for each in schema.to_dict()
    ]
    return InputSchema(columns) if SIGNATURE_TYPES.issuperset(column.type for column in columns) else None


def decode(model: Any, records: Any) -> Any:
    """Return the records of one request as arrays if the signature has tensors or there is none, else unchanged.

    Not called for a signature with columns: predict gets a DataFrame.
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
    """Return one array, or one for each named input. `types` maps the names in the signature to their types."""
    if isinstance(records, list) and records and isinstance(records[0], dict):
        records = {name: [record[name] for record in records] for name in records[0]}
    if isinstance(records, dict):
        return {name: np.asarray(values, types.get(name)) for name, values in records.items()}
    name, dtype = next(iter(types.items()), (None, None))
    array = np.asarray(records, dtype)
    return array if name is None else {name: array}


def predict(model: Any, inputs: Any) -> Any:
    """Return one prediction per record, in order. The model gets the parameters of the request."""
    parameters = current().parameters
    try:
        return model.predict(inputs, params=parameters) if parameters else model.predict(inputs)
    except MlflowException as error:
        if error.get_http_status_code() != 400:
            raise
        raise BadRequest(error.message.rpartition("Error: ")[2]) from None


def encode(model: Any, outputs: Any) -> Any:
    """Return what `mlflow models serve` responds: a DataFrame or Series becomes one object per row."""
    return {"predictions": outputs.to_frame() if isinstance(outputs, pd.Series) else outputs}
