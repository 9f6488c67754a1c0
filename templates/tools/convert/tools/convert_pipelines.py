"""Models of scikit-learn as ONNX: our own nodes for columns and trees, those of skl2onnx for what takes numbers."""

from __future__ import annotations  # for Python 3.8

import importlib
import re
import sys
import warnings
from typing import Any, Callable, NamedTuple

import numpy as np
from convert_boosters import of_catboost, of_lightgbm, of_xgboost
from convert_graph import BOOL, DOUBLE, OPSETS, OUTPUTS, RECORDS, STRING, Graph, plain
from convert_steps import HINT, STEPS, TAKES_COLUMNS, Column, Matrix, choose, join, split
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
OPTIONS = {"zipmap": [True, False, "columns"], **dict.fromkeys(("nocl", "raw_scores"), [True, False])}
LINEAR = ("LinearSVC", "RidgeClassifier", "RidgeClassifierCV")  # which skl2onnx does not convert in float64
MODULES = ("sklearn.tree", "sklearn.ensemble", "sklearn.svm", "sklearn.linear_model", "xgboost", "lightgbm", "catboost")


class Pipeline:
    """What is made of a model: a graph, and the values that its columns can have where others are errors."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.closed: dict[str, list[Any]] = {}
        self.path: list[str] = []

    def step(self, name: str, act: Callable[..., Any], *arguments: Any) -> Any:
        """A step of the model; its name is in the error of what does not convert."""
        self.path.append(name)
        try:
            result = act(*arguments)
        except Problem:
            raise
        except Exception as error:
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise Problem(f"{self.where()} does not convert ({reason}). {HINT}") from None
        self.path.pop()
        return result

    def where(self) -> str:
        """The step at hand, for an error."""
        return f"the step {' → '.join(self.path)}" if self.path else "the model"

    def transform(self, step: Any, values: Matrix | list[Column]) -> Matrix | list[Column]:
        """What a step makes of columns or numbers."""
        kind = type(step).__name__
        if isinstance(step, str) or step is None:
            return [] if step == "drop" else values
        if hasattr(step, "steps"):
            for name, each in step.steps:
                values = self.step(name, self.transform, each, values)
            return values
        if hasattr(step, "transformers_"):
            return self.divide(step, split(self.graph, values))
        if kind in STEPS and type(step).__module__.startswith("sklearn."):
            values = split(self.graph, values) if kind in TAKES_COLUMNS else values
            try:
                return STEPS[kind](self.graph, step, values, self.closed)
            except Problem as problem:
                raise Problem(f"{self.where()}: {problem}. {HINT}") from None
        if kind == "FunctionTransformer":
            if step.func is not None:
                raise Problem(f"{self.where()} calls a function of Python ({name_of(step.func)}). {HINT}")
            return values
        return self.embed(step, values)

    def divide(self, step: Any, columns: list[Column]) -> Matrix:
        """A ColumnTransformer."""
        if step.transformer_weights:
            raise Problem(f"{self.where()}: transformer_weights do not convert. {HINT}")
        parts = []
        for name, part, chosen in step.transformers_:
            values = choose(columns, chosen)
            if values and not (isinstance(part, str) and part == "drop"):
                parts.append(self.step(name, lambda part, values: join(self.graph, self.transform(part, values)), part, values))
        value = self.graph.add("Concat", *(part.value for part in parts), axis=1) if len(parts) > 1 else parts[0].value
        return Matrix(value, sum(part.width for part in parts))

    def embed(self, step: Any, values: Matrix | list[Column]) -> Matrix:
        """A step on numbers, by skl2onnx."""
        value, width, _ = join(self.graph, values)
        (output, *_), taken = self.convert(step, value, width), np.zeros((1, width))
        return Matrix(self.graph.cast(output, DOUBLE), step.transform(taken).shape[1])

    def convert(self, step: Any, value: str, width: int) -> list[str]:
        """The outputs of a step that skl2onnx converts."""
        skl2onnx = import_skl2onnx()
        taken = importlib.import_module("skl2onnx.common.data_types").DoubleTensorType([None, width])
        options = {"zipmap": False} if hasattr(step, "classes_") else None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                proto = skl2onnx.convert_sklearn(step, "step", [(RECORDS, taken)], target_opset=OPSETS, options=options)
        except Problem:
            raise
        except Exception as error:
            inner = re.search(r"<class '[\w.]*?(\w+)'>", str(error))
            reason = "" if inner else f": {str(error).strip().splitlines()[0] if str(error).strip() else error!r}"
            raise Problem(
                f"skl2onnx does not convert {self.where()}, a {inner[1] if inner else type(step).__name__}{reason}. {HINT}"
            ) from None
        return self.graph.embed(proto, value)

    def predict(self, model: Any, values: Matrix | list[Column]) -> tuple[str, str | None]:
        """The names of predictions, and of probabilities where the model has them."""
        model = getattr(model, "best_estimator_", model)
        if hasattr(model, "steps"):
            *steps, (name, last) = model.steps
            for before, step in steps:
                values = self.step(before, self.transform, step, values)
            return self.step(name, self.predict, last, values)
        if not hasattr(model, "predict"):
            return join(self.graph, self.transform(model, values)).value, None
        value, width, _ = join(self.graph, values)
        if read := find_reader(model):
            answer = self.graph.cast(read(model).add_to(self.graph, value), DOUBLE)
            if not hasattr(model, "classes_"):
                return answer, None
            return self.graph.pick(plain(model.classes_), answer), answer
        outputs = self.convert(model, value, width)
        return outputs[0], outputs[1] if hasattr(model, "predict_proba") else None


class Made(NamedTuple):
    """A converted model."""

    proto: Any  # onnx.ModelProto
    closed: dict[str, list[Any]] = {}  # by column: its values, where any other is an error


def convert_pipeline(model: Any, names: list[str], texts: set[str], width: int, example: Any) -> Made:
    """The model with an input for each column where some are `texts`; else with one, of shape (records, width).

    `example` is an array that predict() gives. Raises Problem, with the step that does not convert.
    """
    made = Pipeline()
    graph = made.graph
    columns = [Column(name, name, name in texts) for name in names] if texts else []
    predictions, probabilities = made.predict(model, columns or Matrix(RECORDS, width, tuple(names)))
    kind = {"b": BOOL, "f": DOUBLE}.get(example.dtype.kind)
    predictions = graph.cast(predictions, kind) if kind else predictions
    shape = graph.constant(np.array([-1, *example.shape[1:]]))
    outputs = {graph.add("Reshape", predictions, shape): OUTPUTS[0]}
    if probabilities:
        outputs[graph.add("Identity", probabilities)] = OUTPUTS[1]
    graph.rename(outputs)
    inputs = [(column.name, STRING if column.text else DOUBLE, 1) for column in columns] or [(RECORDS, DOUBLE, width)]
    return Made(graph.wrap(inputs, list(outputs.values())), made.closed)


def name_of(function: Any) -> str:
    """The name of a function."""
    return str(getattr(function, "__name__", function))


def find_reader(model: Any) -> Callable[[Any], Ensemble] | None:
    """What reads the trees of a model; None for a model without, and for a class of the user's own."""
    name = re.sub("(Classifier|Regressor)$", "", type(model).__name__)
    ours = type(model).__module__.partition(".")[0] in ("sklearn", "xgboost", "lightgbm", "catboost")
    return READERS.get(name) if ours else None


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
            raise Problem(f"a model that takes the scores of a {type(model).__name__} does not convert. {HINT}")
        graph = Graph(scope.get_unique_variable_name("trees"))
        put(graph, graph.cast(read(model).add_to(graph, operator.inputs[0].full_name), DOUBLE), operator, container)

    return convert


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
    graph.rename(names)
    container.nodes.extend(graph.nodes)
    container.initializers.extend(graph.constants)
    container.node_domain_version_pair_sets.update(OPSETS.items())
