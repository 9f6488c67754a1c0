"""The model that is served: the user's model_handler.py and what its `load` returned."""

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
from serving.advice import CORRECT, advise, describe, look_up
from serving.content import Decoder, Records
from serving.errors import CANNOT_START, StartError
from serving.file_types import recognize
from serving.media_types import JSON
from serving.request import CURRENT, Answer, Request

log = logging.getLogger(__name__)

DESCRIPTIONS = (expected.FILE, signature.FILE)  # lie with a model and are none themselves


@dataclass(frozen=True)
class Model:
    """A loaded model as three steps, each a function of the handler with the model filled in."""

    decode: Callable[[Records], Any]  # records of one request -> inputs
    predict: Callable[[Any], Any]  # inputs -> outputs
    encode: Callable[[Any], Any]  # outputs -> what is written into the answer
    batching: bool = True  # BATCHING: whether predict may get the records of several requests at once
    proves_batching: bool = True  # PROVES_BATCHING: whether a record must get the same answer alone and among others
    media_type: str | None = None  # MEDIA_TYPE: what encode writes, if that is bytes or text of its own
    decoders: Mapping[str, Decoder] = field(default_factory=dict)  # DECODERS: content types of its own
    taken: columns.Taken | None = None  # the columns that it takes by name
    outputs: Sequence[signature.Output] = ()  # as the signature says
    loaded: Any = None  # what load returned
    transform: Callable[[Request], Answer] | None = None  # script mode: answers a whole request, instead of the steps

    def answer(self, body: Any) -> Any:
        """The JSON that a client would get for a request of this JSON. Raises what the handler raises."""
        if self.transform:
            return copy_context().run(script_mode.ask, self.transform, body)
        return copy_context().run(self.run, Request(orjson.dumps(body)))

    def run(self, request: Request) -> Any:
        """The same, with the request as the current one."""
        CURRENT.set(request)
        records, request.parameters = content.decode(request.body, JSON, self.decoders)
        return orjson.loads(content.to_json(self.encode(self.predict(self.decode(records)))))


class Loader:
    """Gives each serving process the model: that of the first process, or one of its own where PRELOAD is False.

    PRELOAD = False is for libraries that do not survive a fork, and for GPUs.
    """

    def __init__(self, handler: ModuleType, model_dir: Path) -> None:
        self.preloads: bool = getattr(handler, "PRELOAD", True)
        self.thread_safe: bool = getattr(handler, "THREAD_SAFE", True)
        self.model_dir = model_dir
        self.open = partial(open_model, handler, model_dir)
        self.model: Model | None = None
        self.reason = mmap.mmap(-1, 4096)  # shared with the processes that are forked from this one

    def preload(self) -> None:
        """Loads the model in the first process. Raises StartError as open_model does.

        It is tried after the fork only: the threads of a prediction, such as OpenMP's, would not survive that.
        """
        self.model = self.open()

    def __call__(self) -> Model:
        """The model, in a serving process. If it cannot be served, that ends the process and the server with it."""
        try:
            model = self.model or self.open()
            try_out(model, self.model_dir)
            metrics_server.MODELS.set(1)
            return model
        except StartError as error:
            reason = str(error).encode()[: len(self.reason)]
            self.reason[: len(reason)] = reason
            raise SystemExit(CANNOT_START) from None

    def check(self) -> None:
        """Raises StartError, in the first process, if the model cannot be served in another."""
        if reason := self.reason[:].rstrip(b"\0").decode(errors="ignore"):
            raise StartError(reason)


def load_model(handler: ModuleType, model_dir: Path) -> Model:
    """Loads the model and tries it. Raises StartError as open_model and try_out do."""
    model = open_model(handler, model_dir)
    try_out(model, model_dir)
    metrics_server.MODELS.set(1)
    return model


def open_model(handler: ModuleType, model_dir: Path) -> Model:
    """Loads the model. Raises StartError for a folder that is missing or empty, and for a model that does not load.

    The log has the whole story of a failure, before the error is raised.
    """
    if not list_files(model_dir):
        raise StartError(
            f"There is no model in {model_dir}. Deployed: upload your model files (deploy/upload_model.sh). "
            "On this machine: set SM_MODEL_DIR to the folder that has them."
        )
    try:
        with versions.check_versions(list_files(model_dir)):
            loaded = handler.load(model_dir)
    except StartError:
        raise
    except (Exception, SystemExit) as error:
        log.exception("load() in model_handler.py failed.")
        advice = advise(error, find_other(model_dir))
        raise StartError(f"The model in {model_dir} does not load: {describe(error)}. {advice}") from None
    log.info("The model is loaded.")
    metrics_server.LOADED.set(time.time())
    transform = getattr(handler, "TRANSFORM", None)
    try:
        taken, outputs = signature.find_columns(handler, loaded, model_dir)
    except AttributeError as error:  # of a model that another version of its library saved
        versions.refuse_incomplete(loaded, error)
        raise
    decoders = getattr(handler, "DECODERS", {})
    return Model(
        decode=partial(decode, handler, loaded, taken),
        predict=partial(predict, handler, loaded, taken),
        encode=partial(encode, handler, loaded, outputs),
        batching=bool(getattr(handler, "BATCHING", True)),
        proves_batching=bool(getattr(handler, "PROVES_BATCHING", True)),
        media_type=getattr(handler, "MEDIA_TYPE", None),
        decoders={**tables.make_reader(taken).decoders(), **decoders} if taken else decoders,
        taken=taken,
        outputs=outputs,
        loaded=loaded,
        transform=partial(transform, loaded, model_dir) if transform else None,
    )


