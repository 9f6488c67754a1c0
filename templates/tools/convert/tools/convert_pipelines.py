"""Models of scikit-learn as ONNX: nodes of our own for columns, trees and linear models, of skl2onnx for the rest."""

from __future__ import annotations  # for Python 3.8

from typing import Any, Callable, NamedTuple

import numpy as np
from convert_estimators import find_linear
from convert_graph import BOOL, DOUBLE, OUTPUTS, RECORDS, STRING, Graph, plain
from convert_skl2onnx import convert_step, find_reader
from convert_steps import HINT, STEPS, TAKES_COLUMNS, Column, Matrix, choose, join, split
from describe_rows import Problem


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
                made: Matrix | list[Column] = STEPS[kind](self.graph, step, values, self.closed)
                return made
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
                parts.append(
                    self.step(name, lambda part, values: join(self.graph, self.transform(part, values)), part, values)
                )
        value = self.graph.add("Concat", *(part.value for part in parts), axis=1) if len(parts) > 1 else parts[0].value
        return Matrix(value, sum(part.width for part in parts))

    def embed(self, step: Any, values: Matrix | list[Column]) -> Matrix:
        """A step on numbers, by skl2onnx."""
        value, width, _ = join(self.graph, values)
        (output, *_), taken = self.convert(step, value, width), np.zeros((1, width))
        return Matrix(self.graph.cast(output, DOUBLE), step.transform(taken).shape[1])

    def convert(self, step: Any, value: str, width: int) -> list[str]:
        """The outputs of a step that skl2onnx converts."""
        try:
            return self.graph.embed(convert_step(step, width), value)
        except Problem as problem:
            raise Problem(f"{self.where()}: {problem}. {HINT}") from None

    def answer(self, model: Any, value: str) -> str | None:
        """What a model of trees or a linear one answers, with a column for each class; None for any other."""
        read, weigh = find_reader(model), find_linear(model)
        if read:
            return self.graph.cast(read(model).add_to(self.graph, value), DOUBLE)
        return weigh(self.graph, model, value) if weigh else None

    def predict(self, model: Any, values: Matrix | list[Column]) -> tuple[str, str | None]:
        """The names of predictions, and of probabilities where the model has them."""
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
        if answer := self.answer(model, value):
            if not hasattr(model, "classes_"):
                return answer, None
            label = self.graph.pick(plain(model.classes_), answer)
            return label, answer if hasattr(model, "predict_proba") else None
        outputs = self.convert(model, value, width)
        return outputs[0], outputs[1] if hasattr(model, "predict_proba") else None


class Made(NamedTuple):
    """A converted model."""

    proto: Any  # onnx.ModelProto
    closed: dict[str, list[Any]]  # by column: its values, where any other is an error


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
