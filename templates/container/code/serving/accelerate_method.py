"""A fast implementation of an estimator's method."""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

TOLERANCE = 1e-9  # for a fast implementation, relative to numbers above 1


class FastPath(NamedTuple):
    """A fast implementation of a method, and the reference it must be compared with before it is used."""

    method: str
    run: Callable[[Array], Array | None]  # takes shape (records, features); None: use the method itself
    reference: Callable[[Array], Array]  # the method itself, in one thread
    rows: Array  # records to compare the two on
    max_rows: int = sys.maxsize  # per call; with more records, the original method is as fast
    is_decision_score: bool = False  # the prediction is the place of the largest value, or the sign of the only one


class Method:
    """A method of an estimator that uses the fast implementation if it can. It is pickled as the method itself."""

    def __init__(self, estimator: Any, fast_path: FastPath) -> None:
        self.original = getattr(estimator, fast_path.method)
        self.__name__ = fast_path.method  # some meta-estimators read the name of the nested estimator's method
        self.features = fast_path.rows.shape[1]
        self.fast_path = fast_path

    def __call__(self, X: Any, *args: Any, **options: Any) -> Any:
        """Call the method for X: the fast implementation for float64 of shape (records, features), if it applies."""
        if self.takes(X) and not args and not options:
            found = self.fast_path.run(X)
            if found is not None and not (self.fast_path.is_decision_score and is_close(found)):
                return found
        return self.original(X, *args, **options)

    def takes(self, X: Any) -> bool:
        """Return whether X is an array for the fast implementation."""
        fits = type(X) is np.ndarray and X.dtype == np.float64 and X.ndim == 2 and X.shape[1] == self.features
        return fits and 0 < len(X) <= self.fast_path.max_rows

    def __reduce__(self) -> Any:
        return getattr, (self.original.__self__, self.__name__)


def is_close(found: Array) -> bool:
    """Return whether rounding could change the prediction for one of the records."""
    if found[0].size == 1:
        margins = np.abs(found)
    else:
        second, first = np.partition(found, -2, axis=1)[:, -2:].T
        margins = first - second
    return bool(margins.min() < TOLERANCE)
