"""The trees of XGBoost, LightGBM and CatBoost, and what they make of their sums."""

from __future__ import annotations  # for Python 3.8

import json
import tempfile
from pathlib import Path
from typing import Any, Callable, NamedTuple, Sequence

import numpy as np
from convert_estimators import Ensemble, Link, as_they_are, divide, to_both, to_each, to_power, to_probability
from convert_graph import Graph, Tree, Trees
from describe_rows import Problem


class Branch(NamedTuple):
    """A comparison; with `members` it holds for each of them."""

    feature: int
    mode: str
    threshold: float
    missing: bool  # whether a missing value takes `yes`
    yes: Any
    no: Any
    members: Sequence[float] = ()


def flatten(root: Any, look: Callable[[Any], Branch | list[float]], target: int = 0) -> Tree:
    """A tree from its root on; `look` gives a branch, or what a leaf adds to each target."""
    rows: list[list[Any]] = []  # mode, feature, threshold, yes, no, missing
    leaves: dict[int, list[float]] = {}
    waiting: list[tuple[Any, list[tuple[int, int]]]] = [(root, [])]  # a node, and the places of its number
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
    """A model of XGBoost or CatBoost as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        model.save_model(str(path), **options)
        return json.loads(path.read_text(encoding="utf-8"))


class XGBoost(NamedTuple):
    """A booster of XGBoost."""

    trees: Trees
    objective: str


def read_xgboost(booster: Any) -> XGBoost:
    """The rounds up to early stopping's best. It compares and adds in float32."""
    learner = save_as_json(booster)["learner"]
    part, parameters = learner["gradient_booster"], learner["learner_model_param"]
    objective = learner["objective"]["name"]
    if part["name"] == "gblinear":
        raise Problem("a linear booster of XGBoost does not convert")
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
            raise Problem("trees with several outputs in a leaf (multi_strategy) do not convert")
        trees.trees.append(flatten(0, look_at_xgboost(tree, np.float32(weight)), target))
    return XGBoost(trees, objective)


def to_margin(base: Any, objective: str) -> Any:
    """The sum that stands for the base score."""
    if objective in ("binary:logistic", "reg:logistic", "binary:logitraw"):
        return -np.log(np.float32(1) / base - np.float32(1))
    return np.log(base) if objective in POWERS else base


def look_at_xgboost(tree: Any, weight: Any) -> Callable[[Any], Branch | list[float]]:
    """The nodes of a tree by their numbers. Of categories those listed go to the right."""
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


def link_of_xgboost(objective: str) -> Link:
    """What the booster makes of the sums; of both classes for a binary objective."""
    known: dict[str, Link] = {"binary:logistic": to_both, "multi:softprob": to_each, "multi:softmax": to_each}
    known.update(dict.fromkeys(POWERS, to_power))
    known["reg:logistic"] = to_probability
    if objective == "binary:hinge":
        raise Problem(f"the objective {objective} does not convert")
    return known.get(objective, as_they_are)


def of_xgboost(model: Any) -> Ensemble:
    """scikit-learn's interface to XGBoost."""
    trees, objective = read_xgboost(model.get_booster())
    return Ensemble(trees, link_of_xgboost(objective))


class LightGBM(NamedTuple):
    """A booster of LightGBM."""

    trees: Trees
    objective: str  # with its parameters, such as "binary sigmoid:1"
    mean: int | None  # of so many trees; None: their sum


def read_lightgbm(booster: Any) -> LightGBM:
    """The rounds up to early stopping's best. It compares and adds in float64."""
    saved = booster.dump_model()
    targets = int(saved["num_tree_per_iteration"])
    trees = Trees(targets)
    for at, tree in enumerate(saved["tree_info"]):
        trees.trees.append(flatten(tree["tree_structure"], look_at_lightgbm, at % targets))
    mean = len(saved["tree_info"]) // targets if saved.get("average_output") else None
    return LightGBM(trees, saved.get("objective", ""), mean)


def look_at_lightgbm(node: Any) -> Branch | list[float]:
    """A node of a tree. Of categories those listed go to the left."""
    if "leaf_value" in node:
        if node.get("leaf_coeff"):
            raise Problem("linear trees of LightGBM do not convert")
        return [node["leaf_value"]]
    feature, left, right = node["split_feature"], node["left_child"], node["right_child"]
    if node["decision_type"] == "==":
        return Branch(feature, "", 0, False, left, right, [float(each) for each in node["threshold"].split("||")])
    if node["missing_type"] == "Zero":
        raise Problem("a model of LightGBM that takes 0 for a missing value (zero_as_missing) does not convert")
    # A missing value counts as 0 where there was none in the training.
    missing = node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0
    return Branch(feature, "BRANCH_LEQ", node["threshold"], missing, left, right)


def link_of_lightgbm(objective: str, mean: int | None) -> Link:
    """What the booster makes of the sums; of both classes for a binary objective."""
    name, *parameters = objective.split()
    steep = next((float(each.split(":")[1]) for each in parameters if each.startswith("sigmoid:")), 1.0)

    def link(graph: Graph, sums: str) -> str:
        values = divide(mean)(graph, sums) if mean else as_they_are(graph, sums)
        if name in ("binary", "multiclassova"):
            scaled = graph.add("Mul", values, graph.constant(np.array([steep])))
            return to_both(graph, scaled) if name == "binary" else to_probability(graph, scaled)
        known = {"multiclass": to_each, "poisson": to_power, "gamma": to_power, "tweedie": to_power}
        return known.get(name, lambda _, same: same)(graph, values)

    if name in ("cross_entropy", "cross_entropy_lambda", "xentropy", "xentlambda") or "sqrt" in parameters:
        raise Problem(f"the objective {objective} does not convert")
    return link


def of_lightgbm(model: Any) -> Ensemble:
    """scikit-learn's interface to LightGBM."""
    trees, objective, mean = read_lightgbm(model.booster_)
    return Ensemble(trees, link_of_lightgbm(objective, mean))


def of_catboost(model: Any) -> Ensemble:
    """A model of CatBoost, which sees the records in float32."""
    if model.get_cat_feature_indices() or model.get_text_feature_indices() or model.get_embedding_feature_indices():
        raise Problem("a model of CatBoost with categorical, text or embedding features does not convert")
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
    links = {"MultiClass": to_each, "Poisson": to_power, "Tweedie": to_power}
    if len(model.classes_) and loss not in ("MultiClass", "Logloss", "CrossEntropy"):
        raise Problem(f"a model of CatBoost with the loss {loss} does not convert")
    return Ensemble(trees, to_both if len(model.classes_) == 2 else links.get(loss, as_they_are), single=True)


def nest(tree: Any) -> Any:
    """An oblivious tree, in which a level has one comparison, node by node. The last comparison is the root's."""
    splits = tree["splits"]
    nodes = [{"value": each} for each in np.reshape(tree["leaf_values"], (2 ** len(splits), -1)).tolist()]
    for split in splits:
        nodes = [{"split": split, "left": no, "right": yes} for no, yes in zip(nodes[::2], nodes[1::2])]
    return nodes[0]
