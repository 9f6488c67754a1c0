"""scikit-learn's preprocessing of columns as ONNX nodes, in float64: encoders, imputers, scalers.

ONNX has no missing strings: MISSING marks them.
"""

from __future__ import annotations  # for Python 3.8

from typing import Any, Callable, NamedTuple

import numpy as np
from convert_graph import DOUBLE, ML, Graph
from describe_rows import Problem

MISSING = "\u2400"
HINT = "Serve the model with its own library instead: ml-container-creator update --runtime=native"


class Column(NamedTuple):
    """One column in the graph, of shape (records, 1)."""

    value: str  # the name in the graph
    name: str  # of the DataFrame
    text: bool = False
    filled: Any = None  # the text that an imputer uses for missing values


class Matrix(NamedTuple):
    """Numbers of shape (records, width)."""

    value: str
    width: int
    names: tuple[str, ...] = ()  # of the DataFrame's columns


def join(graph: Graph, values: Matrix | list[Column]) -> Matrix:
    """Join columns of numbers to a matrix."""
    if isinstance(values, Matrix):
        return values
    texts = [column.name for column in values if column.text]
    if texts:
        raise Problem(f"the text column {texts[0]} reaches a step that does not encode it")
    names = [column.value for column in values]
    return Matrix(graph.add("Concat", *names, axis=1) if len(names) > 1 else names[0], len(names))


def split(graph: Graph, values: Matrix | list[Column]) -> list[Column]:
    """Split a matrix into columns."""
    if not isinstance(values, Matrix):
        return values
    places = [graph.constant(np.array([at])) for at in range(values.width)]
    names = values.names or tuple(f"{at + 1}" for at in range(values.width))
    return [Column(graph.add("Gather", values.value, place, axis=1), name) for name, place in zip(names, places)]


def choose(columns: list[Column], chosen: Any) -> list[Column]:
    """Select the columns for a part of a ColumnTransformer, by name, position, slice or mask."""
    if isinstance(chosen, slice):
        return columns[chosen]
    listed = np.atleast_1d(np.asarray(chosen, dtype=object)).tolist()
    if listed and all(isinstance(each, (bool, np.bool_)) for each in listed):
        return [column for column, wanted in zip(columns, listed) if wanted]
    known = {column.name: column for column in columns}
    return [known[each] if isinstance(each, str) else columns[each] for each in listed]


def matches(graph: Graph, column: Column, categories: Any) -> str:
    """One-hot encode the categories: zeros and ones of shape (records, categories)."""
    known = list(categories)
    if not column.text:
        if any(isinstance(each, str) for each in known):
            raise Problem(f"the column {column.name} has numbers, but its encoder has texts")
        numbers = np.array([np.nan if each is None else each for each in known], dtype=np.float64)
        found = graph.add("Equal", column.value, graph.constant(numbers[None, :]))
        if np.isnan(numbers).any():
            gap = graph.add("And", graph.add("IsNaN", column.value), graph.constant(np.isnan(numbers)[None, :]))
            found = graph.add("Or", found, gap)
        return graph.cast(found, DOUBLE)
    keys = {each: at for at, each in enumerate(known) if isinstance(each, str)}
    gaps = [at for at, each in enumerate(known) if each is None or each != each]
    if len(keys) + len(gaps) < len(known):
        raise Problem(f"the categories of the column {column.name} are not all texts")
    if column.filled in keys:
        keys[MISSING] = keys[column.filled]
    elif gaps and column.filled is None:
        keys[MISSING] = gaps[0]
    texts, places = list(keys), list(keys.values())
    attributes = {"keys_strings": texts, "values_int64s": places, "default_int64": -1}
    place = graph.add("LabelEncoder", column.value, domain=ML, **attributes)
    return graph.cast(graph.add("Equal", place, graph.constant(np.arange(len(known))[None, :])), DOUBLE)


def record_values(step: Any, column: Column, categories: Any, closed: dict[str, list[Any]]) -> None:
    """Record the values that an encoder accepts if it rejects all others."""
    if step.handle_unknown == "error":
        known = [each for each in categories if each is not None and each == each]
        before = closed.get(column.name, known)
        closed[column.name] = [each for each in before if each in known]


