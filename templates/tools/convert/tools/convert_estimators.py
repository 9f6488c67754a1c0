"""scikit-learn's trees and linear models as ONNX nodes, which compare and add in the precision of the library."""

from __future__ import annotations  # for Python 3.8

from typing import Any, Callable, NamedTuple

import numpy as np
from convert_graph import DOUBLE, FLOAT, Graph, Tree, Trees
from describe_rows import Problem

Link = Callable[[Graph, str], str]  # sums of shape (records, targets) -> predictions


class Ensemble(NamedTuple):
    """A model of trees."""

    trees: Trees
    link: Link  # for a classifier: to class probabilities of shape (records, classes)
    single: bool = False  # the trees use records in float32, as in scikit-learn

    def add_to(self, graph: Graph, records: str) -> str:
        """Add the model for records of shape (records, features). Returns the name of the predictions."""
        return self.link(graph, self.trees.add_to(graph, graph.cast(records, FLOAT) if self.single else records))


def to_float64(graph: Graph, sums: str) -> str:
    """Return the sums in float64."""
    return graph.cast(sums, DOUBLE)


def sigmoid(graph: Graph, sums: str) -> str:
    """Apply the logistic function. ONNX's own is less precise for small probabilities."""
    one = graph.constant(np.ones(1))
    return graph.add("Div", one, graph.add("Add", one, graph.add("Exp", graph.add("Neg", graph.cast(sums, DOUBLE)))))


def two_classes(graph: Graph, sums: str) -> str:
    """Return the probabilities of two classes."""
    second = sigmoid(graph, sums)
    return graph.add("Concat", graph.add("Sub", graph.constant(np.ones(1)), second), second, axis=1)


def softmax(graph: Graph, sums: str) -> str:
    """Return the probabilities of several classes."""
    return graph.add("Softmax", graph.cast(sums, DOUBLE), axis=1)


def exponential(graph: Graph, sums: str) -> str:
    """Return the exponential of sums that were trained as logarithms."""
    return graph.add("Exp", sums)


def divide(count: float) -> Link:
    """Return a function that divides sums by the number of trees."""
    return lambda graph, sums: graph.add("Div", graph.cast(sums, DOUBLE), graph.constant(np.array([float(count)])))


def read_tree(tree: Any, weights: Any, target: int = 0) -> Tree:
    """Read a scikit-learn tree."""
    leaf = tree.children_left < 0
    missing = getattr(tree, "missing_go_to_left", np.zeros(len(leaf)))
    mode = np.where(leaf, "LEAF", "BRANCH_LEQ")
    branches = np.where(leaf, 0, tree.children_left), np.where(leaf, 0, tree.children_right)
    return Tree(mode, np.maximum(tree.feature, 0), tree.threshold, *branches, missing, weights, target)


def read_forest(model: Any) -> Ensemble:
    """Read a scikit-learn tree or forest: the mean of its trees."""
    members = getattr(model, "estimators_", None) or [model]
    if getattr(model, "n_outputs_", 1) > 1:
        raise Problem(f"{type(model).__name__} with several outputs cannot be converted")
    values = [each.tree_.value[:, 0, :] for each in members]
    if hasattr(model, "classes_"):
        sums = [each.sum(axis=1, keepdims=True) for each in values]
        values = [each / np.where(total == 0, 1, total) for each, total in zip(values, sums)]
    trees = Trees(values[0].shape[1])
    trees.trees = [read_tree(each.tree_, weights) for each, weights in zip(members, values)]
    return Ensemble(trees, divide(len(members)), single=True)


def read_boosting(model: Any) -> Ensemble:
    """Read scikit-learn's GradientBoosting."""
    if model.init_ != "zero" and not type(model.init_).__name__.startswith("Dummy"):
        raise Problem(f"{type(model).__name__} with init={model.init_} cannot be converted")
    first = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))[0]
    trees = Trees(len(first))
    trees.add_constant(first.tolist())
    for round in model.estimators_:
        for target, each in enumerate(round):
            tree = each.tree_
            trees.trees.append(read_tree(tree, model.learning_rate * tree.value[:, 0, :], target))
    if not hasattr(model, "classes_"):
        return Ensemble(trees, to_float64, single=True)
    if model.loss == "exponential":
        return Ensemble(trees, lambda graph, sums: two_classes(graph, graph.add("Add", sums, sums)), single=True)
    return Ensemble(trees, softmax if len(first) > 1 else two_classes, single=True)


def read_histogram(model: Any) -> Ensemble:
    """Read scikit-learn's HistGradientBoosting, which compares in float64."""
    if getattr(model, "is_categorical_", None) is not None:
        raise Problem(f"{type(model).__name__} with categorical columns cannot be converted")
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
        return Ensemble(trees, exponential if model.loss in ("poisson", "gamma") else to_float64)
    return Ensemble(trees, softmax if len(first) > 1 else two_classes)


AddLinear = Callable[[Graph, Any, str], str]


def add_linear(graph: Graph, model: Any, records: str) -> str:
    """Add the weighted sums, of shape (records, outputs), of records of shape (records, features)."""
    weights = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64)).T
    product = graph.add("MatMul", graph.cast(records, DOUBLE), graph.constant(weights))
    return graph.add("Add", product, graph.constant(np.atleast_1d(np.asarray(model.intercept_, dtype=np.float64))))


def add_scores(graph: Graph, model: Any, records: str) -> str:
    """Add scores of the classes; the label has the highest."""
    scores = add_linear(graph, model, records)
    return graph.add("Concat", graph.add("Sub", scores, scores), scores, axis=1) if len(model.classes_) == 2 else scores


def add_probabilities(graph: Graph, model: Any, records: str) -> str:
    """Add the class probabilities of LogisticRegression."""
    scores = add_linear(graph, model, records)
    mode = getattr(model, "multi_class", "auto")
    several = len(model.classes_) > 2
    ovr = mode in ("ovr", "warn") or (mode in ("auto", "deprecated") and (not several or model.solver == "liblinear"))
    if not several:  # a multinomial model has opposite scores for the two
        return two_classes(graph, scores) if ovr else two_classes(graph, graph.add("Add", scores, scores))
    if not ovr:
        return softmax(graph, scores)
    each = sigmoid(graph, scores)
    return graph.add("Div", each, graph.add("ReduceSum", each, graph.constant(np.array([1])), keepdims=1))


SUMS = (
    "LinearRegression Ridge RidgeCV Lasso LassoCV LassoLars LassoLarsCV LassoLarsIC ElasticNet ElasticNetCV Lars LarsCV"
    " BayesianRidge ARDRegression HuberRegressor SGDRegressor TheilSenRegressor OrthogonalMatchingPursuit LinearSVR"
)
KNOWN: dict[str, AddLinear] = {
    **dict.fromkeys(SUMS.split(), add_linear),
    **dict.fromkeys(("LinearSVC", "RidgeClassifier", "RidgeClassifierCV", "Perceptron"), add_scores),
    **dict.fromkeys(("LogisticRegression", "LogisticRegressionCV"), add_probabilities),
}


def find_linear(model: Any) -> AddLinear | None:
    """Return the function that adds a linear model; None for any other model or a class of the user's own."""
    return KNOWN.get(type(model).__name__) if type(model).__module__.startswith("sklearn.") else None
