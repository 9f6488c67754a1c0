"""The served model: the user's model_handler.py and what its `load` returned."""

import importlib
import logging
import mmap
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson

from serving import columns, content, expected, metrics_server, script_mode, signature, tables, user_code, versions
from serving.advice import FIX_IT, advise, describe, look_up
from serving.content import Decoder, Records
from serving.errors import CANNOT_START, StartError
from serving.file_types import recognize
from serving.media_types import JSON
from serving.request import CURRENT, Request, Response

log = logging.getLogger(__name__)

DESCRIPTIONS = (expected.FILE, signature.FILE)  # files in the model folder that are not models


@dataclass(frozen=True)
class Model:
    """A loaded model as three steps: the handler's functions with the model bound as their first argument."""

    decode: Callable[[Records], Any]  # records of one request -> inputs
    predict: Callable[[Any], Any]  # inputs -> outputs
    encode: Callable[[Any], Any]  # outputs -> what is written to the response
    batching: bool = True  # BATCHING: whether predict can get the records of several requests at once
    proves_batching: bool = True  # PROVES_BATCHING: whether to check that batching does not change a prediction
    media_type: str | None = None  # MEDIA_TYPE: set if encode returns bytes or text of this type
    decoders: Mapping[str, Decoder] = field(default_factory=dict)  # DECODERS: additional content types
    schema: columns.InputSchema | None = None  # the columns it takes by name
    outputs: Sequence[signature.Output] = ()  # from the signature
    loaded: Any = None  # what load returned
    transform: Callable[[Request], Response] | None = None  # script mode: handles a whole request, replacing the steps

    def answer(self, body: Any) -> Any:
        """Return the JSON a client would get for this JSON. Raises whatever the handler raises."""
        if self.transform:
            return copy_context().run(script_mode.answer_json, self.transform, body)
        return copy_context().run(self.run, Request(orjson.dumps(body)))

    def run(self, request: Request) -> Any:
        """Run the three steps with `request` as the current request."""
        CURRENT.set(request)
        records, request.parameters = content.decode(request.body, JSON, self.decoders)
        return orjson.loads(content.to_json(self.encode(self.predict(self.decode(records)))))


class Loader:
    """Provides each worker with the model: the one preloaded before the fork, or its own if PRELOAD is False.

    PRELOAD = False is for GPUs and for libraries that do not survive a fork.
    """

    def __init__(self, handler: ModuleType, model_dir: Path) -> None:
        self.preloads: bool = getattr(handler, "PRELOAD", True)
        self.thread_safe: bool = getattr(handler, "THREAD_SAFE", True)
        self.model_dir = model_dir
        self.open = partial(open_model, handler, model_dir)
        self.model: Model | None = None
        self.reason = mmap.mmap(-1, 4096)  # shared with the workers forked from this process

    def preload(self) -> None:
        """Load the model in the parent process. Raises StartError as open_model does.

        The model is checked only after the fork: threads of a prediction, such as OpenMP's, do not survive a fork.
        """
        self.model = self.open()

    def __call__(self) -> Model:
        """Return the model, in a worker. If it cannot be served, end the worker and, with it, the server."""
        try:
            model = self.model or self.open()
            check_model(model, self.model_dir)
            metrics_server.MODELS.set(1)
            return model
        except StartError as error:
            reason = str(error).encode()[: len(self.reason)]
            self.reason[: len(reason)] = reason
            raise SystemExit(CANNOT_START) from None

    def check(self) -> None:
        """Raise StartError, in the parent process, if a worker could not serve the model."""
        if reason := self.reason[:].rstrip(b"\0").decode(errors="ignore"):
            raise StartError(reason)


def load_model(handler: ModuleType, model_dir: Path) -> Model:
    """Load and check the model. Raises StartError as open_model and check_model do."""
    model = open_model(handler, model_dir)
    check_model(model, model_dir)
    metrics_server.MODELS.set(1)
    return model


def open_model(handler: ModuleType, model_dir: Path) -> Model:
    """Load the model. Raises StartError if the folder is missing or empty, or the model cannot be loaded.

    The traceback of a failure is logged before StartError is raised.
    """
    if not list_files(model_dir):
        raise StartError(
            f"There is no model in {model_dir}. On an endpoint: upload your model files with deploy/upload_model.sh. "
            "On this machine: set SM_MODEL_DIR to the folder with your model files."
        )
    try:
        with versions.check_versions(list_files(model_dir)):
            loaded = handler.load(model_dir)
    except StartError:
        raise
    except (Exception, SystemExit) as error:
        log.exception("load() in model_handler.py failed.")
        advice = advise(error, find_mismatch(model_dir))
        raise StartError(f"The model in {model_dir} could not be loaded: {describe(error)}. {advice}") from None
    log.info("The model is loaded.")
    metrics_server.LOADED.set(time.time())
    transform = getattr(handler, "TRANSFORM", None)
    try:
        schema, outputs = signature.find_columns(handler, loaded, model_dir)
    except AttributeError as error:  # from a model saved by another version of its library
        versions.refuse_incomplete(loaded, error)
        raise
    decoders = getattr(handler, "DECODERS", {})
    return Model(
        decode=partial(decode, handler, loaded, schema),
        predict=partial(predict, handler, loaded, schema),
        encode=partial(encode, handler, loaded, outputs),
        batching=bool(getattr(handler, "BATCHING", True)),
        proves_batching=bool(getattr(handler, "PROVES_BATCHING", True)),
        media_type=getattr(handler, "MEDIA_TYPE", None),
        decoders={**tables.make_reader(schema).decoders(), **decoders} if schema else decoders,
        schema=schema,
        outputs=outputs,
        loaded=loaded,
        transform=partial(transform, loaded, model_dir) if transform else None,
    )


