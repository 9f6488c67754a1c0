"""Ensembles of scikit-learn trees: treelite finds the leaves, in one native call for all trees.

Leaf values are scikit-learn's own and are summed in its order, so that results are bit for bit the same: later steps,
such as an isotonic calibration, can amplify the smallest difference.
"""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np

from serving.accelerate_method import Array, FastPath

FORESTS = ("RandomForestClassifier", "ExtraTreesClassifier", "RandomForestRegressor", "ExtraTreesRegressor")
BOOSTINGS = ("GradientBoostingClassifier", "GradientBoostingRegressor")
HISTOGRAMS = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
# The attributes of a tree that treelite reads.
TREE = (
    *("node_count", "children_left", "children_right", "feature", "threshold"),
    *("value", "impurity", "n_node_samples", "weighted_n_node_samples"),
)

MAX_SPLITS, MAX_VALUES = 1_000_000, 8_000_000  # per ensemble: reading them takes about a second and 300 MB
# Per call: records, records times splits, records times summed values. scikit-learn evaluates tree by tree, which is
# slow for one record and fast for hundreds.
MAX_RECORDS, MAX_VISITS, MAX_ADDED = 256, 20_000_000, 300_000
MAX_ROWS, MAX_NUMBERS = 500, 2_000_000  # for the comparison


def find_fast_path(estimator: Any) -> FastPath | None:
    """Return a fast implementation of a fitted ensemble; None for all other estimators.

    Raises ValueError if the ensemble has several outputs or is too large, and treelite's error if it cannot be read.
    """
    kind = type(estimator).__name__
    if kind in FORESTS and hasattr(estimator, "estimators_"):
        return forest_fast_path(estimator)
    if kind in BOOSTINGS and hasattr(estimator, "estimators_"):
        return boosting_fast_path(estimator)
    if kind in HISTOGRAMS and hasattr(estimator, "_predictors"):
        return histogram_fast_path(estimator)
    if kind == "IsolationForest" and hasattr(estimator, "_decision_path_lengths"):
        return isolation_fast_path(estimator)
    return None


def forest_fast_path(forest: Any) -> FastPath:
    """Probabilities of shape (records, classes), or predictions of shape (records,): the averages of the trees."""
    if forest.n_outputs_ > 1:
        raise ValueError("it has multiple outputs")
    classes = hasattr(forest, "classes_")
    values = [tree.tree_.value[:, 0, : forest.n_classes_ if classes else 1] for tree in forest.estimators_]
    # Before scikit-learn 1.4, leaf values are weighted counts.
    if classes and any(np.abs(each.sum(axis=1) - 1).max() > 1e-6 for each in values):
        values = [each / each.sum(axis=1, keepdims=True) for each in values]
    add = add_leaves(forest, values)

    def average(X: Array) -> Array:
        means = add(X, 0.0) / len(values)
        return means if classes else means.ravel()

    return make_fast_path(forest, "predict_proba" if classes else "predict", average, len(values) * values[0].shape[1])


def boosting_fast_path(model: Any) -> FastPath:
    """Return the initial prediction plus the trees, of shape (records,); (records, classes) for more than two."""
    if not isinstance(model.init, (str, type(None))):
        raise ValueError("its init is an estimator")
    stages = model.estimators_
    add = add_leaves(model, [tree.tree_.value[:, 0] * model.learning_rate for tree in stages.flat], stages.shape[1])
    first = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))

    def evaluate(X: Array) -> Array:
        sums = add(X, first)
        return sums.ravel() if sums.shape[1] == 1 else sums

    return make_fast_path(
        model, "decision_function" if hasattr(model, "classes_") else "predict", evaluate, stages.size
    )


def isolation_fast_path(forest: Any) -> FastPath:
    """Scores of shape (records,), from the path lengths to the leaves."""
    lengths = zip(forest._decision_path_lengths, forest._average_path_length_per_tree, strict=True)
    add = add_leaves(forest, [(path + average - 1.0)[:, None] for path, average in lengths])
    longest: Any = import_module("sklearn.ensemble._iforest")._average_path_length([forest._max_samples])

    def score(X: Array) -> Array:
        scores: Array = -(2 ** -(add(X, 0.0).ravel() / (len(forest.estimators_) * longest)))
        return scores

    return make_fast_path(forest, "score_samples", score, len(forest.estimators_))


def make_fast_path(model: Any, method: str, evaluate: Callable[[Array], Array], added: int) -> FastPath:
    """Return an implementation for trees on float32. scikit-learn handles values that are not finite in float32."""
    splits = find_splits(model)
    rows = draw_rows(model.n_features_in_, *splits, np.float32)

    def check(X: Array) -> Array | None:
        with np.errstate(over="ignore"):
            small = X.astype(np.float32)
        return evaluate(small) if np.isfinite(small).all() else None

    single = copy.copy(model)
    single.n_jobs = 1
    return FastPath(method, check, getattr(single, method), rows, count_records(splits[0], added), method != "predict")


