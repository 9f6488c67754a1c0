"""Models of scikit-learn as ONNX, by skl2onnx. Their trees are written by our own readers, in the library's precision."""

from __future__ import annotations  # for Python 3.8

import importlib
import re
import sys
import warnings
from typing import Any, Callable, Iterator, Sequence

import numpy as np
from convert_boosters import of_catboost, of_lightgbm, of_xgboost
from convert_graph import BOOL, DOUBLE, OPSETS, OUTPUTS, RECORDS, Graph, plain
from convert_trees import Ensemble, read_boosting, read_forest, read_histogram
from describe_rows import Problem

READERS: dict[str, Callable[[Any], Ensemble]] = {
    **dict.fromkeys(("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees"), read_forest),
    "GradientBoosting": read_boosting,
    "HistGradientBoosting": read_histogram,
    **dict.fromkeys(("XGB", "XGBRF"), of_xgboost),
    "LGBM": of_lightgbm,
    "CatBoost": of_catboost,
}
CLASSIFIER_OPTIONS = {"zipmap": [True, False, "columns"], **dict.fromkeys(("nocl", "raw_scores"), [True, False])}
LINEAR = ("LinearSVC", "RidgeClassifier", "RidgeClassifierCV")  # of which skl2onnx converts none in float64
MODULES = ("sklearn.tree", "sklearn.ensemble", "xgboost", "lightgbm", "catboost")


def convert_pipeline(model: Any, columns: Sequence[tuple[str, str]], width: int) -> Any:
    """The model as an onnx.ModelProto. Raises Problem, with the name of the step that does not convert."""
    skl2onnx = importlib.import_module("skl2onnx")
    types = importlib.import_module("skl2onnx.common.data_types")
    register(skl2onnx)
    known = {"string": types.StringTensorType, "long": types.Int64TensorType, "double": types.DoubleTensorType}
    inputs = [(name, known[kind]([None, 1])) for name, kind in columns]
    inputs = inputs or [(RECORDS, types.DoubleTensorType([None, width]))]
    options = {"zipmap": False} if hasattr(model, "classes_") else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return skl2onnx.convert_sklearn(model, "model", inputs, target_opset=OPSETS, options=options)
    except Problem:
        raise
    except Exception as error:
        raise Problem(explain(error, model)) from None


def explain(error: Exception, model: Any) -> str:
    """Why a model does not convert: the step, where skl2onnx names its class."""
    message = str(error).strip().split("\n")[0] or type(error).__name__
    found = re.search(r"<class '([\w.]+)'>", message)
    name = found[1] if found else ""
    for path, step in walk(model):
        if f"{type(step).__module__}.{type(step).__qualname__}" == name:
            return f"skl2onnx cannot convert {path}, a {type(step).__name__}"
    return f"skl2onnx cannot convert this {type(model).__name__} ({message})"


def walk(model: Any, path: str = "the model") -> Iterator[tuple[str, Any]]:
    """The steps of a model, each with its name, such as `prepare → city`."""
    yield path, model
    steps = [*(getattr(model, "steps", None) or getattr(model, "transformer_list", None) or ())]
    steps += [each[:2] for each in getattr(model, "transformers_", ())]
    for name, step in steps:
        yield from walk(step, f"the step {name}" if path == "the model" else f"{path} → {name}")
    for name in ("best_estimator_", "estimator_", "estimator", "regressor_"):
        if hasattr(getattr(model, name, None), "get_params"):
            yield from walk(getattr(model, name), path)


def register(skl2onnx: Any) -> None:
    """Tells skl2onnx how trees are written."""
    shapes = importlib.import_module("skl2onnx.common.shape_calculator")
    for name in LINEAR:
        module = "sklearn.svm" if name == "LinearSVC" else "sklearn.linear_model"
        skl2onnx.update_registered_converter(
            getattr(importlib.import_module(module), name),
            f"Own{name}",
            shapes.calculate_linear_classifier_output_shapes,
            convert_linear,
            options=CLASSIFIER_OPTIONS,
        )
    for module in filter(None, map(sys.modules.get, MODULES)):
        for name, read in READERS.items():
            for kind in ("Classifier", "Regressor"):
                model = getattr(module, name + kind, None)
                if model is None:
                    continue
                classifies = kind == "Classifier"
                skl2onnx.update_registered_converter(
                    model,
                    f"Own{name}{kind}",
                    getattr(shapes, f"calculate_linear_{kind.lower()}_output_shapes"),
                    make_converter(read),
                    options=CLASSIFIER_OPTIONS if classifies else None,
                )


def convert_linear(scope: Any, operator: Any, container: Any) -> None:
    """What skl2onnx calls for a linear classifier without probabilities."""
    model, graph = operator.raw_operator, Graph(scope.get_unique_variable_name("linear"))
    records = graph.cast(operator.inputs[0].full_name, DOUBLE)
    product = graph.add("MatMul", records, graph.constant(model.coef_.T.astype(np.float64)))
    scores = graph.add("Add", product, graph.constant(np.atleast_1d(model.intercept_).astype(np.float64)))
    if len(model.classes_) == 2:
        scores = graph.add("Concat", graph.add("Sub", scores, scores), scores, axis=1)
    put(graph, scores, operator, container)


def put(graph: Graph, answer: str, operator: Any, container: Any) -> None:
    """Adds what was made for a model to the graph of skl2onnx. `answer` has a column for each class, or one."""
    names = {answer: operator.outputs[-1].full_name}
    if len(operator.outputs) > 1:
        names[graph.pick(plain(operator.raw_operator.classes_), answer)] = operator.outputs[0].full_name
    nodes, constants = graph.to_protos(names)
    container.nodes.extend(nodes)
    container.initializers.extend(constants)
    container.node_domain_version_pair_sets.update(OPSETS.items())


def make_converter(read: Callable[[Any], Ensemble]) -> Callable[[Any, Any, Any], None]:
    """What skl2onnx calls for a model of trees."""

    def convert(scope: Any, operator: Any, container: Any) -> None:
        model = operator.raw_operator
        if container.get_options(model, {"raw_scores": False})["raw_scores"]:
            raise Problem(f"a model that takes the scores of a {type(model).__name__} does not convert")
        graph = Graph(scope.get_unique_variable_name("trees"))
        answer = graph.cast(read(model).add_to(graph, operator.inputs[0].full_name), DOUBLE)
        put(graph, answer, operator, container)

    return convert


def serve(proto: Any, model: Any, example: Any) -> Any:
    """The converted model with the outputs that are served. `example` is what predict() gives, an array."""
    onnx = importlib.import_module("onnx")
    graph = Graph("served")
    names = [output.name for output in proto.graph.output]
    answer = names[0]
    if hasattr(model, "classes_"):
        kinds = {"b": BOOL, "f": DOUBLE}
        kind = kinds.get(np.asarray(model.classes_).dtype.kind)
        answer = graph.cast(answer, kind) if kind else answer
    shape = graph.constant(np.array([-1, *np.shape(example)[1:]]))
    served = {graph.add("Reshape", answer, shape): OUTPUTS[0]}
    if hasattr(model, "predict_proba"):
        served[graph.add("Identity", names[1])] = OUTPUTS[1]
    nodes, constants = graph.to_protos(served)
    proto.graph.node.extend(nodes)
    proto.graph.initializer.extend(constants)
    del proto.graph.output[:]
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in served.values())
    return onnx.shape_inference.infer_shapes(proto)
