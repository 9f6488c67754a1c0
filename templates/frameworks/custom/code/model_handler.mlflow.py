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

from serving.errors import BadRequest, StartError

# Set to True what holds for your model, whatever its code does:
BATCHING = False  # it may get the records of several requests at once, and returns one prediction a record
THREAD_SAFE = False  # several threads may call it at the same time (SM_THREADS; 1 if not set)
PRELOAD = False  # the model survives a fork, so that all processes share one; not so with CUDA or threads of its own


def load(model_dir: Path) -> Any:
    """Loads the model once, when the server starts. It runs code that the folder names: load only models you trust."""
    if not (model_dir / "MLmodel").is_file():
        raise StartError(f"There is no MLmodel in {model_dir}. Put the files of your MLflow model there.")
    return mlflow.pyfunc.load_model(str(model_dir))


def decode(model: Any, records: Any) -> Any:
    """The records of one request as the model's signature has them: a DataFrame for columns, an array for a tensor."""
    schema = model.metadata.get_input_schema()
    try:
        if schema is None:
            return np.asarray(records)
        if schema.is_tensor_spec():
            named = isinstance(records, dict)
            arrays = {spec.name: np.asarray(records[spec.name] if named else records, spec.type) for spec in schema}
            return arrays if named else next(iter(arrays.values()))
        frame = pd.DataFrame(records, columns=schema.input_names() if schema.has_input_names() else None)
        return frame.astype(dict(zip(frame.columns, schema.pandas_types(), strict=True)))
    except (KeyError, TypeError, ValueError) as error:
        raise BadRequest(f"The records do not fit the model's signature: {error}.") from None


def predict(model: Any, inputs: Any) -> Any:
    """One prediction a record, in their order."""
    return model.predict(inputs)


def encode(model: Any, outputs: Any) -> Any:
    """What becomes {"predictions": ...}: of a DataFrame each row by its columns."""
    if isinstance(outputs, pd.DataFrame):
        return outputs.to_dict("records")
    return outputs.to_numpy() if isinstance(outputs, pd.Series) else outputs
