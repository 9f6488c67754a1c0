"""Linear models of scikit-learn as nodes of ONNX, in float64."""

from __future__ import annotations  # for Python 3.8

from typing import Any, Callable

import numpy as np
from convert_graph import DOUBLE, Graph
from convert_trees import to_both, to_each, to_probability

Weigh = Callable[[Graph, Any, str], str]


def weigh(graph: Graph, model: Any, records: str) -> str:
    """The weighted sums of records of shape (records, features), as (records, outputs)."""
    weights = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64)).T
    product = graph.add("MatMul", graph.cast(records, DOUBLE), graph.constant(weights))
    return graph.add("Add", product, graph.constant(np.atleast_1d(np.asarray(model.intercept_, dtype=np.float64))))


def weigh_classes(graph: Graph, model: Any, records: str) -> str:
    """Scores of the classes, of which the highest is that of the label."""
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
