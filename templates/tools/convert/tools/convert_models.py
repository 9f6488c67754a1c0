"""A model as ONNX: boosters here, all else in convert_pipelines.py. The answers are those of the native runtime."""

from __future__ import annotations  # for Python 3.8

from typing import Any

import numpy as np
from convert_boosters import (
    link_of_lightgbm,
    link_of_xgboost,
    of_catboost,
    read_lightgbm,
    read_xgboost,
)
from convert_estimators import Ensemble
from convert_graph import DOUBLE, FLOAT, RECORDS, Graph, plain
from convert_pipelines import Made, convert_pipeline
from describe_model import Described


def to_onnx(described: Described, example: dict[str, Any]) -> Made:
    """The model as ONNX. `example` is what it answers for some of the rows, as arrays.

    Raises Problem for a model, or a step of one, that does not convert.
    """
    model, rows, columns = described.model, described.rows, described.columns
    library, kind = type(model).__module__.partition(".")[0], type(model).__name__
    width = len(columns) or len(rows[0])
    if (library, kind) in BOOSTERS:
        return Made(wrap(*BOOSTERS[library, kind](model), width), {})
    if library == "catboost":
        return Made(wrap(*serve_catboost(model), width), {})
    texts = {column["name"] for column in columns if column["type"] == "string" and "categories" not in column}
    return convert_pipeline(model, [column["name"] for column in columns], texts, width, example["predictions"])


def serve_xgboost(booster: Any) -> tuple[Graph, dict[str, str]]:
    """A booster of XGBoost, as code/model_handler.py of the native runtime serves it."""
    trees, objective = read_xgboost(booster)
    graph = Graph()
    answer = Ensemble(trees, link_of_xgboost(objective)).add_to(graph, RECORDS)
    if objective == "binary:logistic":
        return graph, {"predictions": second_of(graph, answer), "probabilities": answer}
    if objective == "multi:softmax":
        label = graph.cast(graph.add("ArgMax", answer, axis=1, keepdims=0), FLOAT)
        return graph, {"predictions": label, "probabilities": answer}
    if objective == "multi:softprob":
        return graph, {"predictions": answer, "probabilities": graph.add("Identity", answer)}
    return graph, {"predictions": flat(graph, answer) if trees.targets == 1 else answer}


def serve_lightgbm(booster: Any) -> tuple[Graph, dict[str, str]]:
    """A booster of LightGBM, as code/model_handler.py of the native runtime serves it."""
    trees, objective, mean = read_lightgbm(booster)
    graph = Graph()
    answer = Ensemble(trees, link_of_lightgbm(objective, mean)).add_to(graph, RECORDS)
    if objective.startswith("binary"):
        return graph, {"predictions": second_of(graph, answer), "probabilities": answer}
    if objective.startswith("multiclass"):
        return graph, {"predictions": answer, "probabilities": graph.add("Identity", answer)}
    return graph, {"predictions": flat(graph, answer) if trees.targets == 1 else answer}


def serve_catboost(model: Any) -> tuple[Graph, dict[str, str]]:
    """A model of CatBoost."""
    graph = Graph()
    answer = of_catboost(model).add_to(graph, RECORDS)
    if not len(getattr(model, "classes_", ())):
        return graph, {"predictions": flat(graph, answer)}
    return graph, {"predictions": graph.pick(plain(model.classes_), answer), "probabilities": answer}


def second_of(graph: Graph, probabilities: str) -> str:
    """The probability of the second class."""
    return graph.add("Gather", probabilities, graph.constant(np.array(1)), axis=1)


def flat(graph: Graph, answer: str) -> str:
    """One value for each record."""
    return graph.add("Reshape", answer, graph.constant(np.array([-1])))


def wrap(graph: Graph, served: dict[str, str], width: int) -> Any:
    """A graph as a model."""
    graph.rename({name: f"answer.{kind}" for kind, name in served.items()})
    return graph.wrap([(RECORDS, DOUBLE, width)], [f"answer.{kind}" for kind in served])


BOOSTERS = {("xgboost", "Booster"): serve_xgboost, ("lightgbm", "Booster"): serve_lightgbm}
