"""Conversion of scikit-learn models: our own nodes for columns, trees and linear models, skl2onnx for the rest."""

from __future__ import annotations  # for Python 3.8

from typing import Any, Callable, NamedTuple

import numpy as np
from convert_estimators import find_linear
from convert_graph import BOOL, DOUBLE, OUTPUTS, RECORDS, STRING, Graph, to_onnx_type
from convert_skl2onnx import convert_step, find_reader
from convert_steps import HINT, STEPS, TAKES_COLUMNS, Column, Matrix, choose, join, split
from describe_rows import Problem


class Pipeline:
    """Converts a model to a graph, and collects the allowed values of its columns where any other is an error."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.closed: dict[str, list[Any]] = {}
        self.path: list[str] = []

    def step(self, name: str, act: Callable[..., Any], *arguments: Any) -> Any:
        """Convert a step of the model. The error names the step if it cannot be converted."""
        self.path.append(name)
        try:
            result = act(*arguments)
        except Problem:
            raise
        except Exception as error:
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise Problem(f"{self.where()} cannot be converted ({reason}). {HINT}") from None
        self.path.pop()
        return result

    def where(self) -> str:
        """Return the current step, for an error message."""
        return f"the step {' → '.join(self.path)}" if self.path else "the model"

    def transform(self, step: Any, values: Matrix | list[Column]) -> Matrix | list[Column]:
        """Apply a step to columns or numbers."""
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
                made: Matrix | list[Column] = STEPS[kind](self.graph, step, values, self.closed)
                return made
            except Problem as problem:
                raise Problem(f"{self.where()}: {problem}. {HINT}") from None
        if kind == "FunctionTransformer":
            if step.func is not None:
                raise Problem(f"{self.where()} calls a Python function ({get_name(step.func)}). {HINT}")
            return values
        return self.embed(step, values)

    def divide(self, step: Any, columns: list[Column]) -> Matrix:
        """Convert a ColumnTransformer."""
        if step.transformer_weights:
            raise Problem(f"{self.where()}: transformer_weights cannot be converted. {HINT}")
        parts = []
        for name, part, chosen in step.transformers_:
            values = choose(columns, chosen)
            if values and not (isinstance(part, str) and part == "drop"):
                parts.append(
                    self.step(name, lambda part, values: join(self.graph, self.transform(part, values)), part, values)
                )
        value = self.graph.add("Concat", *(part.value for part in parts), axis=1) if len(parts) > 1 else parts[0].value
        return Matrix(value, sum(part.width for part in parts))

    def embed(self, step: Any, values: Matrix | list[Column]) -> Matrix:
        """Convert a step on numbers with skl2onnx."""
        value, width, _ = join(self.graph, values)
        output, *_ = self.convert(step, value, width)
        return Matrix(self.graph.cast(output, DOUBLE), step.transform(np.zeros((1, width))).shape[1])

    def convert(self, step: Any, value: str, width: int) -> list[str]:
        """Convert a step with skl2onnx. Returns the names of its outputs."""
        try:
            return self.graph.embed(convert_step(step, width), value)
        except Problem as problem:
            raise Problem(f"{self.where()}: {problem}. {HINT}") from None

    def convert_known(self, model: Any, value: str) -> str | None:
        """Convert a tree or linear model, with one column per class; None for any other model."""
        read, add_linear = find_reader(model), find_linear(model)
        if read:
            return self.graph.cast(read(model).add_to(self.graph, value), DOUBLE)
        return add_linear(self.graph, model, value) if add_linear else None

    def predict(self, model: Any, values: Matrix | list[Column]) -> tuple[str, str | None]:
        """Return the names of the predictions, and of the probabilities if the model has them."""
        model = getattr(model, "best_estimator_", model)
        if hasattr(model, "steps"):
            *steps, (name, last) = model.steps
            for before, step in steps:
                values = self.step(before, self.transform, step, values)
            predictions, probabilities = self.step(name, self.predict, last, values)
            return predictions, probabilities
        if not hasattr(model, "predict"):
            return join(self.graph, self.transform(model, values)).value, None
        value, width, _ = join(self.graph, values)
        if output := self.convert_known(model, value):
            if not hasattr(model, "classes_"):
                return output, None
            label = self.graph.pick(to_onnx_type(model.classes_), output)
            return label, output if hasattr(model, "predict_proba") else None
        outputs = self.convert(model, value, width)
        return outputs[0], outputs[1] if hasattr(model, "predict_proba") else None


class Converted(NamedTuple):
    """A converted model."""

    proto: Any  # onnx.ModelProto
    closed: dict[str, list[Any]]  # column -> its values, if any other is an error


def convert_pipeline(model: Any, names: list[str], texts: set[str], width: int, example: Any) -> Converted:
    """Convert a model, with one input per column if some are `texts`, otherwise with one of shape (records, width).

    `example` is an array that predict() returned. Raises Problem with the step that cannot be converted.
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
    return Converted(graph.wrap(inputs, list(outputs.values())), made.closed)


def get_name(function: Any) -> str:
    """Return the name of a function."""
    return str(getattr(function, "__name__", function))
