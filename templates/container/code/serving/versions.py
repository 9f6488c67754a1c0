"""Which library version saved a model, and whether the installed version can serve it."""

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

# The warning scikit-learn gives for a pickle or skops file saved by another version.
OTHER_VERSION = r"Trying to unpickle estimator \S+ from version (\S+) when using version "


def refuse_newer(library: str, saved: str, installed: str, advice: str) -> None:
    """Raise StartError with advice if a newer major version of the library saved the model."""
    majors = [int(number) if number.isdecimal() else 0 for number in (saved.split(".")[0], installed.split(".")[0])]
    if majors[0] > majors[1]:
        raise StartError(
            f"The model was saved by {library} {saved}, but {installed} is installed. {advice}, or save the model with "
            f"{installed}."
        )


def refuse_other(library: str, saved: str, installed: str, advice: str) -> None:
    """Raise StartError if another minor version of the library saved the model: its predictions may differ.

    With SM_ALLOW_VERSION_MISMATCH=true, log a warning instead.
    """
    if saved.split(".")[:2] == installed.split(".")[:2]:
        return
    if read_choice(os.environ, "SM_ALLOW_VERSION_MISMATCH", "false", ("true", "false")) == "false":
        raise StartError(
            f"The model was saved by {library} {saved}, but {installed} is installed: its predictions may differ. "
            f"{advice}, or save the model again with {installed}, or set SM_ALLOW_VERSION_MISMATCH=true to serve it "
            "anyway."
        )
    log.warning("The model was saved by %s %s and is served by %s: predictions may differ.", library, saved, installed)


def advise_release(version: str) -> str:
    """Return advice to update the project to another framework version and matching libraries."""
    minor = ".".join(version.split(".")[:2])
    return f"In the project's folder, run: ml-container-creator update --framework-version={minor}"


@contextmanager
def check_versions(files: Iterable[Path]) -> Iterator[None]:
    """Log each distinct warning from the block once. Raises StartError if another library version pickled the model.

    If the block fails with such a model, the version is taken to be the cause: that StartError replaces its error.
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
            matches = (re.match(OTHER_VERSION, text) for text in texts)
            if saved := next((match[1] for match in matches if match), saved):
                refuse_other("scikit-learn", saved, metadata.version("scikit-learn"), advise_release(saved))


def read_scikit_learn_version(path: Path) -> str | None:
    """Return the scikit-learn version in a pickle, plain or compressed by joblib; None if absent or not installed."""
    if not path.is_file() or not util.find_spec("sklearn"):
        return None
    data = path.read_bytes()
    with suppress(zlib.error):
        data = zlib.decompressobj().decompress(data)
    found = re.search(rb"_sklearn_version\W{1,4}(\d[\w.]*)", data)
    return found[1].decode() if found else None


@contextmanager
def check_boosters() -> Iterator[None]:
    """Raise StartError if another version saved a pickled XGBoost booster, before XGBoost reads it."""
    if not util.find_spec("xgboost"):
        yield
        return
    xgboost: Any = importlib.import_module("xgboost")
    restore = xgboost.Booster.__setstate__

    def check(booster: Any, state: dict[str, Any]) -> None:
        if saved := read_xgboost_version(bytes(state.get("handle") or b"")):
            # xgboost-cpu, which can be installed instead, has no old versions and the same files as xgboost.
            package = find_package("xgboost")
            advice = f"In requirements.in, replace {package} with xgboost=={saved}, then run ./lock.sh"
            refuse_other("XGBoost", saved, xgboost.__version__, advice)
        restore(booster, state)

    xgboost.Booster.__setstate__ = check
    try:
        yield
    finally:
        xgboost.Booster.__setstate__ = restore


def read_xgboost_version(saved: bytes) -> str | None:
    """Return the version at the end of a saved or pickled XGBoost model, JSON or UBJSON; None if there is none."""
    if found := re.search(rb'"version":\[(\d+),(\d+),(\d+)', saved[-60:]):
        return b".".join(found.groups()).decode()
    found = re.search(rb"version\[#L.{8}[iU](.)[iU](.)[iU](.)", saved[-60:], re.DOTALL)
    return ".".join(str(number[0]) for number in found.groups()) if found else None


def check_object(loaded: Any, answer: Callable[[Any], Any]) -> None:
    """Raise StartError if an object with n_features_in_ lacks an attribute or name that predicting needs.

    Possible causes: another library version pickled it, it was never fitted, or it needs a statement of the user's
    script that is not run. This calls `answer` with a record of zeros and ignores other errors: the zeros may cause
    them.
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
    """Raise StartError if the error is a missing attribute of the object, or a name that its script does not define."""
    if isinstance(error, AttributeError):
        package = find_package(type(loaded if error.obj is None else error.obj).__module__)
        if package is None or package in ("numpy", "pandas"):  # the input lacks an attribute, not the model
            return
        advice = advise_version(package)
        if isinstance(error, ValueError):  # scikit-learn's NotFittedError is both
            advice = f"Fit the model before you save it. If it was fitted: {advice}"
    else:
        advice = explain_missing(error)
    if advice:
        log.error("The loaded model failed.", exc_info=error)
        raise StartError(f"The model loads, but cannot predict: {describe(error)}. {advice}") from None
