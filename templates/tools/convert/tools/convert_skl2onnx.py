"""What skl2onnx converts: what takes numbers and has no nodes of our own. In models of models the trees are ours."""

from __future__ import annotations  # for Python 3.8

import importlib
import re
import sys
import warnings
from typing import Any, Callable

from convert_boosters import of_catboost, of_lightgbm, of_xgboost
from convert_estimators import Ensemble, read_boosting, read_forest, read_histogram, weigh_classes
from convert_graph import DOUBLE, OPSETS, RECORDS, Graph, plain
from describe_rows import Problem

READERS: dict[str, Callable[[Any], Ensemble]] = {
    **dict.fromkeys(("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees"), read_forest),
    "GradientBoosting": read_boosting,
    "HistGradientBoosting": read_histogram,
    **dict.fromkeys(("XGB", "XGBRF"), of_xgboost),
    "LGBM": of_lightgbm,
    "CatBoost": of_catboost,
}
OPTIONS = {"zipmap": [True, False, "columns"], "nocl": [True, False], "raw_scores": [True, False]}
LINEAR = ("LinearSVC", "RidgeClassifier", "RidgeClassifierCV")  # which skl2onnx does not convert in float64
MODULES = ("sklearn.tree", "sklearn.ensemble", "sklearn.svm", "sklearn.linear_model", "xgboost", "lightgbm", "catboost")


def find_reader(model: Any) -> Callable[[Any], Ensemble] | None:
    """What reads the trees of a model; None for a model without, and for a class of the user's own."""
    name = re.sub("(Classifier|Regressor)$", "", type(model).__name__)
    known = type(model).__module__.partition(".")[0] in ("sklearn", "xgboost", "lightgbm", "catboost")
    return READERS.get(name) if known else None


def convert_step(step: Any, width: int) -> Any:
    """A step on an array of shape (records, width) as an onnx.ModelProto. Raises Problem."""
    try:
        skl2onnx = import_skl2onnx()
    except ImportError:
        raise Problem(f"{type(step).__name__} needs skl2onnx here. {install_hint('skl2onnx')}") from None
    taken = importlib.import_module("skl2onnx.common.data_types").DoubleTensorType([None, width])
    options = {"zipmap": False} if hasattr(step, "classes_") else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return skl2onnx.convert_sklearn(step, "step", [(RECORDS, taken)], target_opset=OPSETS, options=options)
    except Problem:
        raise
    except Exception as error:
        inner = re.search(r"<class '[\w.]*?(\w+)'>", str(error))
        reason = "" if inner else f" ({' '.join(str(error).split())[:200] or repr(error)})"
        raise Problem(f"skl2onnx does not convert {inner[1] if inner else type(step).__name__}{reason}") from None


def install_hint(*names: str) -> str:
    """What to type to install packages; the libraries of the model keep their versions."""
    kept = {"numpy": "numpy", "scipy": "scipy", "sklearn": "scikit-learn", "pandas": "pandas"}
    pins = [f"{name}=={sys.modules[module].__version__}" for module, name in kept.items() if module in sys.modules]
    return f"Type: {sys.executable} -m pip install {' '.join([*names, *pins])}"


def import_skl2onnx() -> Any:
    """skl2onnx, which knows our readers of trees then, for models of models."""
    skl2onnx = importlib.import_module("skl2onnx")
    shapes = importlib.import_module("skl2onnx.common.shape_calculator")
    for module in filter(None, map(sys.modules.get, MODULES)):
        for kind in ("Classifier", "Regressor"):
            for name, read in READERS.items():
                register(skl2onnx, shapes, getattr(module, name + kind, None), kind, make_converter(read))
        for name in LINEAR:
            register(skl2onnx, shapes, getattr(module, name, None), "Classifier", convert_linear)
    return skl2onnx


def register(skl2onnx: Any, shapes: Any, model: Any, kind: str, converter: Any) -> None:
    """Tells skl2onnx how a class is written."""
    if model is not None:
        shape = getattr(shapes, f"calculate_linear_{kind.lower()}_output_shapes")
        options = OPTIONS if kind == "Classifier" else None
        skl2onnx.update_registered_converter(model, f"Own{model.__name__}", shape, converter, options=options)


def make_converter(read: Callable[[Any], Ensemble]) -> Callable[[Any, Any, Any], None]:
    """What skl2onnx calls for a model of trees."""

    def convert(scope: Any, operator: Any, container: Any) -> None:
        model = operator.raw_operator
        if hasattr(model, "classes_") and container.get_options(model, {"raw_scores": False})["raw_scores"]:
            raise Problem(f"a model that takes the scores of a {type(model).__name__} does not convert")
        graph = Graph(scope.get_unique_variable_name("trees"))
        put(graph, graph.cast(read(model).add_to(graph, operator.inputs[0].full_name), DOUBLE), operator, container)

    return convert


def convert_linear(scope: Any, operator: Any, container: Any) -> None:
    """What skl2onnx calls for a linear classifier without probabilities."""
    model, graph = operator.raw_operator, Graph(scope.get_unique_variable_name("linear"))
    put(graph, weigh_classes(graph, model, operator.inputs[0].full_name), operator, container)


def put(graph: Graph, answer: str, operator: Any, container: Any) -> None:
    """Adds what was made for a model to the graph of skl2onnx. `answer` has a column for each class, or one."""
    names = {answer: operator.outputs[-1].full_name}
    if len(operator.outputs) > 1:
        names[graph.pick(plain(operator.raw_operator.classes_), answer)] = operator.outputs[0].full_name
    graph.rename(names)
    container.nodes.extend(graph.nodes)
    container.initializers.extend(graph.constants)
    container.node_domain_version_pair_sets.update(OPSETS.items())
