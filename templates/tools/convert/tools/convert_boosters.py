"""The trees of XGBoost, LightGBM and CatBoost, and the functions that map their sums to predictions."""

from __future__ import annotations  # for Python 3.8

import json
import tempfile
from pathlib import Path
from typing import Any, Callable, NamedTuple, Sequence

import numpy as np
from convert_estimators import Ensemble, Link, divide, exponential, sigmoid, softmax, to_float64, two_classes
from convert_graph import Graph, Tree, Trees
from describe_rows import Problem


class Branch(NamedTuple):
    """A comparison, or a test whether the value is one of `members`."""

    feature: int
    mode: str
    threshold: float
    missing: bool  # whether a missing value takes `yes`
    yes: Any
    no: Any
    members: Sequence[float] = ()


def flatten(root: Any, look: Callable[[Any], Branch | list[float]], target: int = 0) -> Tree:
    """Return a tree as arrays. `look` maps a node to a branch, or to the values that a leaf adds to each target."""
    rows: list[list[Any]] = []  # mode, feature, threshold, yes, no, missing
    leaves: dict[int, list[float]] = {}
    waiting: list[tuple[Any, list[tuple[int, int]]]] = [(root, [])]  # a node, and where its number goes
    while waiting:
        node, places = waiting.pop()
        found, at = look(node), len(rows)
        for row, column in places:
            rows[row][column] = at
        if isinstance(found, Branch):
            mode, values = ("BRANCH_EQ", found.members) if found.members else (found.mode, [found.threshold])
            rows += [[mode, found.feature, value, 0, at + 1 + i, found.missing] for i, value in enumerate(values)]
            last = len(rows) - 1
            waiting += [(found.no, [(last, 4)]), (found.yes, [(row, 3) for row in range(at, last + 1)])]
        else:
            rows.append(["LEAF", 0, 0.0, 0, 0, False])
            leaves[at] = found
    weights = np.zeros((len(rows), len(next(iter(leaves.values())))))
    weights[list(leaves)] = list(leaves.values())
    modes, features, thresholds, yes, no, missing = (np.array(column) for column in zip(*rows))
    return Tree(modes, features, thresholds, yes, no, missing, weights, target)