def encode_one_hot(graph: Graph, step: Any, values: list[Column], closed: dict[str, list[Any]]) -> Matrix:
    """Encode as one column per category."""
    if any(each is not None for each in getattr(step, "infrequent_categories_", None) or ()):
        raise Problem("OneHotEncoder with infrequent categories cannot be converted")
    parts, width = [], 0
    dropped = [None] * len(values) if step.drop_idx_ is None else step.drop_idx_
    for column, categories, drop in zip(values, step.categories_, dropped):
        record_values(step, column, categories, closed)
        found = matches(graph, column, categories)
        kept = [at for at in range(len(categories)) if at != drop]
        parts.append(graph.add("Gather", found, graph.constant(np.array(kept)), axis=1) if drop is not None else found)
        width += len(kept)
    return Matrix(graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0], width)


def encode_ordinal(graph: Graph, step: Any, values: list[Column], closed: dict[str, list[Any]]) -> Matrix:
    """Encode as the index of the category."""
    if any(each is not None for each in getattr(step, "infrequent_categories_", None) or ()):
        raise Problem("OrdinalEncoder with infrequent categories cannot be converted")
    parts = []
    for column, categories in zip(values, step.categories_):
        record_values(step, column, categories, closed)
        found = matches(graph, column, categories)
        places = np.arange(len(categories), dtype=np.float64)
        gaps = [each is None or each != each for each in categories]
        missing = float(getattr(step, "encoded_missing_value", np.nan))
        known = graph.add("MatMul", found, graph.constant(places[:, None]))
        if any(gaps):
            gap = graph.add("Gather", found, graph.constant(np.array([gaps.index(True)])), axis=1)
            known = graph.add("Where", graph.cast(gap, 9), graph.constant(np.array([[missing]])), known)
        total = graph.add("MatMul", found, graph.constant(np.ones((len(categories), 1))))
        other = step.unknown_value if step.handle_unknown == "use_encoded_value" else np.nan
        parts.append(graph.add("Where", graph.cast(total, 9), known, graph.constant(np.array([[float(other)]]))))
    return Matrix(graph.add("Concat", *parts, axis=1) if len(parts) > 1 else parts[0], len(parts))


def impute(graph: Graph, step: Any, values: list[Column], closed: dict[str, list[Any]]) -> list[Column]:
    """Replace missing values."""
    if step.missing_values is not None and step.missing_values == step.missing_values:
        raise Problem(f"SimpleImputer with missing_values={step.missing_values!r} cannot be converted")
    if step.add_indicator or len(step.statistics_) != len(values):
        raise Problem("SimpleImputer with an indicator cannot be converted")
    filled = []
    for column, value in zip(values, step.statistics_):
        if value != value:
            raise Problem(f"SimpleImputer has no value for the column {column.name}, which was empty in training")
        if column.text:
            filled.append(column if column.filled is not None else column._replace(filled=str(value)))
            continue
        found = graph.constant(np.array([[float(value)]]))
        name = graph.add("Where", graph.add("IsNaN", column.value), found, column.value)
        filled.append(column._replace(value=name))
    return filled


def scale(subtract: str, divide: str, *switches: str) -> Callable[..., Matrix]:
    """Return a scaler that subtracts one attribute of a step and divides by another, given their names."""

    def transform(graph: Graph, step: Any, values: Matrix | list[Column], closed: dict[str, list[Any]]) -> Matrix:
        value, width, _ = join(graph, values)
        for op, name, switch in zip(("Sub", "Div"), (subtract, divide), switches):
            found = getattr(step, name, None) if getattr(step, switch, True) else None
            if found is not None:
                value = graph.add(op, value, graph.constant(np.asarray(found, dtype=np.float64)[None, :]))
        return Matrix(value, width)

    return transform


def scale_to_range(graph: Graph, step: Any, values: Matrix | list[Column], closed: dict[str, list[Any]]) -> Matrix:
    """Convert a MinMaxScaler."""
    if getattr(step, "clip", False):
        raise Problem("MinMaxScaler with clip=True cannot be converted")
    value, width, _ = join(graph, values)
    scaled = graph.add("Mul", value, graph.constant(step.scale_[None, :]))
    return Matrix(graph.add("Add", scaled, graph.constant(step.min_[None, :])), width)


STEPS: dict[str, Callable[..., Any]] = {
    "OneHotEncoder": encode_one_hot,
    "OrdinalEncoder": encode_ordinal,
    "SimpleImputer": impute,
    "StandardScaler": scale("mean_", "scale_", "with_mean", "with_std"),
    "RobustScaler": scale("center_", "scale_", "with_centering", "with_scaling"),
    "MaxAbsScaler": scale("", "scale_", "", ""),
    "MinMaxScaler": scale_to_range,
}
TAKES_COLUMNS = ("OneHotEncoder", "OrdinalEncoder", "SimpleImputer")