def decode(handler: ModuleType, loaded: Any, taken: columns.Taken | None, records: Records) -> Any:
    """What the handler makes of records; columns that become a DataFrame stay as they are."""
    if isinstance(records, columns.Columns) and taken and taken.form == columns.FRAME:
        return records
    return getattr(handler, "decode", pass_on)(loaded, records)


def predict(handler: ModuleType, loaded: Any, taken: columns.Taken | None, inputs: Any) -> Any:
    """What the handler predicts. Of columns it gets a pandas.DataFrame, where it does not decode them."""
    if taken and isinstance(inputs, columns.Columns):
        inputs = columns.to_frame(inputs, taken.columns)
    return handler.predict(loaded, inputs)


def encode(handler: ModuleType, loaded: Any, outputs: Sequence[signature.Output], found: Any) -> Any:
    """What the handler makes of what predict has found, with several outputs by their names."""
    return signature.name_outputs(getattr(handler, "encode", pass_on)(loaded, found), outputs)


def try_out(model: Model, model_dir: Path) -> None:
    """Raises StartError for a model that loads, and yet cannot predict or does not agree with expected.json."""
    versions.check_object(model.loaded, model.answer)
    expected.check_predictions(model_dir, model.answer)


def find_model_file(model_dir: Path, *extensions: str) -> Path:
    """The file named model with one of the extensions, or else the only file with one of them.

    Raises StartError, for the last line of the log, if there is none or if there are several.
    """
    found = [path for path in list_files(model_dir) if path.suffix in extensions]
    files = [path for path in found if path.stem == "model"] or found
    if len(files) == 1:
        return files[0]
    name = " or ".join(f"model{extension}" for extension in extensions)
    if not files:
        there = ", ".join(path.name for path in list_files(model_dir))
        raise StartError(f"There is no {name} in {model_dir}, only {there}. Save your model there as {name}.")
    names = ", ".join(path.name for path in files)
    raise StartError(f"Which is the model in {model_dir}: {names}? Name it {name}, or leave only one there.")


def require(loaded: Any, *methods: str) -> None:
    """Raises StartError for what has none of these methods: it says what was loaded, and what that has instead."""
    if any(callable(getattr(loaded, method, None)) for method in methods):
        return
    if isinstance(loaded, Mapping):
        has = f"a {type(loaded).__name__} of {', '.join(map(str, list(loaded)[:10]))}"
    elif isinstance(loaded, (list, tuple)):
        has = f"a {type(loaded).__name__} of {', '.join(type(each).__name__ for each in loaded[:10])}"
    else:
        names = [name for name in dir(loaded) if not name.startswith("_") and callable(getattr(loaded, name, None))]
        has = f"a {type(loaded).__name__}, with {', '.join(names[:10]) or 'no methods'}"
    raise StartError(
        f"What was loaded is no model with {' or '.join(methods)}, but {has}. Save the model itself, or take it out in "
        "load() in code/model_handler.py."
    )


def guess(model_dir: Path) -> str:
    """What find_other finds, as a sentence."""
    other = find_other(model_dir)
    return f"The file looks like {other}. " if other else ""


def find_other(model_dir: Path) -> str | None:
    """What the only file is that is not what its name says; None if there is none such, or several."""
    kinds = [kind for path in list_files(model_dir) if (kind := recognize(path)) and path.suffix not in kind]
    return kinds[0] if len(kinds) == 1 else None


def list_files(model_dir: Path) -> list[Path]:
    """What lies in the folder, sorted; nothing if it is missing. Neither dot files nor descriptions count."""
    if not model_dir.is_dir():
        return []
    return sorted(path for path in model_dir.iterdir() if path.name[0] != "." and path.name not in DESCRIPTIONS)


def import_handler() -> ModuleType:
    """The user's model_handler.py, or the script beside it that answers requests in its place (script_mode.py).

    From then on, what a pickle names in `__main__` is found in the files beside it (user_code.py). Raises StartError if
    it does not import or lacks `load` or `predict`, and for a script that cannot be used.
    """
    try:
        handler = importlib.import_module("model_handler")
    except (Exception, SystemExit) as error:
        log.exception("model_handler.py failed.")
        advice = look_up(error) or CORRECT
        raise StartError(f"model_handler.py does not import: {describe(error)}. {advice}") from None
    for name in ("load", "predict"):
        if not callable(getattr(handler, name, None)):
            raise StartError(f"model_handler.py has no function {name}(). Add it.")
    folder = Path(str(handler.__file__)).parent
    user_code.install(folder)
    script = script_mode.find_script(folder)
    return script_mode.make_handler(script, handler) if script else handler


def pass_on(_: Any, value: Any) -> Any:
    """What a hook does that the handler does not have."""
    return value