def decode(handler: ModuleType, loaded: Any, schema: columns.InputSchema | None, records: Records) -> Any:
    """Decode records with the handler. Columns for a DataFrame are returned unchanged."""
    if isinstance(records, columns.Columns) and schema and schema.form == columns.FRAME:
        return records
    return getattr(handler, "decode", identity)(loaded, records)


def predict(handler: ModuleType, loaded: Any, schema: columns.InputSchema | None, inputs: Any) -> Any:
    """Predict with the handler. Columns it has not decoded are passed as a pandas.DataFrame."""
    if schema and isinstance(inputs, columns.Columns):
        inputs = columns.to_frame(inputs, schema.columns)
    return handler.predict(loaded, inputs)


def encode(handler: ModuleType, loaded: Any, outputs: Sequence[signature.Output], predicted: Any) -> Any:
    """Encode predictions with the handler. Several outputs get their names from the signature."""
    return signature.name_outputs(getattr(handler, "encode", identity)(loaded, predicted), outputs)


def check_model(model: Model, model_dir: Path) -> None:
    """Raise StartError if the loaded model cannot predict or does not agree with expected.json."""
    versions.check_object(model.loaded, model.answer)
    expected.check_predictions(model_dir, model.answer)


def find_model_file(model_dir: Path, *extensions: str) -> Path:
    """Return the file named `model` with one of the extensions; otherwise the only file with one of them.

    Raises StartError if there is no such file or more than one.
    """
    found = [path for path in list_files(model_dir) if path.suffix in extensions]
    files = [path for path in found if path.stem == "model"] or found
    if len(files) == 1:
        return files[0]
    name = " or ".join(f"model{extension}" for extension in extensions)
    if not files:
        names = ", ".join(path.name for path in list_files(model_dir))
        raise StartError(f"There is no {name} in {model_dir}, only {names}. Save your model there as {name}.")
    names = ", ".join(path.name for path in files)
    raise StartError(f"{model_dir} has several model files: {names}. Rename yours to {name}, or remove the others.")


def require(loaded: Any, *methods: str) -> None:
    """Raise StartError if the loaded object has none of these methods. The message says what it is, and its methods."""
    if any(callable(getattr(loaded, method, None)) for method in methods):
        return
    if isinstance(loaded, Mapping):
        has = f"a {type(loaded).__name__} of {', '.join(map(str, list(loaded)[:10]))}"
    elif isinstance(loaded, (list, tuple)):
        has = f"a {type(loaded).__name__} of {', '.join(type(each).__name__ for each in loaded[:10])}"
    else:  # read from the class, because properties of the object can raise
        names = [name for name in dir(type(loaded)) if name[0] != "_" and callable(getattr(type(loaded), name, None))]
        has = f"a {type(loaded).__name__}, with {', '.join(names[:10]) or 'no methods'}"
    raise StartError(
        f"The loaded object is {has}: it has no method {' or '.join(methods)}. Save only the model, or return the "
        "model itself from load() in code/model_handler.py."
    )


def describe_mismatch(model_dir: Path) -> str:
    """Return the result of find_mismatch as a sentence; empty if there is none."""
    kind = find_mismatch(model_dir)
    return f"The file looks like {kind}. " if kind else ""


def find_mismatch(model_dir: Path) -> str | None:
    """Return the actual kind of the one file whose extension is wrong; None if there is no such file, or several."""
    kinds = [kind for path in list_files(model_dir) if (kind := recognize(path)) and path.suffix not in kind]
    return kinds[0] if len(kinds) == 1 else None


def list_files(model_dir: Path) -> list[Path]:
    """Return the files in the folder, sorted, without dot files and DESCRIPTIONS; empty if the folder is missing."""
    if not model_dir.is_dir():
        return []
    return sorted(path for path in model_dir.iterdir() if path.name[0] != "." and path.name not in DESCRIPTIONS)


def import_handler() -> ModuleType:
    """Import the user's model_handler.py, or the script next to it that replaces it (script_mode.py).

    Also make names that a pickle expects in `__main__` resolve to the files next to the handler (user_code.py).
    Raises StartError if the handler cannot be imported or lacks `load` or `predict`, or if the script cannot be used.
    """
    try:
        handler = importlib.import_module("model_handler")
    except (Exception, SystemExit) as error:
        log.exception("model_handler.py failed.")
        advice = look_up(error) or FIX_IT
        raise StartError(f"model_handler.py could not be imported: {describe(error)}. {advice}") from None
    for name in ("load", "predict"):
        if not callable(getattr(handler, name, None)):
            raise StartError(f"model_handler.py has no function {name}(). Add it.")
    folder = Path(str(handler.__file__)).parent
    user_code.install(folder)
    script = script_mode.find_script(folder)
    return script_mode.make_handler(script, handler) if script else handler


def identity(_: Any, value: Any) -> Any:
    """Return the value unchanged: the default for a hook that the handler does not define."""
    return value
