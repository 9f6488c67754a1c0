"""Which version of its library saved a model, and whether the one that is installed can serve it."""

import importlib
import logging
import os
import re
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata, util
from pathlib import Path
from typing import Any

from serving.advice import advise_version, describe, explain_missing, find_package
from serving.errors import StartError
from serving.settings import read_choice

log = logging.getLogger(__name__)

# What scikit-learn says of a pickle or a skops file that another version of it saved.
OTHER_VERSION = r"Trying to unpickle estimator \S+ from version (\S+) when using version "


def refuse_newer(library: str, saved: str, installed: str) -> None:
    """Raises StartError for a model that a newer major version of its library has saved."""
    majors = [int(number) if number.isdecimal() else 0 for number in (saved.split(".")[0], installed.split(".")[0])]
    if majors[0] > majors[1]:
        raise StartError(
            f"The model was saved by {library} {saved}, and {installed} is installed. Pin {saved} in requirements.in, "
            f"then run ./lock.sh, or save the model with {installed}."
        )


def refuse_other(library: str, saved: str, installed: str, advice: str = "") -> None:
    """Raises StartError for a model whose file another minor version of its library saved: it may answer differently.

    SM_ALLOW_VERSION_MISMATCH=true has it served all the same.
    """
    if saved.split(".")[:2] == installed.split(".")[:2]:
        return
    if read_choice(os.environ, "SM_ALLOW_VERSION_MISMATCH", "false", ("true", "false")) == "false":
        advice = advice or f"Pin {library.lower()}=={saved} in requirements.in, then run ./lock.sh"
        raise StartError(
            f"The model was saved by {library} {saved}, and {installed} is installed, which may answer differently. "
            f"{advice}, or save the model again with {installed}, or set SM_ALLOW_VERSION_MISMATCH=true to serve it "
            "all the same."
        )
    log.warning("This model, saved by %s %s, is served by %s: its answers may differ.", library, saved, installed)


def advise_release(minor: str) -> str:
    """What to type for a project with another version of its framework, and with libraries of its time."""
    return f"In the project's folder, type: ml-container-creator --project-dir=. --framework-version={minor}"


@contextmanager
def check_versions(files: Iterable[Path]) -> Iterator[None]:
    """Logs each warning that is given inside once. Raises StartError for what another version of a library pickled.

    What goes wrong inside with a model of another version goes wrong for that reason: it is the error that is raised.
    """
    saved: str | None = None
    with warnings.catch_warnings(record=True) as caught, check_boosters():
        warnings.filterwarnings("always", message=OTHER_VERSION)
        try:
            yield
        except Exception:
            saved = next(filter(None, map(read_scikit_learn_version, files)), None)
            raise
        finally:
            texts = list(dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught))
            for text in texts:
                log.warning("While the model was loaded: %s", text)
            told = (re.match(OTHER_VERSION, text) for text in texts)
            if saved := next((found[1] for found in told if found), saved):
                minor = ".".join(saved.split(".")[:2])
                refuse_other("scikit-learn", saved, metadata.version("scikit-learn"), advise_release(minor))


def read_scikit_learn_version(path: Path) -> str | None:
    """The version in a pickle, plain or as joblib compresses it; None if there is none, or no scikit-learn."""
    if not path.is_file() or not util.find_spec("sklearn"):
        return None
    data = path.read_bytes()
    with suppress(zlib.error):
        data = zlib.decompressobj().decompress(data)
    found = re.search(rb"_sklearn_version\W{1,4}(\d[\w.]*)", data)
    return found[1].decode() if found else None


@contextmanager
def check_boosters() -> Iterator[None]:
    """Raises StartError for a booster of XGBoost in a pickle, before XGBoost reads it, if another version saved it."""
    if not util.find_spec("xgboost"):
        yield
        return
    xgboost: Any = importlib.import_module("xgboost")
    restore = xgboost.Booster.__setstate__

    def check(booster: Any, state: dict[str, Any]) -> None:
        if saved := read_xgboost_version(bytes(state.get("handle") or b"")):
            refuse_other("XGBoost", saved, xgboost.__version__)
        restore(booster, state)

    xgboost.Booster.__setstate__ = check
    try:
        yield
    finally:
        xgboost.Booster.__setstate__ = restore


def read_xgboost_version(saved: bytes) -> str | None:
    """The version at the end of what XGBoost saves or pickles, in JSON or UBJSON; None if there is none."""
    if found := re.search(rb'"version":\[(\d+),(\d+),(\d+)', saved[-60:]):
        return b".".join(found.groups()).decode()
    found = re.search(rb"version\[#L.{8}[iU](.)[iU](.)[iU](.)", saved[-60:], re.DOTALL)
    return ".".join(str(number[0]) for number in found.groups()) if found else None


def check_object(loaded: Any, answer: Callable[[Any], Any]) -> None:
    """Raises StartError for an object with n_features_in_ that lacks what its library looks for when it predicts.

    Another version of the library pickled it, or it was never fitted; or a script of the user's is not run whole, and
    what is left out is missing. `answer` is asked about a record of zeros. What
    else goes wrong may be due to the zeros.
    """
    features = getattr(loaded, "n_features_in_", None)
    if not isinstance(features, int):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer({"instances": [[0.0] * features]})
    except (Exception, SystemExit) as error:
        refuse_incomplete(loaded, error)


def refuse_incomplete(loaded: Any, error: BaseException) -> None:
    """Raises StartError for an error that says that the object, or a script that is not run whole, lacks something."""
    if isinstance(error, AttributeError):
        package = find_package(type(loaded if error.obj is None else error.obj).__module__)
        if package is None or package in ("numpy", "pandas"):  # it is the input that lacks something
            return
        advice = advise_version(package)
        if isinstance(error, ValueError):  # so is scikit-learn's NotFittedError
            advice = f"Fit the model before you save it. If you did: {advice}"
    else:
        advice = explain_missing(error)
    if advice:
        log.error("The loaded model failed.", exc_info=error)
        raise StartError(f"The model loads, but cannot predict: {describe(error)}. {advice}") from None