def save_as_json(model: Any, **options: Any) -> Any:
    """Return an XGBoost or CatBoost model as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), **options)
        return json.loads(path.read_text(encoding="utf-8"))


class XGBoost(NamedTuple):
    """An XGBoost booster."""

    trees: Trees
    objective: str


def read_xgboost(booster: Any) -> XGBoost:
    """Read the rounds up to the best of early stopping. XGBoost compares and adds in float32."""
    learner = save_as_json(booster)["learner"]
    part, parameters = learner["gradient_booster"], learner["learner_model_param"]
    objective = learner["objective"]["name"]
    if part["name"] == "gblinear":
        raise Problem("a linear XGBoost booster cannot be converted")
    model = part["gbtree"]["model"] if part["name"] == "dart" else part["model"]
    drops = part.get("weight_drop") or model.get("weight_drop") or [1.0] * len(model["trees"])
    targets = max(int(parameters["num_class"]), int(parameters.get("num_target", 1)), 1)
    best = booster.attr("best_iteration")
    rounds = int(best) + 1 if best else None
    parallel = int(model["gbtree_model_param"].get("num_parallel_tree", 1) or 1)
    ends = model.get("iteration_indptr")
    count = len(model["trees"]) if rounds is None else ends[rounds] if ends else rounds * targets * parallel
    trees = Trees(targets, single=True)
    base = np.array(json.loads(parameters["base_score"].replace("E", "e")), dtype=np.float32)
    trees.add_constant(np.broadcast_to(to_margin(base, objective), targets).tolist())
    for tree, target, weight in list(zip(model["trees"], model["tree_info"], drops))[:count]:
        if int(tree["tree_param"]["size_leaf_vector"]) > 1:
            raise Problem("trees with several outputs per leaf (multi_strategy) cannot be converted")
        trees.trees.append(flatten(0, make_xgboost_reader(tree, np.float32(weight)), target))
    return XGBoost(trees, objective)


def to_margin(base: Any, objective: str) -> Any:
    """Return the margin of the base score."""
    if objective in ("binary:logistic", "reg:logistic", "binary:logitraw"):
        return -np.log(np.float32(1) / base - np.float32(1))
    return np.log(base) if objective in POWERS else base


def make_xgboost_reader(tree: Any, weight: Any) -> Callable[[Any], Branch | list[float]]:
    """Return a function from node numbers to nodes. The listed categories go to the right."""
    starts, sizes = tree.get("categories_segments", ()), tree.get("categories_sizes", ())
    ranges = zip(tree.get("categories_nodes", ()), starts, sizes)
    members = {node: tree["categories"][start : start + size] for node, start, size in ranges}
    left, right, defaults = tree["left_children"], tree["right_children"], tree["default_left"]

    def look(node: int) -> Branch | list[float]:
        value, feature, missing = tree["split_conditions"][node], tree["split_indices"][node], bool(defaults[node])
        if left[node] < 0:
            return [float(np.float32(value) * weight)]
        if node in members:
            return Branch(feature, "", 0, not missing, right[node], left[node], members[node])
        return Branch(feature, "BRANCH_LT", value, missing, left[node], right[node])

    return look


POWERS = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:cox", "survival:aft")


def find_xgboost_link(objective: str) -> Link:
    """Return the function from sums to predictions; for a binary objective, of both classes."""
    known: dict[str, Link] = {"binary:logistic": two_classes, "multi:softprob": softmax, "multi:softmax": softmax}
    known.update(dict.fromkeys(POWERS, exponential))
    known["reg:logistic"] = sigmoid
    if objective == "binary:hinge":
        raise Problem(f"the objective {objective} cannot be converted")
    return known.get(objective, to_float64)


def read_xgboost_wrapper(model: Any) -> Ensemble:
    """Read an XGBoost model with the scikit-learn API."""
    trees, objective = read_xgboost(model.get_booster())
    return Ensemble(trees, find_xgboost_link(objective))


class LightGBM(NamedTuple):
    """A LightGBM booster."""

    trees: Trees
    objective: str  # with its parameters, such as "binary sigmoid:1"
    mean: int | None  # the number of trees to average; None: their sum


def read_lightgbm(booster: Any) -> LightGBM:
    """Read the rounds up to the best of early stopping. LightGBM compares and adds in float64."""
    saved = booster.dump_model()
    targets = int(saved["num_tree_per_iteration"])
    trees = Trees(targets)
    for at, tree in enumerate(saved["tree_info"]):
        trees.trees.append(flatten(tree["tree_structure"], read_lightgbm_node, at % targets))
    mean = len(saved["tree_info"]) // targets if saved.get("average_output") else None
    return LightGBM(trees, saved.get("objective", ""), mean)


def read_lightgbm_node(node: Any) -> Branch | list[float]:
    """Read a node of a tree. The listed categories go to the left."""
    if "leaf_value" in node:
        if node.get("leaf_coeff"):
            raise Problem("linear LightGBM trees cannot be converted")
        return [node["leaf_value"]]
    feature, left, right = node["split_feature"], node["left_child"], node["right_child"]
    if node["decision_type"] == "==":
        return Branch(feature, "", 0, False, left, right, [float(each) for each in node["threshold"].split("||")])
    if node["missing_type"] == "Zero":
        raise Problem("a LightGBM model that treats 0 as missing (zero_as_missing) cannot be converted")
    # A missing value counts as 0 if the training data had none.
    missing = node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0
    return Branch(feature, "BRANCH_LEQ", node["threshold"], missing, left, right)


def find_lightgbm_link(objective: str, mean: int | None) -> Link:
    """Return the function from sums to predictions; for a binary objective, of both classes."""
    name, *parameters = objective.split()
    steepness = next((float(each.split(":")[1]) for each in parameters if each.startswith("sigmoid:")), 1.0)

    def link(graph: Graph, sums: str) -> str:
        values = divide(mean)(graph, sums) if mean else to_float64(graph, sums)
        if name in ("binary", "multiclassova"):
            scaled = graph.add("Mul", values, graph.constant(np.array([steepness])))
            return two_classes(graph, scaled) if name == "binary" else sigmoid(graph, scaled)
        known = {"multiclass": softmax, "poisson": exponential, "gamma": exponential, "tweedie": exponential}
        return known.get(name, lambda _, same: same)(graph, values)

    if name in ("cross_entropy", "cross_entropy_lambda", "xentropy", "xentlambda") or "sqrt" in parameters:
        raise Problem(f"the objective {objective} cannot be converted")
    return link


def read_lightgbm_wrapper(model: Any) -> Ensemble:
    """Read a LightGBM model with the scikit-learn API."""
    trees, objective, mean = read_lightgbm(model.booster_)
    return Ensemble(trees, find_lightgbm_link(objective, mean))


def read_catboost(model: Any) -> Ensemble:
    """Read a CatBoost model, which uses records in float32."""
    if model.get_cat_feature_indices() or model.get_text_feature_indices() or model.get_embedding_feature_indices():
        raise Problem("a CatBoost model with categorical, text or embedding features cannot be converted")
    saved = save_as_json(model, format="json")
    scale, first = saved["scale_and_bias"]
    treatments = {
        each["feature_index"]: each["nan_value_treatment"] for each in saved["features_info"]["float_features"]
    }
    trees = Trees(len(first))
    trees.add_constant(first)

    def look(node: Any) -> Branch | list[float]:
        if "split" not in node:
            return list(np.atleast_1d(node["value"]) * scale)
        feature, border = node["split"]["float_feature_index"], node["split"]["border"]
        return Branch(feature, "BRANCH_GT", border, treatments[feature] == "AsTrue", node["right"], node["left"])

    for tree in saved.get("oblivious_trees") or saved["trees"]:
        trees.trees.append(flatten(nest(tree) if "splits" in tree else tree, look))
    parameters = saved["model_info"]["params"]
    parameters = json.loads(parameters) if isinstance(parameters, str) else parameters
    loss = parameters["loss_function"]["type"]
    links = {"MultiClass": softmax, "Poisson": exponential, "Tweedie": exponential}
    if len(model.classes_) and loss not in ("MultiClass", "Logloss", "CrossEntropy"):
        raise Problem(f"a CatBoost model with the loss {loss} cannot be converted")
    return Ensemble(trees, two_classes if len(model.classes_) == 2 else links.get(loss, to_float64), single=True)


def nest(tree: Any) -> Any:
    """Expand an oblivious tree, which has one comparison per level, to nodes. The last comparison is the root."""
    splits = tree["splits"]
    nodes = [{"value": each} for each in np.reshape(tree["leaf_values"], (2 ** len(splits), -1)).tolist()]
    for split in splits:
        nodes = [{"split": split, "left": no, "right": yes} for no, yes in zip(nodes[::2], nodes[1::2])]
    return nodes[0]
