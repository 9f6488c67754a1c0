"""Makes scikit-learn's models predict faster, with the same answers: trees by treelite, linear models by NumPy alone.

scikit-learn checks its input anew in each call and evaluates trees one by one in Python, which for one record takes
longer than the arithmetic. Only the method with the checks and the arithmetic is replaced, in a copy of an estimator,
and only if it gives the same numbers; what the class does with these numbers stays scikit-learn's own.
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
from serving.accelerate_method import TOLERANCE, Method, Way
from serving.settings import read_choice

log = logging.getLogger(__name__)

LONGEST = 2.0  # seconds for one estimator: one that takes longer stays as it is
METHODS = ("predict", "predict_proba", "transform")
# The attributes in which estimators keep others: one, or a list of them, of (name, estimator) or of what has one.
INSIDE = (
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
    """A model with the same answers, faster where that is possible. SM_ACCELERATE=off returns the model itself."""
    if read_choice(os.environ, "SM_ACCELERATE", "on", ("on", "off")) == "off":
        return model
    start, notes = time.perf_counter(), dict[str, None]()
    quick = replace(model, notes, TOLERANCE)
    if notes:
        log.info("%s (%.2f s).", "; ".join(notes), time.perf_counter() - start)
    return quick


def replace(estimator: Any, notes: dict[str, None], tolerance: float = 0) -> Any:
    """The estimator, or a copy with a quick method, or with quick estimators inside; what was done is noted.

    An estimator inside another has to agree exactly: what follows can amplify the smallest difference.
    """
    if not is_own(estimator):
        return estimator
    if way := find_way(estimator, notes, tolerance):
        return put(estimator, {way.method: Method(estimator, way)})
    found = {name: vars(estimator)[name] for name in INSIDE if name in vars(estimator)}
    same = {"steps": tolerance, "best_estimator_": tolerance}
    new = {name: replace_inside(value, notes, same.get(name, 0)) for name, value in found.items()}
    changed = {name: value for name, value in new.items() if value is not found[name]}
    if not changed:
        return estimator
    quick = put(estimator, changed)
    if error := find_error(quick, estimator):
        notes[f"{type(estimator).__name__} does not work with accelerated estimators: {error}"] = None
        return estimator
    return quick


def find_way(estimator: Any, notes: dict[str, None], tolerance: float) -> Way | None:
    """The quick way of an estimator, if there is one that gives the same numbers."""
    start, reason, difference = time.perf_counter(), "", 0.0
    try:
        way = trees.find_way(estimator) or linear.find_way(estimator)
        difference = compare(way) if way else 0.0
    except Exception as error:  # whatever treelite, or a version of scikit-learn that is new to it, raises
        way, reason = None, str(error)
    if way and not difference <= (0 if way.method == "transform" else tolerance):
        reason = f"the answers differ by {difference:.1g}"
    elif time.perf_counter() - start > LONGEST:
        reason = f"preparing that takes more than {LONGEST:.0f} s"
    if way or reason:
        notes[f"{type(estimator).__name__} is {f'not accelerated: {reason}' if reason else 'accelerated'}"] = None
    return way._replace(decides=way.decides and difference > 0) if way and not reason else None


def compare(way: Way) -> float:
    """The largest difference of the two ways, relative to numbers above 1; infinity if they differ in shape or type."""
    differences = [0.0]
    for start in range(0, len(way.rows), way.most):
        for order in ("C", "F"):  # sums are rounded by it; each gets a copy, for some work in place
            rows = way.rows[start : start + way.most]
            expected, found = way.reference(rows.copy(order)), way.quick(rows.copy(order))
            if type(found) is not np.ndarray or (found.shape, found.dtype) != (expected.shape, expected.dtype):
                return np.inf
            differences.append(float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max()))
    return max(differences, key=lambda each: np.inf if np.isnan(each) else each)


def replace_inside(value: Any, notes: dict[str, None], tolerance: float) -> Any:
    """The same for the value of an attribute: `value` itself if nothing changes."""
    if isinstance(value, tuple) and len(value) == 2:
        new = replace(value[1], notes, tolerance)
        return (value[0], new) if new is not value[1] else value
    if isinstance(value, list):
        each = [replace_inside(one, notes, tolerance) for one in value]
        return each if any(new is not old for new, old in zip(each, value, strict=True)) else value
    return replace(value, notes, tolerance)


def find_error(quick: Any, estimator: Any) -> str:
    """What a copy raises for a record of zeros that the estimator itself predicts; empty if it is nothing."""
    rows = np.zeros((1, getattr(estimator, "n_features_in_", 0)))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for method in METHODS:
            try:
                getattr(quick, method, len)(rows)
            except Exception as error:
                with suppress(Exception):
                    getattr(estimator, method)(rows)
                    return str(error)
    return ""


def put(estimator: Any, attributes: dict[str, Any]) -> Any:
    """A shallow copy with other attributes."""
    copied = copy.copy(estimator)
    vars(copied).update(attributes)
    return copied


def is_own(estimator: Any) -> bool:
    """Whether it is an instance of a class of scikit-learn, and has only methods of scikit-learn."""
    kind = type(estimator)
    methods = [getattr(kind, name) for name in METHODS if hasattr(kind, name)]
    own = all(each.__module__.startswith("sklearn.") for each in (kind, *methods))
    return own and not any(callable(getattr(kind, name, None)) for name in vars(estimator))
