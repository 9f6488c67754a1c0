"""The columns that scikit-learn estimators were trained on, and the values they refuse."""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving import categories
from serving.categories import UnknownCategoriesError
from serving.columns import ANY, ARRAY, CATEGORY, FRAME, NUMBER, Column, InputSchema
from serving.errors import BadRequest
from serving.values import show

TEXT = re.compile(r"could not convert string to float: (.*)", re.DOTALL)
BOOSTERS = ("lightgbm.", "xgboost.")
STRINGS_IN_SPARSE = "convertible to a numeric"  # scipy's error for strings
UNKNOWN = re.compile(r"Found unknown categories (\[.*\]) in column \d+ during transform", re.DOTALL)


def find_columns(model: Any) -> InputSchema | None:
    """Return the columns of a model trained on a DataFrame, with the types its steps reveal; None for any other model.

    A model whose steps all take numbers and select none by name gets an array, which is faster. The list of columns is
    empty if only a later step selects some by name, or if categories are unknown: model/signature.json must then
    provide the columns.
    """
    names = find_names(model)
    known: dict[str, Column] = {}
    try:
        for column in infer_columns(model, names) if names else ():
            if column.name not in known or known[column.name].type == ANY:
                known[column.name] = column
        for name in (name for step in walk(model) for name in find_categories(step)):
            if name not in known or not known[name].categories:
                raise UnknownCategoriesError  # a categorical column reaches a later step
    except UnknownCategoriesError:
        return InputSchema([], FRAME, frames=True)
    columns = [known.get(name, Column(name)) for name in names]
    frame = any(column.type != NUMBER or column.categories for column in columns) or any(
        map(selects if names else selects_by_name, walk(model))
    )
    return InputSchema(columns, FRAME if frame else ARRAY, frames=True) if names or frame else None


def find_names(model: Any) -> list[str]:
    """Return the column names in training. Numbers that LightGBM and CatBoost give to unnamed columns do not count."""
    for attribute in ("feature_names_in_", "feature_name_", "feature_names_"):
        names = getattr(model, attribute, None)
        if names is not None and any(str(name) not in (f"Column_{at}", f"{at}") for at, name in enumerate(names)):
            return [str(name) for name in names]
    return []


def selects(estimator: Any) -> bool:
    """Return whether an estimator selects columns."""
    return hasattr(estimator, "transformers_")


def selects_by_name(estimator: Any) -> bool:
    """Return whether an estimator selects columns by name."""
    choices = [columns for *_, columns in getattr(estimator, "transformers_", ())]
    return any(isinstance(each, str) or (isinstance(each, list) and str in map(type, each)) for each in choices)


def walk(estimator: Any) -> Iterator[Any]:
    """Yield an estimator and those nested in it."""
    yield estimator
    for each in [*nested_estimators(estimator), *(step for _, step in steps_of(estimator))]:
        yield from walk(each)


def steps_of(estimator: Any) -> Sequence[tuple[str, Any]]:
    """Return the named steps of a pipeline, or parts of a union."""
    return getattr(estimator, "steps", None) or getattr(estimator, "transformer_list", None) or ()


def nested_estimators(estimator: Any) -> Iterator[Any]:
    """Yield the estimators that a meta-estimator (search, voting, calibration …) fitted on all of its columns."""
    names = getattr(estimator, "feature_names_in_", ())
    fitted = [value for name, value in vars(estimator).items() if name[-1:] == "_"] if hasattr(estimator, "fit") else []
    for value in fitted:
        for each in value if isinstance(value, list) else [value]:
            # CalibratedClassifierCV wraps its estimators.
            each = getattr(each, "estimator", each) if not hasattr(each, "fit") else each
            if hasattr(each, "fit") and np.array_equal(getattr(each, "feature_names_in_", ()), names) and len(names):
                yield each


def infer_columns(estimator: Any, names: Sequence[str]) -> Iterable[Column]:
    """Return the columns of an estimator, with the types it reveals."""
    if hasattr(estimator, "steps"):
        return infer_columns(
            next((step for _, step in estimator.steps if step not in (None, "passthrough")), None), names
        )
    parts = list(parts_of(estimator, names))
    if parts:
        columns = [column for part, own in parts for column in infer_columns(part, own)]
        rest = NUMBER if hasattr(estimator, "_preprocessor") else ANY  # the trees that follow take numbers
        return [column._replace(type=rest) if column.type == ANY else column for column in columns]
    if hasattr(estimator, "build_analyzer"):
        return [Column(name, "string") for name in names]
    if hasattr(estimator, "categories_"):
        return [column_of_values(name, values) for name, values in zip(names, estimator.categories_, strict=True)]
    module = type(estimator).__module__
    if module.startswith(BOOSTERS):
        return columns_of_booster(estimator, names)
    if hasattr(estimator, "get_cat_feature_indices"):  # CatBoost's
        strings = {*estimator.get_cat_feature_indices(), *estimator.get_text_feature_indices()}
        return [Column(name, CATEGORY if at in strings else NUMBER) for at, name in enumerate(names)]
    if not module.startswith("sklearn.") or module.endswith("._function_transformer"):
        return [Column(name) for name in names]
    if hasattr(estimator, "statistics_"):
        return columns_of_imputer(estimator, names)
    return [Column(name, NUMBER) for name in names]