def histogram_fast_path(model: Any) -> FastPath:
    """Return the sums of histogram-based boosting, of shape (records, 1 or classes). It takes any float64."""
    if model.is_categorical_ is not None:
        raise ValueError("it has categorical features")
    if any(len(stage) != model.n_trees_per_iteration_ for stage in model._predictors):
        raise ValueError("its iterations have different numbers of trees")
    trees = [tree.nodes for stage in model._predictors for tree in stage]
    splits = np.concatenate([nodes[nodes["is_leaf"] == 0] for nodes in trees])
    rows = draw_rows(model.n_features_in_, splits["feature_idx"], splits["num_threshold"], np.float64)
    chances = np.random.default_rng(1).random(rows.shape)
    for chance, value in ((0.05, np.nan), (0.02, np.inf), (0.01, -np.inf)):
        rows[chances < chance] = value
    add = add_leaves(model, [nodes["value"][:, None] for nodes in trees], model.n_trees_per_iteration_)
    first, slow = model._baseline_prediction, partial(model._raw_predict, n_threads=1)

    def evaluate(X: Array) -> Array:
        return np.asfortranarray(add(X, first))  # scikit-learn's order, which affects rounding in softmax

    return FastPath("_raw_predict", evaluate, slow, rows, count_records(splits, len(trees)), hasattr(model, "classes_"))


def count_records(splits: Array, added: int) -> int:
    """Return the maximum number of records for which this is faster. `added`: values summed per record."""
    return max(1, min(MAX_RECORDS, MAX_VISITS // max(1, len(splits)), MAX_ADDED // added))


def add_leaves(model: Any, values: Sequence[Array], each: int = 1) -> Callable[[Array, Any], Array]:
    """Create a function from records to `first` plus the sums over the trees, of shape (records, outputs).

    `values` are the node values of each tree, of shape (nodes, outputs). If each output has its own trees, `each` is
    the number of outputs, whose trees alternate. Leaves are found in one thread: more would not survive a fork.
    """
    if sum(map(np.size, values)) > MAX_VALUES:
        raise ValueError(f"its nodes have more than {MAX_VALUES:,} values")
    read: Any = import_module("treelite.sklearn").import_model
    find_leaves: Any = import_module("treelite.gtil").predict_leaf
    trees, table = read(complete(model, each)), np.concatenate(values)
    starts = np.cumsum([0, *map(len, values[:-1])])

    def add(X: Array, first: Any) -> Array:
        leaves = find_leaves(trees, X, nthread=1).astype(np.intp)
        found = table[leaves + starts].reshape(len(X), len(values) // each, -1)
        found[:, 0] += first
        return np.add.accumulate(found, axis=1)[:, -1]

    return add


def stores_nan_direction(model: Any) -> bool:
    """Return whether the trees are from scikit-learn 1.3 or newer, which store the direction of NaN."""
    return hasattr(np.ravel(model.estimators_)[0].tree_, "missing_go_to_left")


def complete(model: Any, each: int) -> Any:
    """Return a copy in which everything that treelite reads is consistent: inconsistent values crash the process.

    Boosting that stopped early has fewer trees than n_estimators, and users can change the classes. Initial predictions
    of boosting are left out: treelite refuses some of them, and they are not needed to find leaves.
    """
    copied = copy.copy(model)
    if each > 1 or type(model).__name__ in (*BOOSTINGS, *HISTOGRAMS):
        copied.n_classes_ = max(2, each)
        copied.classes_ = np.arange(copied.n_classes_)
    if not hasattr(model, "estimators_"):
        return copied
    estimators = np.asarray(model.estimators_, dtype=object)
    copied.n_estimators, copied.init_ = len(estimators), "zero"
    if not stores_nan_direction(model):
        copied.estimators_ = np.vectorize(add_nan_directions, otypes="O")(estimators)
    return copied


def add_nan_directions(estimator: Any) -> Any:
    """Return a copy of a tree that sends NaN to the right."""
    tree, copied = estimator.tree_, copy.copy(estimator)
    missing = np.zeros(tree.node_count, dtype=np.uint8)
    copied.tree_ = SimpleNamespace(**{name: getattr(tree, name) for name in TREE}, missing_go_to_left=missing)
    return copied


def find_splits(model: Any) -> tuple[Array, Array]:
    """Return features and thresholds of all splits. In an isolation forest, each tree numbers only its own features."""
    trees = [estimator.tree_ for estimator in np.ravel(model.estimators_)]
    own = getattr(model, "estimators_features_", [np.arange(model.n_features_in_)] * len(trees))
    pairs = [(tree.feature >= 0, tree, features) for tree, features in zip(trees, own, strict=True)]
    features = np.concatenate([features[tree.feature[inner]] for inner, tree, features in pairs])
    return features, np.concatenate([tree.threshold[inner] for inner, tree, _ in pairs])


def draw_rows(count: int, features: Array, thresholds: Array, dtype: Any) -> Array:
    """Draw records of `count` features, each value at a threshold of its feature, or the next float below or above it.

    Raises ValueError if there are more than MAX_SPLITS splits, or splits on unknown features.
    """
    if len(features) > MAX_SPLITS:
        raise ValueError(f"it has {len(features):,} splits, more than {MAX_SPLITS:,}")
    if max(features, default=0) >= count:
        raise ValueError("its trees use more features than n_features_in_")
    features, thresholds = features[np.isfinite(thresholds)], thresholds[np.isfinite(thresholds)]
    random = np.random.default_rng(0)
    order = np.argsort(features, kind="stable")
    starts = np.searchsorted(features[order], np.arange(count + 1))
    sizes = np.diff(starts)
    rows = max(1, min(MAX_ROWS, MAX_NUMBERS // count))
    places = starts[:-1] + (random.random((rows, count)) * sizes).astype(int)
    known = np.append(thresholds[order], 0.0)  # for features without a split
    values = known[np.where(sizes > 0, places, len(thresholds))].astype(dtype)
    ends = random.choice([-np.inf, np.inf], values.shape).astype(dtype)
    return np.where(random.random(values.shape) < 1 / 3, values, np.nextafter(values, ends)).astype(np.float64)
