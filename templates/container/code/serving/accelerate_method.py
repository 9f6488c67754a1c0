"""A quicker way to what a method of an estimator returns."""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

TOLERANCE = 1e-9  # of what a quick way returns, relative to numbers above 1


class Way(NamedTuple):
    """How a method can be had quicker, and what that has to be compared with before it is used."""

    method: str
    quick: Callable[[Array], Array | None]  # None: not for these records, of shape (records, features)
    reference: Callable[[Array], Array]  # the method itself, in one thread
    rows: Array  # to compare the two on
    most: int = sys.maxsize  # records of a call: with more, the method itself is as quick
    decides: bool = False  # the prediction is where a record has its largest number, or the sign of its only one


class Method:
    """A method of an estimator that takes the quick way where it can. It is pickled as the method itself."""

    def __init__(self, estimator: Any, way: Way) -> None:
        self.slow = getattr(estimator, way.method)
        self.__name__ = way.method  # some estimators ask for that of the methods of others
        self.features = way.rows.shape[1]
        self.way = way

    def __call__(self, X: Any, *args: Any, **options: Any) -> Any:
        """What the method returns for X. It is called itself for all but float64 of shape (records, features)."""
        if self.takes(X) and not args and not options:
            found = self.way.quick(X)
            if found is not None and not (self.way.decides and is_close(found)):
                return found
        return self.slow(X, *args, **options)

    def takes(self, X: Any) -> bool:
        """Whether it is an array for the quick way."""
        fits = type(X) is np.ndarray and X.dtype == np.float64 and X.ndim == 2 and X.shape[1] == self.features
        return fits and 0 < len(X) <= self.way.most

    def __reduce__(self) -> Any:
        return getattr, (self.slow.__self__, self.__name__)


def is_close(found: Array) -> bool:
    """Whether rounding could decide what is predicted for one of the records."""
    if found[0].size == 1:
        margins = np.abs(found)
    else:
        second, first = np.partition(found, -2, axis=1)[:, -2:].T
        margins = first - second
    return bool(margins.min() < TOLERANCE)