def columns_of_imputer(imputer: Any, names: Sequence[str]) -> Iterable[Column]:
    """Return the columns of a SimpleImputer. Only a mean or a median implies numbers; a constant implies nothing."""
    missing_value = None if imputer.missing_values is None else np.nan
    for name, value in zip(names, imputer.statistics_, strict=True):
        if imputer.strategy in ("mean", "median"):
            yield Column(name, NUMBER, missing_value=missing_value)
        elif imputer.strategy == "most_frequent" and isinstance(value, str):
            yield Column(name, "string", missing_value=missing_value, example=str(value))
        else:
            yield Column(name, missing_value=missing_value)


def find_categories(model: Any) -> categories.Categories:
    """Return the categories of a LightGBM or XGBoost estimator; empty for any other estimator."""
    if not type(model).__module__.startswith(BOOSTERS):
        return {}
    return (
        categories.read_lightgbm(model.booster_)
        if hasattr(model, "booster_")
        else categories.read_xgboost(model.get_booster())
    )


def columns_of_booster(model: Any, names: Sequence[str]) -> Iterable[Column]:
    """Return the columns of a LightGBM or XGBoost estimator."""
    known, refuses_unknown = find_categories(model), not hasattr(model, "booster_")
    return [Column(name, NUMBER, categories=known.get(name, ()), refuses_unknown=refuses_unknown) for name in names]


def parts_of(estimator: Any, names: Sequence[str]) -> Iterator[tuple[Any, Sequence[str]]]:
    """Yield nested estimators with the columns each gets: some of them, or all."""
    if selects(estimator):
        for name, part, _ in estimator.transformers_:
            indices = estimator._transformer_to_input_indices.get(name, ())
            yield part, [names[index] for index in indices]
    elif getattr(estimator, "_preprocessor", None) is not None:  # histogram-based gradient boosting with categories
        yield estimator._preprocessor, names
    else:
        yield from ((part, names) for _, part in getattr(estimator, "transformer_list", ()))
        yield from ((part, names) for part in nested_estimators(estimator))


def column_of_values(name: str, values: NDArray[Any]) -> Column:
    """Return a column with the type of these values."""
    present = [value for value in values if value is not None and value == value]
    missing_value = None if any(value is None for value in values) else np.nan
    if present and all(isinstance(value, str) for value in present):
        return Column(name, "string", missing_value=missing_value, example=str(present[0]))
    if present and all(isinstance(value, (bool, np.bool_)) for value in present):
        return Column(name, "boolean", can_be_omitted=values.dtype == object, missing_value=missing_value)
    return Column(name, NUMBER if values.dtype.kind in "iuf" else ANY, missing_value=missing_value)


def explain(error: ValueError, frame: Any, model: Any) -> BadRequest | None:
    """Convert an estimator's error to one for the client: a missing, too large or unknown value, or a string."""
    message = str(error)
    if found := UNKNOWN.search(message):
        return BadRequest(f"{find_value(found[1], frame)}, which this model was not trained with.")
    if found := TEXT.search(message):
        return BadRequest(f"{find_value(f'[{found[1]}]', frame)}, not a number.")
    if STRINGS_IN_SPARSE in message and (text := find_text(frame, model)):
        return BadRequest(f"{text}, not a number.")
    missing = frame.isna()
    if "nan" in message.lower() and missing.to_numpy().any():
        record = int(missing.any(axis=1).to_numpy().argmax())
        columns = " or ".join(map(str, frame.columns[missing.iloc[record]]))
        return BadRequest(f"Record {record + 1}: {columns} is missing, but this model needs it.")
    numbers = frame.select_dtypes("number")
    if "infinity" in message and numbers.size:
        magnitudes = numbers.abs().fillna(0).to_numpy(dtype=float)
        record, column = np.unravel_index(magnitudes.argmax(), magnitudes.shape)
        value = show(float(numbers.iloc[record, column]))
        return BadRequest(f"Record {record + 1}: {numbers.columns[column]} is {value}, too large for this model.")
    return None


def find_value(listed: str, frame: Any) -> str:
    """Locate the values that an estimator lists: name record and column, if only one column has them."""
    plain = re.sub(r"\bnan\b", "None", re.sub(r"np\.\w+\(([^()]*)\)", r"\1", listed))  # NumPy 2's np.float64(7.0)
    try:
        values = ast.literal_eval(plain)
    except (ValueError, SyntaxError):
        values = []
    cells = frame.isin([value for value in values if value is not None])
    places = np.argwhere((cells | frame.isna() if None in values else cells).to_numpy())
    if len({*places[:, 1]}) != 1:
        return f"The request contains {plain[:200]}"
    return show_cell(frame, *places[0])


def find_text(frame: Any, model: Any) -> str | None:
    """Locate the first string in a column that is not known to contain strings."""
    schema = find_columns(model)
    texts = {column.name for column in schema.columns if column.type == "string"} if schema else set()
    for at, name in enumerate(frame.columns):
        for record, value in enumerate(frame[name] if name not in texts else ()):
            if isinstance(value, str):
                return show_cell(frame, record, at)
    return None


def show_cell(frame: Any, record: int, column: int) -> str:
    """Return a value with its record and column."""
    value = frame.iloc[record, column]
    shown = show(value.item() if hasattr(value, "item") else value) if value == value and value is not None else "null"
    return f"Record {record + 1}: {frame.columns[column]} is {shown}"


def to_records(probabilities: Any) -> Any:
    """Return probabilities by record. For a model with multiple outputs, scikit-learn returns one array per output."""
    return list(map(list, zip(*probabilities, strict=True))) if isinstance(probabilities, list) else probabilities
