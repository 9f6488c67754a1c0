"""Makes scikit-learn's models predict faster, with the same answers: trees by treelite, linear models by NumPy alone.

scikit-learn checks its input anew in each call and evaluates trees one by one in Python, which for one record takes
longer than the arithmetic. Only the method with the checks and the arithmetic is replaced, in a copy of an estimator,
and only if it gives the same numbers; what the class does with these numbers stays scikit-learn's own.
"""

import copy
import logging
import os
import time
from typing import Any

import numpy as np

from serving import linear, trees
from serving.quick import TOLERANCE, Method, Way
from serving.settings import read_choice

log = logging.getLogger(__name__)

LONGEST = 2.0  # seconds for one estimator: one that takes longer stays as it is
# Where estimators have others: a list of them, of tuples whose second is one, or of what has one; or one.
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
    quick = replace(model, notes)
    if notes:
        log.info("%s (%.2f s).", "; ".join(notes), time.perf_counter() - start)
    return quick


def replace(estimator: Any, notes: dict[str, None]) -> Any:
    """The estimator, or a copy with a quick method, or with quick estimators inside; what was done is noted."""
    if not is_own(estimator):
        return estimator
    if way := find_way(estimator, notes):
        return put(estimator, {way.method: Method(estimator, way)})
    found = {name: vars(estimator)[name] for name in INSIDE if name in vars(estimator)}
    changed = {name: new for name, value in found.items() if (new := replace_inside(value, notes)) is not value}
    return put(estimator, changed) if changed else estimator


def find_way(estimator: Any, notes: dict[str, None]) -> Way | None:
    """The quick way of an estimator, if there is one that gives the same numbers."""
    start, reason, difference = time.perf_counter(), "", 0.0
    try:
        way = trees.find_way(estimator) or linear.find_way(estimator)
        difference = compare(way) if way else 0.0
    except Exception as error:  # whatever treelite, or a version of scikit-learn that is new to it, raises
        way, reason = None, str(error)
    if not difference <= TOLERANCE:
        reason = f"the answers differ by {difference:.1g}"
    elif time.perf_counter() - start > LONGEST:
        reason = f"preparing that takes more than {LONGEST:.0f} s"
    if way or reason:
        notes[f"{type(estimator).__name__} is {f'not accelerated: {reason}' if reason else 'accelerated'}"] = None
    return way._replace(decides=way.decides and difference > 0) if way and not reason else None


def compare(way: Way) -> float:
    """The largest difference of the two ways, relative to numbers above 1; infinity if they differ in shape or type."""
    expected, found = way.reference(way.rows), way.quick(way.rows)
    if type(found) is not np.ndarray or (found.shape, found.dtype) != (expected.shape, expected.dtype):
        return np.inf
    return float((np.abs(found - expected) / np.maximum(1, np.abs(expected))).max())


def replace_inside(value: Any, notes: dict[str, None]) -> Any:
    """The same for what an attribute has: `value` itself if nothing changes."""
    if isinstance(value, tuple) and len(value) == 2:
        new = replace(value[1], notes)
        return (value[0], new) if new is not value[1] else value
    if isinstance(value, list):
        each = [replace_inside(one, notes) for one in value]
        return each if any(new is not old for new, old in zip(each, value, strict=True)) else value
    return replace(value, notes)


def put(estimator: Any, attributes: dict[str, Any]) -> Any:
    """A shallow copy with other attributes."""
    copied = copy.copy(estimator)
    vars(copied).update(attributes)
    return copied


def is_own(estimator: Any) -> bool:
    """Whether it is an instance of a class of scikit-learn, and its methods are those of the class."""
    kind = type(estimator)
    own = kind.__module__.startswith("sklearn.")
    return own and not any(callable(getattr(kind, name, None)) for name in vars(estimator))
