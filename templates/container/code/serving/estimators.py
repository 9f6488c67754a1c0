"""What scikit-learn's estimators know of the columns that they were trained on, and which values they refuse."""

import ast
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from serving import categories
from serving.columns import ANY, ARRAY, FRAME, NUMBER, Column, Taken
from serving.errors import BadRequest
from serving.values import show

BOOSTERS = ("lightgbm.", "xgboost.")
UNKNOWN = re.compile(r"Found unknown categories (\[.*\]) in column \d+ during transform", re.DOTALL)


def find_columns(model: Any) -> Taken | None:
    """The columns of a model that was trained on a DataFrame, with the types that its steps tell; None of any other.

    A model whose steps all take numbers, and pick none by name, gets an array: that is faster. There are no columns
    where only a later step picks some by name: then the signature has to tell them.
    """
    names = [str(name) for name in getattr(model, "feature_names_in_", getattr(model, "feature_names_", ()))]
    known: dict[str, Column] = {}
    for column in learn(model, names) if names else ():
        if column.name not in known or known[column.name].type == ANY:
            known[column.name] = column
    columns = [known.get(name, Column(name)) for name in names]
    frame = any(column.type != NUMBER or column.categories for column in columns) or any(
        map(selects if names else picks_names, walk(model))
    )
    return Taken(columns, FRAME if frame else ARRAY) if names or frame else None


def selects(estimator: Any) -> bool:
    """Whether an estimator picks some of its columns."""
    return hasattr(estimator, "transformers_")


def picks_names(estimator: Any) -> bool:
    """Whether an estimator picks some of its columns by name."""
    choices = [columns for *_, columns in getattr(estimator, "transformers_", ())]
    return any(isinstance(each, str) or (isinstance(each, list) and str in map(type, each)) for each in choices)


def walk(estimator: Any) -> Iterator[Any]:
    """An estimator and those inside it."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    yield estimator
    for _, each in [*getattr(estimator, "steps", ()), *getattr(estimator, "transformer_list", ())]:
        yield from walk(each)
    for each in getattr(estimator, "estimators_", ()) if hasattr(estimator, "named_estimators_") else ():
        yield from walk(each)


def learn(estimator: Any, names: Sequence[str]) -> Iterable[Column]:
    """What an estimator with these columns knows of them."""
    estimator = getattr(estimator, "best_estimator_", estimator)
    if hasattr(estimator, "steps"):
        return learn(next((step for _, step in estimator.steps if step not in (None, "passthrough")), None), names)
    parts = list(parts_of(estimator, names))
    if parts:
        return [column for part, own in parts for column in learn(part, own)]
    if hasattr(estimator, "build_analyzer"):
        return [Column(name, "string") for name in names]
    if hasattr(estimator, "categories_"):
        return [of_values(name, values) for name, values in zip(names, estimator.categories_, strict=True)]
    module = type(estimator).__module__
    if module.startswith(BOOSTERS):
        return of_booster(estimator, names)
    if not module.startswith("sklearn.") or module.endswith("._function_transformer"):
        return [Column(name) for name in names]
    if np.asarray(getattr(estimator, "statistics_", 0)).dtype == object:  # an imputer's
        return [of_values(name, [value]) for name, value in zip(names, estimator.statistics_, strict=True)]
    return [Column(name, NUMBER) for name in names]


def of_booster(model: Any, names: Sequence[str]) -> Iterable[Column]:
    """The columns of scikit-learn's interface to LightGBM or XGBoost."""
    if hasattr(model, "booster_"):
        known, closed = categories.of_lightgbm(model.booster_), False
    else:
        known, closed = categories.of_xgboost(model.get_booster()), True
    return [Column(name, NUMBER, categories=known.get(name, ()), closed=closed) for name in names]


def parts_of(estimator: Any, names: Sequence[str]) -> Iterator[tuple[Any, Sequence[str]]]:
    """The estimators inside one that divides its columns among them, or gives each all of them."""
    if selects(estimator):
        for name, part, _ in estimator.transformers_:
            indices = estimator._transformer_to_input_indices.get(name, ())
            yield part, [names[index] for index in indices]
    elif getattr(estimator, "_preprocessor", None) is not None:  # histogram-based gradient boosting's, for categories
        yield estimator._preprocessor, names
    elif hasattr(estimator, "transformer_list"):
        yield from ((part, names) for _, part in estimator.transformer_list)
    elif hasattr(estimator, "named_estimators_"):  # voting and stacking
        yield from ((part, names) for part in estimator.estimators_)


def of_values(name: str, values: Iterable[Any]) -> Column:
    """A column with values such as these."""
    present = [value for value in values if value is not None and value == value]
    gap = None if any(value is None for value in values) else math.nan
    if present and all(isinstance(value, str) for value in present):
        return Column(name, "string", gap=gap)
    numbers = present and all(isinstance(value, (int, float, np.number, np.bool_)) for value in present)
    return Column(name, NUMBER if numbers else ANY, gap=gap)


def explain(error: ValueError, frame: Any) -> BadRequest | None:
    """The client's error that an estimator has found: a missing value or a category that it does not take."""
    if found := UNKNOWN.search(str(error)):
        return BadRequest(f"{find_category(found[1], frame)}, which this model was not trained with.")
    missing = frame.isna().to_numpy()
    if "NaN" in str(error) and missing.any():
        record, column = np.argwhere(missing)[0]
        return BadRequest(f"Record {record + 1}: {frame.columns[column]} is missing, and this model needs it.")
    return None


def find_category(unknown: str, frame: Any) -> str:
    """Where the categories are that an encoder lists: record and column, if only one column has them."""
    try:
        values = ast.literal_eval(unknown)
    except (ValueError, SyntaxError):
        values = []
    places = np.argwhere(frame.isin(values).to_numpy())
    if len({*places[:, 1]}) != 1:
        return f"There are categories such as {unknown[:200]}"
    record, column = places[0]
    return f"Record {record + 1}: {frame.columns[column]} is {show(frame.iloc[record, column])}"


def to_records(probabilities: Any) -> Any:
    """Probabilities record by record. Of a model with several outputs scikit-learn returns an array for each output."""
    return list(map(list, zip(*probabilities, strict=True))) if isinstance(probabilities, list) else probabilities
