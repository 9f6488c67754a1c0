"""Trees and linear models of scikit-learn as nodes of ONNX: comparisons and sums in the precision of the library."""

from __future__ import annotations  # for Python 3.8

from typing import Any, Callable, NamedTuple

import numpy as np
from convert_graph import DOUBLE, FLOAT, Graph, Tree, Trees
from describe_rows import Problem

Link = Callable[[Graph, str], str]  # the sums, of shape (records, targets) -> what the model answers


class Ensemble(NamedTuple):
    """Trees as a model."""

    trees: Trees
    link: Link  # of a classifier: to the probabilities of the classes, of shape (records, classes)
    single: bool = False  # the trees see the records in float32, as scikit-learn's do

    def add_to(self, graph: Graph, records: str) -> str:
        """What the model answers for the records, of shape (records, features)."""
        return self.link(graph, self.trees.add_to(graph, graph.cast(records, FLOAT) if self.single else records))


def as_they_are(graph: Graph, sums: str) -> str:
    """In float64."""
    return graph.cast(sums, DOUBLE)


def to_probability(graph: Graph, sums: str) -> str:
    """The logistic function. ONNX's own is less precise where the probability is small."""
    one = graph.constant(np.ones(1))
    return graph.add("Div", one, graph.add("Add", one, graph.add("Exp", graph.add("Neg", graph.cast(sums, DOUBLE)))))


def to_both(graph: Graph, sums: str) -> str:
    """The probabilities of two classes."""
    second = to_probability(graph, sums)
    return graph.add("Concat", graph.add("Sub", graph.constant(np.ones(1)), second), second, axis=1)


def to_each(graph: Graph, sums: str) -> str:
    """The probabilities of several classes."""
    return graph.add("Softmax", graph.cast(sums, DOUBLE), axis=1)


def to_power(graph: Graph, sums: str) -> str:
    """What is trained as a logarithm."""
    return graph.add("Exp", sums)


def divide(count: float) -> Link:
    """The mean of `count` trees."""
    return lambda graph, sums: graph.add("Div", graph.cast(sums, DOUBLE), graph.constant(np.array([float(count)])))


def read_tree(tree: Any, weights: Any, target: int = 0) -> Tree:
    """A tree of scikit-learn."""
    leaf = tree.children_left < 0
    missing = getattr(tree, "missing_go_to_left", np.zeros(len(leaf)))
    mode = np.where(leaf, "LEAF", "BRANCH_LEQ")
    branches = np.where(leaf, 0, tree.children_left), np.where(leaf, 0, tree.children_right)
    return Tree(mode, np.maximum(tree.feature, 0), tree.threshold, *branches, missing, weights, target)


def read_forest(model: Any) -> Ensemble:
    """A tree, or a forest of scikit-learn: the mean of the trees."""
    members = getattr(model, "estimators_", None) or [model]
    if getattr(model, "n_outputs_", 1) > 1:
        raise Problem(f"{type(model).__name__} with several outputs does not convert")
    values = [each.tree_.value[:, 0, :] for each in members]
    if hasattr(model, "classes_"):
        sums = [each.sum(axis=1, keepdims=True) for each in values]
        values = [each / np.where(total == 0, 1, total) for each, total in zip(values, sums)]
    trees = Trees(values[0].shape[1])
    trees.trees = [read_tree(each.tree_, weights) for each, weights in zip(members, values)]
    return Ensemble(trees, divide(len(members)), single=True)


def read_boosting(model: Any) -> Ensemble:
    """GradientBoosting of scikit-learn."""
    if model.init_ != "zero" and not type(model.init_).__name__.startswith("Dummy"):
        raise Problem(f"{type(model).__name__} with init={model.init_} does not convert")
    first = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))[0]
    trees = Trees(len(first))
    trees.add_constant(first.tolist())
    for round in model.estimators_:
        for target, each in enumerate(round):
            tree = each.tree_
            trees.trees.append(read_tree(tree, model.learning_rate * tree.value[:, 0, :], target))
    if not hasattr(model, "classes_"):
        return Ensemble(trees, as_they_are, single=True)
    if model.loss == "exponential":
        return Ensemble(trees, lambda graph, sums: to_both(graph, graph.add("Add", sums, sums)), single=True)
    return Ensemble(trees, to_each if len(first) > 1 else to_both, single=True)


