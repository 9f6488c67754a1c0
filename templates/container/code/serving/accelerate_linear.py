"""Linear models and scalers without scikit-learn's input validation: the same arithmetic, in NumPy."""

from typing import Any

import numpy as np

from serving.accelerate_method import Array, FastPath

MAX_ROWS, MAX_NUMBERS = 20, 1_000_000  # for the comparison


def find_fast_path(estimator: Any) -> FastPath | None:
    """Return a fast implementation of a linear model or a scaler fitted on dense numbers; None for all others."""
    kind = type(estimator)
    if kind.__name__ == "StandardScaler" and "_sklearn_output_config" not in vars(estimator):
        return scaler_fast_path(estimator)
    coefficients, intercept = (getattr(estimator, name, None) for name in ("coef_", "intercept_"))
    if type(coefficients) is not np.ndarray or coefficients.dtype.kind != "f" or intercept is None:
        return None
    rows = draw_rows(coefficients.shape[-1])
    if is_defined(kind, "LinearClassifierMixin.decision_function"):
        return FastPath("decision_function", lambda X: classify(estimator, X), estimator.decision_function, rows)
    if is_defined(kind, "LinearModel._decision_function") or is_defined(kind, "ElasticNet._decision_function"):
        return FastPath("_decision_function", lambda X: regress(estimator, X), estimator._decision_function, rows)
    return None


def draw_rows(features: int) -> Array:
    """Random records."""
    return np.random.default_rng(0).normal(size=(max(1, min(MAX_ROWS, MAX_NUMBERS // features)), features))


def is_defined(kind: type, name: str) -> bool:
    """Return whether a class inherits a method, given as "Class.method", without overriding it."""
    return getattr(getattr(kind, name.partition(".")[2], None), "__qualname__", "") == name


def classify(model: Any, X: Array) -> Array | None:
    """Return the decision function, of shape (records,) for two classes, otherwise (records, classes)."""
    scores = regress(model, X)
    return scores.ravel() if scores is not None and scores.ndim == 2 and scores.shape[1] == 1 else scores


def regress(model: Any, X: Array) -> Array | None:
    """Return the linear function; None for records with NaN or infinity."""
    if not np.isfinite(X).all():
        return None
    scores: Array = X @ model.coef_.T + model.intercept_
    return scores


def scaler_fast_path(scaler: Any) -> FastPath | None:
    """Return a fast transform of a scaler. NaN stays NaN."""
    if not hasattr(scaler, "scale_"):
        return None
    mean: Array | None = scaler.mean_ if scaler.with_mean else None
    scale: Array | None = scaler.scale_ if scaler.with_std else None

    def scale_rows(X: Array) -> Array | None:
        if np.isinf(X).any():
            return None
        scaled: Array = X.copy(order="K") if mean is None else X - mean
        if scale is not None:
            scaled /= scale
        return scaled

    rows = draw_rows(scaler.n_features_in_) * (1 if scale is None else scale) + (0 if mean is None else mean)
    return FastPath("transform", scale_rows, scaler.transform, rows)
