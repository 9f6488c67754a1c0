"""A model as ONNX, with the outputs `predictions` and `probabilities`: pipelines by skl2onnx, trees by our own readers."""

from __future__ import annotations  # for Python 3.8

import importlib
from typing import Any, Sequence

import numpy as np
from convert_boosters import (
    link_of_lightgbm,
    link_of_xgboost,
    of_catboost,
    read_lightgbm,
    read_xgboost,
)
from convert_graph import DOUBLE, FLOAT, OPSETS, RECORDS, Graph, plain
from convert_pipelines import convert_pipeline
from convert_trees import Ensemble

def to_onnx(model: Any, columns: Sequence[tuple[str, str]], width: int) -> Any:
    """The model as an onnx.ModelProto. It takes `columns`, names with `string`, `double` or `long`, or, where there
    are none, an array of shape (records, width).

    Raises Problem for a model, or a step of one, that does not convert.
    """
    onnx = importlib.import_module("onnx")
    kind = type(model).__module__.partition(".")[0], type(model).__name__
    if kind == ("xgboost", "Booster"):
        proto = wrap(*serve_xgboost(model), width)
    elif kind == ("lightgbm", "Booster"):
        proto = wrap(*serve_lightgbm(model), width)
    elif kind[0] == "catboost":
        proto = wrap(*serve_catboost(model), width)
    else:
        proto = convert_pipeline(model, columns, width)
    onnx.checker.check_model(proto)
    return proto


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
    helper = importlib.import_module("onnx.helper")
    nodes, constants = graph.to_protos({name: f"answer.{kind}" for kind, name in served.items()})
    inputs = [helper.make_tensor_value_info(RECORDS, DOUBLE, [None, width])]
    outputs = [importlib.import_module("onnx").ValueInfoProto(name=f"answer.{kind}") for kind in served]
    return finish(helper.make_graph(nodes, "model", inputs, outputs, constants))


def finish(graph: Any) -> Any:
    """A model of versions that every onnxruntime reads, with the types of its outputs inferred."""
    onnx = importlib.import_module("onnx")
    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    proto = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return onnx.shape_inference.infer_shapes(proto)
