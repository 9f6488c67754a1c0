"""Behaves like AWS's SageMaker Inference Toolkit 1.10 around the functions of a script (script_mode.py).

Responses have the same bytes and content types. Client errors differ: a body that does not parse is 400, an unsupported
Content-Type 415, an unsupported Accept 406, where the toolkit answers 500; and npy files with pickles, which can run
code, are refused.
"""

import importlib
import io
import json
import os
from collections.abc import Callable
from functools import cache
from http import HTTPStatus
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from serving import content
from serving.errors import BadRequest, ServingError, UnsupportedMediaType
from serving.media_types import CSV, JSON, NPY, choose_response_type, parse_content_type
from serving.request import Request
from serving.settings import read_response_types

NPZ = "application/x-npz"


class Context:
    """The optional last argument of a script's functions, as Multi Model Server passes it.

    The request headers in it are Content-Type, Accept, and SageMaker's Inference-Id and Custom-Attributes.
    """

    def __init__(self, model_dir: Path, request: Request | None = None) -> None:
        gpu = 0 if has_gpu() else None
        self.system_properties = {"model_dir": str(model_dir), "gpu_id": gpu, "batch_size": 1}
        self.model_name = "model"
        self.manifest: dict[str, Any] = {}
        self.request_processor = [self]
        self.status = 200
        self.headers: dict[str, str] = {}  # of the response
        sent = request or Request(b"")
        headers = {
            "Content-Type": sent.content_type,
            "Accept": sent.accept,
            "X-Amzn-SageMaker-Inference-Id": sent.inference_id,
            "X-Amzn-SageMaker-Custom-Attributes": sent.custom_attributes,
        }
        self.sent = {name: value for name, value in headers.items() if value}

    def get_request_id(self, idx: int = 0) -> str | None:
        """X-Amzn-SageMaker-Inference-Id, or a generated id."""
        return self.sent.get("X-Amzn-SageMaker-Inference-Id")

    def get_request_header(self, idx: int, key: str) -> str | None:
        """Return the value of a header, ignoring case."""
        return self.get_request_property(key)

    def get_all_request_header(self, idx: int) -> dict[str, str]:
        """Return all available headers."""
        return self.sent

    def get_request_properties(self) -> dict[str, str]:
        """Return all available headers, for `context.request_processor[0]`."""
        return self.sent

    def get_request_property(self, key: str) -> str | None:
        """Return the value of a header, for `context.request_processor[0]`."""
        return next((value for name, value in self.sent.items() if name.lower() == key.lower()), None)

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Set the status of the response."""
        self.status = HTTPStatus(code).value

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Add a header to the response."""
        self.headers[key] = value

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Do nothing: the toolkit overrides the content type after the functions have run."""


class Refused(ServingError):
    """The script raised one of the toolkit's errors, which has a status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@cache
def has_gpu() -> bool:
    """Return whether this container has an NVIDIA GPU. This does not start CUDA, which would not survive a fork."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def make_defaults(handler: ModuleType, own_model: bool) -> dict[str, Callable[..., Any]]:
    """Return the defaults for functions a script lacks. `own_model`: whether it has a model_fn."""
    return {
        "model_fn": lambda model_dir, context: handler.load(Path(model_dir)),
        "input_fn": lambda body, content_type, context: decode(body, content_type),
        "predict_fn": lambda data, model, context: (
            predict(model, data) if own_model else predict_with_handler(handler, model, data)
        ),
        "output_fn": lambda prediction, accept, context: encode(prediction, accept),
    }


def predict(model: Any, data: Any) -> Any:
    """Predict with a model from model_fn: call its predict method or, if there is none, the model."""
    return model.predict(data) if hasattr(model, "predict") else model(data)


def predict_with_handler(handler: ModuleType, model: Any, data: Any) -> Any:
    """Predict with the handler. Its decode gets numbers as records: a 1-D array is one record.

    For CSV with columns of several types, NumPy returns an array of tuples.
    """
    if isinstance(data, np.ndarray) and hasattr(handler, "decode"):
        if data.dtype.names:
            data = handler.decode(model, [list(row) for row in np.atleast_1d(data).tolist()])
        elif data.dtype.kind in "biuf":
            data = handler.decode(model, data if data.ndim > 1 else data.reshape(1, -1))
    outputs = handler.predict(model, data)
    return handler.encode(model, outputs) if hasattr(handler, "encode") else outputs


def read_accept(request: Request) -> str:
    """Accept as it was sent; if missing or */*, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT, which defaults to JSON."""
    return read_response_types(os.environ)[0] if request.accept in (None, "", "*/*") else str(request.accept)


def read_body(request: Request) -> bytes | str:
    """Return the body; as text if it was sent as JSON or CSV without a charset."""
    if request.content_type not in (JSON, CSV):
        return request.body
    return content.decode_text(request.body, "utf-8")


def decode(body: bytes | str, content_type: str | None) -> Any:
    """Decode JSON, CSV or npy to an array, npz to a sparse matrix. Without a Content-Type it is read as JSON."""
    media_type, charset = parse_content_type(content_type or JSON)
    try:
        if media_type == JSON:
            return np.array(json.loads(body))
        if media_type == CSV:
            text = body if isinstance(body, str) else content.decode_text(body, charset)
            return np.genfromtxt(io.StringIO(text), dtype=None, delimiter=",")
        if media_type == NPY and isinstance(body, bytes):
            return np.load(io.BytesIO(body), allow_pickle=False)
        if media_type == NPZ and isinstance(body, bytes):
            return importlib.import_module("scipy.sparse").load_npz(io.BytesIO(body))  # not in every image
    except ServingError:
        raise
    except ImportError:
        pass
    except Exception:  # a malformed array file raises many kinds of errors
        raise BadRequest(f"The body is not valid {media_type}, or its records differ in length.") from None
    raise UnsupportedMediaType(f"Content-Type {media_type!r} is not supported. Send {JSON} or {CSV} or {NPY}.")


def encode(prediction: Any, accept: str) -> tuple[bytes | str, str]:
    """Encode the prediction in the first type of Accept that is JSON, CSV or npy. Return it with that type."""
    offers = (JSON, CSV, NPY)
    exact = (each for each in accept.replace(" ", "").split(",") if each in offers)
    media_type = next(exact, None) or choose_response_type(accept, offers)
    if media_type == JSON:
        return json.dumps(prediction, default=to_list), media_type
    if media_type == CSV:
        lines = io.StringIO()
        np.savetxt(lines, prediction, delimiter=",", fmt="%s")
        return lines.getvalue(), media_type
    stream = io.BytesIO()
    np.save(stream, prediction)
    return stream.getvalue(), media_type


def to_list(value: Any) -> Any:
    """Convert an array, a NumPy number, or the like for JSON. Raises TypeError for anything else."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"A {type(value).__name__} cannot be written as JSON.")


def to_bytes(value: Any) -> bytes:
    """Convert a response as Multi Model Server does: bytes unchanged, text to UTF-8, anything else to JSON."""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    return (value if isinstance(value, str) else json.dumps(value, indent=2)).encode()


def find_refusal(error: Exception) -> ServingError | None:
    """Convert an error of the toolkit's own classes to a ServingError; None for any other error."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if "UnsupportedFormatError" in names:
        return UnsupportedMediaType("The content type is not supported.")
    status = getattr(error, "status_code", None)
    if "BaseInferenceToolkitError" in names and status in {each.value for each in HTTPStatus}:
        return Refused(status, str(getattr(error, "message", error)))
    return None
