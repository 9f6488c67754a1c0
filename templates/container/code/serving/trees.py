"""Ensembles of scikit-learn's trees, evaluated by treelite: the same splits and sums, in one call of native code."""

import copy
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np

from serving.quick import Array, Way

FORESTS = ("RandomForestClassifier", "ExtraTreesClassifier", "RandomForestRegressor", "ExtraTreesRegressor")
BOOSTINGS = ("GradientBoostingClassifier", "GradientBoostingRegressor")
HISTOGRAMS = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
# What treelite reads of a tree.
TREE = (
    *("node_count", "children_left", "children_right", "feature", "threshold"),
    *("value", "impurity", "n_node_samples", "weighted_n_node_samples"),
)

MAX_SPLITS = 1_000_000  # of an ensemble: reading them takes about a second, and 300 MB
# Of a call, and times the splits: scikit-learn goes tree by tree, which is slow for a record and quick for hundreds.
MAX_RECORDS, MAX_VISITS = 128, 10_000_000
ROWS, NUMBERS = 500, 2_000_000  # for the comparison, at most


def find_way(estimator: Any) -> Way | None:
    """The quick way of a fitted ensemble; None for all other estimators.

    Raises ValueError for an ensemble that has several outputs or is too large, and what treelite raises for one that it
    cannot read.
    """
    kind = type(estimator).__name__
    if kind in (*FORESTS, *BOOSTINGS) and hasattr(estimator, "estimators_"):
        numbers = "predict_proba" if kind in FORESTS else "decision_function"
        return of_trees(estimator, numbers if hasattr(estimator, "classes_") else "predict")
    if kind in HISTOGRAMS and hasattr(estimator, "_predictors"):
        return of_histograms(estimator)
    return None


def of_trees(model: Any, method: str) -> Way:
    """The averages or sums of the trees: of shape (records, classes), or (records,) where there is one number.

    The trees take float32, and scikit-learn refuses what is no finite number then.
    """
    if getattr(model, "n_outputs_", 1) > 1:
        raise ValueError("it has several outputs")
    splits = find_splits(np.ravel(model.estimators_))
    rows = draw_rows(model.n_features_in_, *splits, np.float32)
    run = read_trees(model)

    def evaluate(X: Array) -> Array | None:
        with np.errstate(over="ignore"):
            small = X.astype(np.float32)
        if not np.isfinite(small).all():
            return None
        found = run(small)
        return found.ravel() if found.shape[1] == 1 and method != "predict_proba" else found

    single = copy.copy(model)
    single.n_jobs = 1
    return Way(method, evaluate, getattr(single, method), rows, count_records(splits[0]), method != "predict")


def of_histograms(model: Any) -> Way:
    """The sums, of shape (records, 1 or classes), of histogram-based boosting: it takes any float64."""
    if model.is_categorical_ is not None:
        raise ValueError("it takes categories")
    nodes = np.concatenate([tree.nodes for round_ in model._predictors for tree in round_])
    nodes = nodes[nodes["is_leaf"] == 0]
    rows = draw_rows(model.n_features_in_, nodes["feature_idx"], nodes["num_threshold"], np.float64)
    chances = np.random.default_rng(1).random(rows.shape)
    for chance, value in ((0.05, np.nan), (0.02, np.inf), (0.01, -np.inf)):
        rows[chances < chance] = value
    slow = partial(model._raw_predict, n_threads=1)
    return Way("_raw_predict", read_trees(model), slow, rows, count_records(nodes), hasattr(model, "classes_"))


def count_records(splits: Array) -> int:
    """The most records that treelite is quicker for."""
    return max(1, min(MAX_RECORDS, MAX_VISITS // max(1, len(splits))))


def read_trees(model: Any) -> Callable[[Array], Array]:
    """What treelite makes of an ensemble: records to averages or sums, of shape (records, 1 or classes)."""
    read: Any = import_module("treelite.sklearn").import_model
    evaluate: Any = import_module("treelite.gtil").predict
    trees = read(with_missing(model))
    return lambda X: evaluate(trees, X, nthread=1, pred_margin=True)[:, 0, :]  # more threads would not survive a fork


def with_missing(model: Any) -> Any:
    """An ensemble whose trees say where NaN goes, which those of scikit-learn before 1.3 do not: they take none."""
    first = next(iter(np.ravel(getattr(model, "estimators_", ()))), None)
    if first is None or hasattr(first.tree_, "missing_go_to_left"):
        return model

    def complete(estimator: Any) -> Any:
        tree, copied = estimator.tree_, copy.copy(estimator)
        missing = np.zeros(tree.node_count, dtype=np.uint8)
        copied.tree_ = SimpleNamespace(**{name: getattr(tree, name) for name in TREE}, missing_go_to_left=missing)
        return copied

    copied = copy.copy(model)
    copied.estimators_ = np.vectorize(complete, otypes="O")(np.asarray(model.estimators_, dtype=object))
    return copied


def find_splits(estimators: Iterable[Any]) -> tuple[Array, Array]:
    """The features and the thresholds of all splits."""
    trees = [estimator.tree_ for estimator in estimators]
    features = np.concatenate([tree.feature for tree in trees])
    thresholds = np.concatenate([tree.threshold for tree in trees])
    return features[features >= 0], thresholds[features >= 0]


def draw_rows(count: int, features: Array, thresholds: Array, kind: Any) -> Array:
    """Records of `count` features, each value at a threshold of its feature, or the next number below or above it.

    Raises ValueError where there are more than MAX_SPLITS splits.
    """
    if len(features) > MAX_SPLITS:
        raise ValueError(f"it has {len(features):,} splits, more than {MAX_SPLITS:,}")
    random = np.random.default_rng(0)
    order = np.argsort(features, kind="stable")
    starts = np.searchsorted(features[order], np.arange(count + 1))
    sizes = np.diff(starts)
    rows = max(1, min(ROWS, NUMBERS // count))
    places = starts[:-1] + (random.random((rows, count)) * sizes).astype(int)
    known = np.append(thresholds[order], 0.0)  # for features without a split
    values = known[np.where(sizes > 0, places, len(thresholds))].astype(kind)
    ends = random.choice([-np.inf, np.inf], values.shape).astype(kind)
    return np.where(random.random(values.shape) < 1 / 3, values, np.nextafter(values, ends)).astype(np.float64)