def read_histogram(model: Any) -> Ensemble:
    """HistGradientBoosting of scikit-learn, which compares in float64."""
    if getattr(model, "is_categorical_", None) is not None:
        raise Problem(f"{type(model).__name__} with columns of categories does not convert")
    first = np.ravel(model._baseline_prediction)
    trees = Trees(len(first))
    trees.add_constant(first.tolist())
    for round in model._predictors:
        for target, each in enumerate(round):
            nodes = each.nodes
            leaf = nodes["is_leaf"].astype(bool)
            mode = np.where(leaf, "LEAF", "BRANCH_LEQ")
            branches = np.where(leaf, 0, nodes["left"]), np.where(leaf, 0, nodes["right"])
            missing, weights = nodes["missing_go_to_left"], nodes["value"][:, None]
            tree = Tree(mode, nodes["feature_idx"], nodes["num_threshold"], *branches, missing, weights, target)
            trees.trees.append(tree)
    if not hasattr(model, "classes_"):
        return Ensemble(trees, to_power if model.loss in ("poisson", "gamma") else as_they_are)
    return Ensemble(trees, to_each if len(first) > 1 else to_both)


Weigh = Callable[[Graph, Any, str], str]


def weigh(graph: Graph, model: Any, records: str) -> str:
    """The weighted sums of records of shape (records, features), as (records, outputs)."""
    weights = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64)).T
    product = graph.add("MatMul", graph.cast(records, DOUBLE), graph.constant(weights))
    return graph.add("Add", product, graph.constant(np.atleast_1d(np.asarray(model.intercept_, dtype=np.float64))))


def weigh_classes(graph: Graph, model: Any, records: str) -> str:
    """Scores of the classes: the highest is that of the label."""
    scores = weigh(graph, model, records)
    return graph.add("Concat", graph.add("Sub", scores, scores), scores, axis=1) if len(model.classes_) == 2 else scores


def weigh_probabilities(graph: Graph, model: Any, records: str) -> str:
    """The probabilities of LogisticRegression's classes."""
    scores = weigh(graph, model, records)
    how = getattr(model, "multi_class", "auto")
    several = len(model.classes_) > 2
    apart = how in ("ovr", "warn") or (how in ("auto", "deprecated") and (not several or model.solver == "liblinear"))
    if not several:  # trained together, the two have opposite scores
        return to_both(graph, scores) if apart else to_both(graph, graph.add("Add", scores, scores))
    if not apart:
        return to_each(graph, scores)
    each = to_probability(graph, scores)
    return graph.add("Div", each, graph.add("ReduceSum", each, graph.constant(np.array([1])), keepdims=1))


SUMS = (
    "LinearRegression Ridge RidgeCV Lasso LassoCV LassoLars LassoLarsCV LassoLarsIC ElasticNet ElasticNetCV Lars LarsCV"
    " BayesianRidge ARDRegression HuberRegressor SGDRegressor TheilSenRegressor OrthogonalMatchingPursuit LinearSVR"
)
KNOWN: dict[str, Weigh] = {
    **dict.fromkeys(SUMS.split(), weigh),
    **dict.fromkeys(("LinearSVC", "RidgeClassifier", "RidgeClassifierCV", "Perceptron"), weigh_classes),
    **dict.fromkeys(("LogisticRegression", "LogisticRegressionCV"), weigh_probabilities),
}


def find_linear(model: Any) -> Weigh | None:
    """What writes a linear model; None for any other, and for a class of the user's own."""
    return KNOWN.get(type(model).__name__) if type(model).__module__.startswith("sklearn.") else None
