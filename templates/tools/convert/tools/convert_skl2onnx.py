"""Steps that skl2onnx converts: those on numbers without our own nodes. Trees within other models use our nodes."""

from __future__ import annotations  # for Python 3.8

import importlib
import re
import sys
import warnings
from typing import Any, Callable

from convert_boosters import read_catboost, read_lightgbm_wrapper, read_xgboost_wrapper
from convert_estimators import Ensemble, add_scores, read_boosting, read_forest, read_histogram
from convert_graph import DOUBLE, OPSETS, RECORDS, Graph, to_onnx_type
from describe_rows import Problem

READERS: dict[str, Callable[[Any], Ensemble]] = {
    **dict.fromkeys(("DecisionTree", "ExtraTree", "RandomForest", "ExtraTrees"), read_forest),
    "GradientBoosting": read_boosting,
    "HistGradientBoosting": read_histogram,
    **dict.fromkeys(("XGB", "XGBRF"), read_xgboost_wrapper),
    "LGBM": read_lightgbm_wrapper,
    "CatBoost": read_catboost,
}
OPTIONS = {"zipmap": [True, False, "columns"], "nocl": [True, False], "raw_scores": [True, False]}
LINEAR = ("LinearSVC", "RidgeClassifier", "RidgeClassifierCV")  # skl2onnx cannot convert them in float64
MODULES = ("sklearn.tree", "sklearn.ensemble", "sklearn.svm", "sklearn.linear_model", "xgboost", "lightgbm", "catboost")


def find_reader(model: Any) -> Callable[[Any], Ensemble] | None:
    """Return the reader of a model's trees; None for a model without trees or a class of the user's own."""
    name = re.sub("(Classifier|Regressor)$", "", type(model).__name__)
    known = type(model).__module__.partition(".")[0] in ("sklearn", "xgboost", "lightgbm", "catboost")
    return READERS.get(name) if known else None


def convert_step(step: Any, width: int) -> Any:
    """Convert a step on an array of shape (records, width) to an onnx.ModelProto. Raises Problem."""
    try:
        skl2onnx = import_skl2onnx()
    except ImportError:
        raise Problem(f"{type(step).__name__} needs skl2onnx here. {install_hint('skl2onnx')}") from None
    input_type = importlib.import_module("skl2onnx.common.data_types").DoubleTensorType([None, width])
    options = {"zipmap": False} if hasattr(step, "classes_") else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return skl2onnx.convert_sklearn(step, "step", [(RECORDS, input_type)], target_opset=OPSETS, options=options)
    except Problem:
        raise
    except Exception as error:
        inner = re.search(r"<class '[\w.]*?(\w+)'>", str(error))
        reason = "" if inner else f" ({' '.join(str(error).split())[:200] or repr(error)})"
        raise Problem(f"skl2onnx cannot convert {inner[1] if inner else type(step).__name__}{reason}") from None


def install_hint(*names: str) -> str:
    """Return the command that installs packages and keeps the versions of the model's libraries."""
    kept = {"numpy": "numpy", "scipy": "scipy", "sklearn": "scikit-learn", "pandas": "pandas"}
    pins = [f"{name}=={sys.modules[module].__version__}" for module, name in kept.items() if module in sys.modules]
    return f"Type: {sys.executable} -m pip install {' '.join([*names, *pins])}"


def import_skl2onnx() -> Any:
    """Import skl2onnx and register our readers of trees, for models that contain trees."""
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
    """Register the converter of a class with skl2onnx."""
    if model is not None:
        shape = getattr(shapes, f"calculate_linear_{kind.lower()}_output_shapes")
        options = OPTIONS if kind == "Classifier" else None
        skl2onnx.update_registered_converter(model, f"Own{model.__name__}", shape, converter, options=options)


def make_converter(read: Callable[[Any], Ensemble]) -> Callable[[Any, Any, Any], None]:
    """Return the converter of a tree model for skl2onnx."""

    def convert(scope: Any, operator: Any, container: Any) -> None:
        model = operator.raw_operator
        if hasattr(model, "classes_") and container.get_options(model, {"raw_scores": False})["raw_scores"]:
            raise Problem(f"a model that uses the scores of a {type(model).__name__} cannot be converted")
        graph = Graph(scope.get_unique_variable_name("trees"))
        emit(graph, graph.cast(read(model).add_to(graph, operator.inputs[0].full_name), DOUBLE), operator, container)

    return convert


def convert_linear(scope: Any, operator: Any, container: Any) -> None:
    """Converter of a linear classifier without probabilities for skl2onnx."""
    model, graph = operator.raw_operator, Graph(scope.get_unique_variable_name("linear"))
    emit(graph, add_scores(graph, model, operator.inputs[0].full_name), operator, container)


def emit(graph: Graph, output: str, operator: Any, container: Any) -> None:
    """Add the nodes of a model to skl2onnx's graph. `output` has one column per class, or one column."""
    names = {output: operator.outputs[-1].full_name}
    if len(operator.outputs) > 1:
        names[graph.pick(to_onnx_type(operator.raw_operator.classes_), output)] = operator.outputs[0].full_name
    graph.rename(names)
    container.nodes.extend(graph.nodes)
    container.initializers.extend(graph.constants)
    container.node_domain_version_pair_sets.update(OPSETS.items())
