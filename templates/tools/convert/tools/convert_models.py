"""Conversion of boosters; convert_pipelines.py has all other models. Predictions match the native runtime."""

from __future__ import annotations  # for Python 3.8

from typing import Any

import numpy as np
from convert_boosters import (
    find_lightgbm_link,
    find_xgboost_link,
    read_catboost,
    read_lightgbm,
    read_xgboost,
)
from convert_estimators import Ensemble
from convert_graph import DOUBLE, FLOAT, RECORDS, Graph, to_onnx_type
from convert_pipelines import Converted, convert_pipeline
from describe_model import Described


def to_onnx(described: Described, example: dict[str, Any]) -> Converted:
    """Convert a model to ONNX. `example` has its predictions for some of the rows, as arrays.

    Raises Problem if the model or one of its steps cannot be converted.
    """
    model, rows, columns = described.model, described.rows, described.columns
    library, kind = type(model).__module__.partition(".")[0], type(model).__name__
    width = len(columns) or len(rows[0])
    if (library, kind) in BOOSTERS:
        return Converted(wrap(*BOOSTERS[library, kind](model), width), {})
    if library == "catboost":
        return Converted(wrap(*serve_catboost(model), width), {})
    texts = {column["name"] for column in columns if column["type"] == "string" and "categories" not in column}
    return convert_pipeline(model, [column["name"] for column in columns], texts, width, example["predictions"])


def serve_xgboost(booster: Any) -> tuple[Graph, dict[str, str]]:
    """Convert an XGBoost booster, with the predictions of the native runtime's code/model_handler.py."""
    trees, objective = read_xgboost(booster)
    graph = Graph()
    output = Ensemble(trees, find_xgboost_link(objective)).add_to(graph, RECORDS)
    if objective == "binary:logistic":
        return graph, {"predictions": select_second(graph, output), "probabilities": output}
    if objective == "multi:softmax":
        label = graph.cast(graph.add("ArgMax", output, axis=1, keepdims=0), FLOAT)
        return graph, {"predictions": label, "probabilities": output}
    if objective == "multi:softprob":
        return graph, {"predictions": output, "probabilities": graph.add("Identity", output)}
    return graph, {"predictions": to_values(graph, output) if trees.targets == 1 else output}


def serve_lightgbm(booster: Any) -> tuple[Graph, dict[str, str]]:
    """Convert a LightGBM booster, with the predictions of the native runtime's code/model_handler.py."""
    trees, objective, mean = read_lightgbm(booster)
    graph = Graph()
    output = Ensemble(trees, find_lightgbm_link(objective, mean)).add_to(graph, RECORDS)
    if objective.startswith("binary"):
        return graph, {"predictions": select_second(graph, output), "probabilities": output}
    if objective.startswith("multiclass"):
        return graph, {"predictions": output, "probabilities": graph.add("Identity", output)}
    return graph, {"predictions": to_values(graph, output) if trees.targets == 1 else output}


def serve_catboost(model: Any) -> tuple[Graph, dict[str, str]]:
    """Convert a CatBoost model."""
    graph = Graph()
    output = read_catboost(model).add_to(graph, RECORDS)
    if not len(getattr(model, "classes_", ())):
        return graph, {"predictions": to_values(graph, output)}
    return graph, {"predictions": graph.pick(to_onnx_type(model.classes_), output), "probabilities": output}


def select_second(graph: Graph, probabilities: str) -> str:
    """Select the probability of the second class."""
    return graph.add("Gather", probabilities, graph.constant(np.array(1)), axis=1)


def to_values(graph: Graph, output: str) -> str:
    """Reshape to one value per record."""
    return graph.add("Reshape", output, graph.constant(np.array([-1])))


def wrap(graph: Graph, served: dict[str, str], width: int) -> Any:
    """Return a graph as a model."""
    graph.rename({name: f"answer.{kind}" for kind, name in served.items()})
    return graph.wrap([(RECORDS, DOUBLE, width)], [f"answer.{kind}" for kind in served])


BOOSTERS = {("xgboost", "Booster"): serve_xgboost, ("lightgbm", "Booster"): serve_lightgbm}
