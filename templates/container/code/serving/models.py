"""The model that is served: the user's model_handler.py and what its `load` returned."""

import importlib
import logging
import mmap
import os
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from serving.content import Decoder, Records
from serving.errors import CANNOT_START, StartError
from serving.file_types import recognize
from serving.settings import read_choice

log = logging.getLogger(__name__)

# What scikit-learn says of a pickle or a skops file that another version of it saved.
OTHER_VERSION = r"Trying to unpickle estimator \S+ from version (\S+) when using version (\S+?)\. "


@dataclass(frozen=True)
class Model:
    """A loaded model as three steps, each a function of the handler with the model filled in."""

    decode: Callable[[Records], Any]  # records of one request -> inputs
    predict: Callable[[Any], Any]  # inputs -> outputs
    encode: Callable[[Any], Any]  # outputs -> what is written into the answer
    batching: bool = True  # BATCHING: whether predict may get the records of several requests at once
    media_type: str | None = None  # MEDIA_TYPE: what encode writes, if that is bytes or text of its own
    decoders: Mapping[str, Decoder] = field(default_factory=dict)  # DECODERS: content types of its own


class Loader:
    """Gives each serving process the model: that of the first process, or one of its own where PRELOAD is False.

    PRELOAD = False is for libraries that do not survive a fork, and for GPUs.
    """

    def __init__(self, handler: ModuleType, model_dir: Path) -> None:
        self.preloads: bool = getattr(handler, "PRELOAD", True)
        self.thread_safe: bool = getattr(handler, "THREAD_SAFE", True)
        self.load = partial(load_model, handler, model_dir)
        self.model: Model | None = None
        self.reason = mmap.mmap(-1, 4096)  # shared with the processes that are forked from this one

    def preload(self) -> None:
        """Loads the model in the first process. Raises StartError as load_model does."""
        self.model = self.load()

    def __call__(self) -> Model:
        """The model, in a serving process. If it does not load there, that ends the process and the server with it."""
        try:
            return self.model or self.load()
        except StartError as error:
            reason = str(error).encode()[: len(self.reason)]
            self.reason[: len(reason)] = reason
            raise SystemExit(CANNOT_START) from None

    def check(self) -> None:
        """Raises StartError, in the first process, if the model did not load in another."""
        if reason := self.reason[:].rstrip(b"\0").decode(errors="ignore"):
            raise StartError(reason)


def load_model(handler: ModuleType, model_dir: Path) -> Model:
    """Loads the model. Raises StartError for a folder that is missing or empty, and for a model that does not load.

    The log has the whole story of a failure, before the error is raised.
    """
    if not list_files(model_dir):
        raise StartError(
            f"There is no model in {model_dir}. Deployed: upload your model files (deploy/upload_model.sh). "
            "On this machine: set SM_MODEL_DIR to the folder that has them."
        )
    try:
        with log_warnings():
            loaded = handler.load(model_dir)
    except StartError:
        raise
    except (Exception, SystemExit) as error:
        log.exception("load() in model_handler.py failed.")
        raise StartError(
            f"The model in {model_dir} does not load: {describe(error)}. {guess(model_dir)}Save it again with the "
            "versions in requirements.txt, or look at load() in model_handler.py."
        ) from None
    log.info("The model is loaded.")
    return Model(
        decode=partial(getattr(handler, "decode", pass_on), loaded),
        predict=partial(handler.predict, loaded),
        encode=partial(getattr(handler, "encode", pass_on), loaded),
        batching=bool(getattr(handler, "BATCHING", True)),
        media_type=getattr(handler, "MEDIA_TYPE", None),
        decoders=getattr(handler, "DECODERS", {}),
    )


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


def refuse_newer(library: str, saved: str, installed: str) -> None:
    """Raises StartError for a model that a newer major version of its library has saved."""
    majors = [int(number) if number.isdecimal() else 0 for number in (saved.split(".")[0], installed.split(".")[0])]
    if majors[0] > majors[1]:
        raise StartError(
            f"The model was saved by {library} {saved}, and {installed} is installed. Pin {saved} in requirements.txt, "
            f"or save the model with {installed}."
        )


def refuse_other(library: str, saved: str, installed: str) -> None:
    """Raises StartError for a model whose file another minor version of its library saved: it may answer differently.

    SM_ALLOW_VERSION_MISMATCH=true has it served all the same.
    """
    if minor_of(saved) == minor_of(installed):
        return
    if read_choice(os.environ, "SM_ALLOW_VERSION_MISMATCH", "false", ("true", "false")) == "false":
        raise StartError(
            f"The model was saved by {library} {saved}, and {installed} is installed, which may answer differently. In "
            f"the project's folder, type: ml-container-creator --project-dir=. --framework-version={minor_of(saved)}. "
            f"Or save the model with {installed}; or set SM_ALLOW_VERSION_MISMATCH=true to serve it all the same."
        )
    log.warning("This model, saved by %s %s, is served by %s: its answers may differ.", library, saved, installed)


def minor_of(version: str) -> str:
    """`1.3` of `1.3.2`."""
    return ".".join(version.split(".")[:2])


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
    """What the only file in the folder looks like, as a sentence; nothing if there are several or it cannot be told."""
    kinds = [kind for path in list_files(model_dir) if (kind := recognize(path))]
    return f"The file looks like {kinds[0]}. " if len(kinds) == 1 else ""


def list_files(model_dir: Path) -> list[Path]:
    """What lies in the folder, sorted; nothing if it is missing. Dot files, as .gitkeep, do not count."""
    if not model_dir.is_dir():
        return []
    return sorted(path for path in model_dir.iterdir() if not path.name.startswith("."))


def import_handler() -> ModuleType:
    """The user's model_handler.py. Raises StartError if it does not import or lacks `load` or `predict`."""
    try:
        handler = importlib.import_module("model_handler")
    except (Exception, SystemExit) as error:
        log.exception("model_handler.py failed.")
        raise StartError(f"model_handler.py does not import: {describe(error)}. Correct it.") from None
    for name in ("load", "predict"):
        if not callable(getattr(handler, name, None)):
            raise StartError(f"model_handler.py has no function {name}(). Add it.")
    return handler


@contextmanager
def log_warnings() -> Iterator[None]:
    """Logs each warning that is given inside once. Raises StartError for a pickle of another version of scikit-learn.

    What goes wrong inside with a model of another version goes wrong for that reason: it is the error that is raised.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", message=OTHER_VERSION)
        try:
            yield
        finally:
            texts = dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught)
            for text in texts:
                log.warning("While the model was loaded: %s", text)
            for text in texts:
                if versions := re.match(OTHER_VERSION, text):
                    refuse_other("scikit-learn", *versions.groups())


def pass_on(_: Any, value: Any) -> Any:
    """What a hook does that the handler does not have."""
    return value


def describe(error: BaseException) -> str:
    """Class and message of an error on one line, however long the message is."""
    return f"{type(error).__name__}: {textwrap.shorten(str(error), 500, placeholder=' …')}".removesuffix(".")
