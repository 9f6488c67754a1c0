"""Speeds up scikit-learn models without changing predictions: trees with treelite, linear models with plain NumPy.

scikit-learn validates its input in every call and evaluates trees one by one in Python. For a single record, this
takes longer than the arithmetic. Only the method with the validation and arithmetic is replaced, in a copy of the
estimator, and only if it returns the same numbers; everything the class does with these numbers is still
scikit-learn's code.
"""

import copy
import logging
import os
import time
import warnings
from contextlib import suppress
from typing import Any

import numpy as np

from serving import accelerate_linear as linear
from serving import accelerate_trees as trees
from serving.accelerate_method import TOLERANCE, FastPath, Method
from serving.settings import read_choice

log = logging.getLogger(__name__)

MAX_SECONDS = 2.0  # to prepare one estimator; one that takes longer is not accelerated
METHODS = ("predict", "predict_proba", "transform")
# Attributes that hold nested estimators: one, or a list of estimators, of (name, estimator), or of their wrappers.
NESTED = (
    "best_estimator_",
    "calibrated_classifiers_",
    "estimator",
    "estimator_",
    "estimators_",
    "final_estimator_",
    "regressor_",
    "steps",
)


def accelerate(model: Any) -> Any:
    """Return a faster model with the same predictions, if possible. SM_ACCELERATE=off returns the model itself."""
    if read_choice(os.environ, "SM_ACCELERATE", "on", ("on", "off")) == "off":
        return model
    start, notes = time.perf_counter(), dict[str, None]()
    with warnings.catch_warnings(), np.errstate(all="ignore"):  # warnings about the rows compared, not the model
        warnings.simplefilter("ignore")
        fast = replace(model, notes, TOLERANCE)
    if notes:
        log.info("%s (%.2f s).", "; ".join(notes), time.perf_counter() - start)
    return fast


def replace(estimator: Any, notes: dict[str, None], tolerance: float = 0) -> Any:
    """Return the estimator, or a copy with a fast method or fast nested estimators. The outcome is added to `notes`.

    A nested estimator must agree exactly: later steps can amplify the smallest difference.
    """
    if not is_pure_sklearn(estimator):
        return estimator
    if fast_path := find_fast_path(estimator, notes, tolerance):
        return copy_with(estimator, {fast_path.method: Method(estimator, fast_path)})
    found = {name: vars(estimator)[name] for name in NESTED if name in vars(estimator)}
    same = {"steps": tolerance, "best_estimator_": tolerance}
    new = {name: replace_inside(value, notes, same.get(name, 0)) for name, value in found.items()}
    changed = {name: value for name, value in new.items() if value is not found[name]}
    if not changed:
        return estimator
    fast = copy_with(estimator, changed)
    if error := find_error(fast, estimator):
        notes[f"{type(estimator).__name__} does not work with accelerated estimators: {error}"] = None
        return estimator
    return fast


def find_fast_path(estimator: Any, notes: dict[str, None], tolerance: float) -> FastPath | None:
    """Find a fast implementation for an estimator that returns the same numbers."""
    start, reason, difference = time.perf_counter(), "", 0.0
    try:
        fast_path = trees.find_fast_path(estimator) or linear.find_fast_path(estimator)
        difference = compare(fast_path) if fast_path else 0.0
    except Exception as error:  # anything from treelite, which may not support this version of scikit-learn
        fast_path, reason = None, str(error)
    if fast_path and not difference <= (0 if fast_path.method == "transform" else tolerance):
        reason = f"predictions differ by {difference:.1g}"
    elif time.perf_counter() - start > MAX_SECONDS:
        reason = f"preparation takes more than {MAX_SECONDS:.0f} s"
    if fast_path or reason:
        notes[f"{type(estimator).__name__} is {f'not accelerated: {reason}' if reason else 'accelerated'}"] = None
    if not fast_path or reason:
        return None
    return fast_path._replace(is_decision_score=fast_path.is_decision_score and difference > 0)


def compare(fast_path: FastPath) -> float:
    """Return the largest difference from the reference (relative above 1); infinity if the shape or type differs."""
    differences = [0.0]
    for start in range(0, len(fast_path.rows), fast_path.max_rows):
        for order in ("C", "F"):  # the order affects rounding; each gets a copy, because some work in place
            rows = fast_path.rows[start : start + fast_path.max_rows]
            expected, found = fast_path.reference(rows.copy(order)), fast_path.run(rows.copy(order))
            if type(found) is not np.ndarray or (found.shape, found.dtype) != (expected.shape, expected.dtype):
                return np.inf
            differences.append(float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max()))
    return max(differences, key=lambda each: np.inf if np.isnan(each) else each)


def replace_inside(value: Any, notes: dict[str, None], tolerance: float) -> Any:
    """Like replace, for the value of an attribute. Return `value` itself if nothing changes."""
    if isinstance(value, tuple) and len(value) == 2:
        new = replace(value[1], notes, tolerance)
        return (value[0], new) if new is not value[1] else value
    if isinstance(value, list):
        each = [replace_inside(one, notes, tolerance) for one in value]
        return each if any(new is not old for new, old in zip(each, value, strict=True)) else value
    return replace(value, notes, tolerance)


def find_error(fast: Any, estimator: Any) -> str:
    """Return the error of the copy for a record of zeros that the original can predict; empty if there is none."""
    rows = np.zeros((1, getattr(estimator, "n_features_in_", 0)))
    for method in METHODS:
        try:
            getattr(fast, method, len)(rows)
        except Exception as error:
            with suppress(Exception):
                getattr(estimator, method)(rows)
                return str(error)
    return ""


def copy_with(estimator: Any, attributes: dict[str, Any]) -> Any:
    """Return a shallow copy with changed attributes."""
    copied = copy.copy(estimator)
    vars(copied).update(attributes)
    return copied


def is_pure_sklearn(estimator: Any) -> bool:
    """Return whether the class and all methods of the estimator are scikit-learn's own."""
    kind = type(estimator)
    methods = [getattr(kind, name) for name in METHODS if hasattr(kind, name)]
    own = all(each.__module__.startswith("sklearn.") for each in (kind, *methods))
    return own and not any(callable(getattr(kind, name, None)) for name in vars(estimator))
