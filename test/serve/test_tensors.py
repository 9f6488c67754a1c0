"""serving/tensors.py: records to one array per input, and outputs to predictions."""

import contextlib
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.content import Records
from serving.errors import BadRequest
from serving.tensors import Arrays, Input, run_in_slices, to_inputs, to_predictions

ROWS = Input("rows", "float32", (None, 2))
IMAGES = Input("images", "float32", (None, 2, 3))
NUMBERS = Input("numbers", "int64", (None,))
COLUMN = Input("column", "float64", (None, 1))
TEXTS = Input("texts", "str", (None,))
FLAGS = Input("flags", "bool", (None,))
BYTES = Input("bytes", "uint8", (None,))
ANY = Input("any", "float32")
RAGGED = Input("ragged", "int64", (None, None))
HALVES = Input("halves", "float16", (None,))
PAIRS = Input("pairs", "float32", (2, 2))


def to_array(values: Any, expected: Input) -> Any:
    """The array for a model's only input."""
    return to_inputs(values, [expected])[expected.name]


@pytest.mark.parametrize(
    ("expected", "values", "array"),
    [
        (ROWS, [[1, 2.5], [True, "4"]], [[1, 2.5], [1, 4]]),
        (ROWS, [1, 2], [[1, 2]]),
        (ROWS, np.ones((1, 2)), [[1, 1]]),
        (IMAGES, [[[1, 2, 3], [4, 5, 6]]], [[[1, 2, 3], [4, 5, 6]]]),
        (IMAGES, [[1, 2, 3], [4, 5, 6]], [[[1, 2, 3], [4, 5, 6]]]),
        (IMAGES, [[1, 2, 3, 4, 5, 6]] * 2, [[[1, 2, 3], [4, 5, 6]]] * 2),
        (NUMBERS, [1, 2.0, 2**53 + 1], [1, 2, 2**53 + 1]),
        (NUMBERS, [[1], [2]], [1, 2]),
        (NUMBERS, [[1, 2]], [1, 2]),
        (NUMBERS, 7, [7]),
        (NUMBERS, np.array([[1.0], [2.0]], ">f4"), [1, 2]),
        (COLUMN, [1, 2, 3], [[1], [2], [3]]),
        (COLUMN, 1, [[1]]),
        (COLUMN, [[1], [2]], [[1], [2]]),
        (TEXTS, ["a", "", "1"], ["a", "", "1"]),
        (FLAGS, [True, 0, 1.0], [True, False, True]),
        (BYTES, [0, 255], [0, 255]),
        (ANY, 1, [1]),
        (ANY, [[[1]]], [[[1]]]),
        (RAGGED, [[1, 2, 3]], [[1, 2, 3]]),
        (RAGGED, [1, 2, 3], [[1, 2, 3]]),
        (PAIRS, [[1, 2]] * 4, [[1, 2]] * 4),
    ],
)
def test_values_become_an_array_of_the_expected_type_and_shape(expected: Input, values: Any, array: Any) -> None:
    found = to_array(values, expected)
    assert found.dtype == np.dtype(object if expected.dtype == "str" else expected.dtype)
    assert found.tolist() == array


@pytest.mark.parametrize(
    ("expected", "values", "message"),
    [
        (ROWS, [[1, 2, 3]], "Expected 2 numbers (float32) per record, got 3 in record 1."),
        (ROWS, [[1, 2], [1]], "Expected 2 numbers (float32) per record, got 1 in record 2."),
        (ROWS, [1, 2, 3], "Expected 2 numbers (float32) per record, got a single value in record 1."),
        (ROWS, [[1, 2], [1, "red"]], "Expected 2 numbers (float32) per record, got something else in record 2."),
        (ROWS, [[1, {}]], "Expected 2 numbers (float32) per record, got something else in record 1."),
        (ROWS, [[[1, 2]]], "Expected 2 numbers (float32) per record, got shape (1, 2) in record 1."),
        (ROWS, [[]], "Expected 2 numbers (float32) per record, got 0 in record 1."),
        (ROWS, "red", "Expected 2 numbers (float32) per record."),
        (ROWS, 5, "Expected 2 numbers (float32) per record."),
        (ROWS, np.ones((1, 3)), "Expected 2 numbers (float32) per record, got 3 in record 1."),
        (IMAGES, [[1, 2]], "Expected numbers (float32) of shape (2, 3) per record, got 2 in record 1."),
        (NUMBERS, [1, 1.5], "Expected one number (int64) per record, got something else in record 2."),
        (NUMBERS, [1, None], "Expected one number (int64) per record, got something else in record 2."),
        (NUMBERS, ["1"], "Expected one number (int64) per record, got something else in record 1."),
        (NUMBERS, [2**63], "Expected one number (int64) per record, got something else in record 1."),
        (NUMBERS, [[1, 2]] * 2, "Expected one number (int64) per record, got 2 in record 1."),
        (NUMBERS, np.array([[np.nan]]), "Expected one number (int64) per record, got something else in record 1."),
        (COLUMN, [[1, 2]], "Expected one number (float64) per record, got 2 in record 1."),
        (BYTES, [256], "Expected one number (uint8) per record, got something else in record 1."),
        (FLAGS, [0.5], "Expected one boolean per record, got something else in record 1."),
        (TEXTS, ["a", 1], "Expected one string per record, got something else in record 2."),
        (TEXTS, np.ones((1, 1)), "Expected one string per record, got something else in record 1."),
        (ANY, [[1], [1, 2]], "Expected numbers (float32), in the same shape for all."),
        (ANY, {"a": 1}, "Expected the inputs any, got a."),
        (RAGGED, [[1, 2], [1]], "Expected a list of numbers (int64) per record, in the same shape for all."),
        (PAIRS, [[1, 2]] * 3, "This model takes 2 records at a time, got 3."),
        (
            ROWS,
            [[1, 2], [1, None]],
            "Record 2 has a missing or infinite value. Expected 2 numbers (float32) per record.",
        ),
        (ROWS, [[1, "inf"]], "Record 1 has a missing or infinite value. Expected 2 numbers (float32) per record."),
        (ROWS, [[1, 1e39]], "Record 1 has a missing or infinite value. Expected 2 numbers (float32) per record."),
        (ROWS, [[1, 10**400]], "Expected 2 numbers (float32) per record, got something else in record 1."),
        (HALVES, [1e5], "Record 1 has a missing or infinite value. Expected one number (float16) per record."),
        (ROWS, [], "The request has no records."),
        (ROWS, np.ones((0, 2)), "The request has no records."),
        (PAIRS, np.ones((0, 2)), "The request has no records."),
        (NUMBERS, [[]], "The request has no records."),
    ],
)
def test_errors_name_what_was_expected(expected: Input, values: Any, message: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(BadRequest) as error:
            to_array(values, expected)
    assert str(error.value) == message


@pytest.mark.parametrize(
    "records",
    [
        {"rows": [[1, 2], [3, 4]], "texts": ["a", "b"]},
        {"texts": [["a"], ["b"]], "rows": np.array([[1, 2], [3, 4]])},
        [{"rows": [1, 2], "texts": "a"}, {"texts": "b", "rows": [3, 4]}],
    ],
)
def test_several_inputs_are_given_by_name(records: Records) -> None:
    arrays = to_inputs(records, [ROWS, TEXTS])
    assert {name: array.tolist() for name, array in arrays.items()} == {
        "rows": [[1, 2], [3, 4]],
        "texts": ["a", "b"],
    }


@pytest.mark.parametrize("records", [{"rows": [1, 2], "column": 3}, [{"rows": [1, 2], "column": 3}]])
def test_a_single_record_is_accepted(records: Records) -> None:
    arrays = to_inputs(records, [ROWS, COLUMN])
    assert {name: array.tolist() for name, array in arrays.items()} == {"rows": [[1, 2]], "column": [[3]]}


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([[1, 2]], 'This model has 2 inputs: send {"inputs": {"rows": [...], "texts": [...]}}.'),
        ([], 'This model has 2 inputs: send {"inputs": {"rows": [...], "texts": [...]}}.'),
        ({}, "Expected the inputs rows, texts, got none."),
        ({"rows": [[1, 2]], "text": ["a"]}, "Expected the inputs rows, texts, got rows, text."),
        ([{"rows": [1, 2]}], "Expected the inputs rows, texts, got rows."),
        ([{"rows": [1, 2], "texts": "a"}, {"rows": [1, 2]}], "Every record must have the inputs rows, texts."),
        ({"rows": [[1, 2]], "texts": []}, "The request has no records."),
        (
            {"rows": [[1, 2]] * 2, "texts": ["a"]},
            "The inputs have different numbers of records: {'rows': 2, 'texts': 1}.",
        ),
    ],
)
def test_wrong_names_and_counts_are_client_errors(records: Records, message: str) -> None:
    with pytest.raises(BadRequest) as error:
        to_inputs(records, [ROWS, TEXTS])
    assert str(error.value) == message


def test_a_long_string_among_numbers_does_not_exhaust_memory() -> None:
    with pytest.raises(BadRequest, match="something else in record 1"):
        to_array(["x" * 10**7] + [1] * 10**5, NUMBERS)  # as an array of strings: 4 TB


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([2**63, 10**400, 1e39])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=12
)
rows = st.lists(st.lists(scalars, max_size=3), max_size=3)
inputs = st.lists(
    st.builds(
        Input,
        st.sampled_from("abc"),
        st.sampled_from(["str", "bool", "float16", "float32", "float64", "int8", "int64", "uint64"]),
        st.none() | st.lists(st.none() | st.integers(1, 3), min_size=1, max_size=3).map(tuple),
    ),
    max_size=3,
    unique_by=lambda expected: expected.name,
)
named = st.dictionaries(st.sampled_from("abc"), values | rows | scalars, max_size=3)


@settings(max_examples=1000, deadline=None, derandomize=True)
@given(records=st.lists(values, max_size=3) | rows | named | st.lists(named, max_size=3), expected=inputs)
def test_any_records_are_converted_or_refused(records: Records, expected: list[Input]) -> None:
    with contextlib.suppress(BadRequest), warnings.catch_warnings():
        warnings.simplefilter("error")
        arrays = to_inputs(records, expected)
        assert list(arrays) == [each.name for each in expected]
        assert len({len(array) for array in arrays.values()}) <= 1
        for each in expected:
            array = arrays[each.name]
            assert array.dtype == np.dtype(object if each.dtype == "str" else each.dtype)
            assert each.shape is None or len(array) % (each.shape[0] or 1) == 0
            assert each.shape is None or array.ndim == len(each.shape)
            lengths = zip(array.shape[1:], each.shape[1:] if each.shape else (), strict=False)
            assert all(want in (None, have) for have, want in lengths)
            assert array.dtype.kind != "f" or np.isfinite(array).all()


@pytest.mark.parametrize(("size", "counts"), [(None, [6]), (6, [6]), (2, [2, 2, 2]), (1, [1] * 6)])
def test_a_model_with_a_fixed_number_of_records_runs_as_often_as_needed(size: int | None, counts: list[int]) -> None:
    ran = []

    def run(inputs: Arrays) -> dict[str, Any]:
        ran.append(len(inputs["x"]))
        return {"y": inputs["x"] * 2, "names": [{"a": float(x)} for x in inputs["x"]]}

    outputs = run_in_slices(run, {"x": np.arange(6)}, size)
    assert ran == counts
    assert outputs["y"].tolist() == [0, 2, 4, 6, 8, 10]
    assert outputs["names"] == [{"a": float(x)} for x in range(6)]


def test_all_outputs_for_a_single_record_belong_to_it() -> None:
    def run(inputs: Arrays) -> dict[str, Any]:
        return {"letters": np.arange(inputs["x"][0]), "score": inputs["x"] / 2}

    outputs = run_in_slices(run, {"x": np.array([3, 1, 0])}, 1)
    assert [entry.tolist() for entry in outputs["letters"]] == [[0, 1, 2], [0], []]
    assert outputs["score"].tolist() == [1.5, 0.5, 0]
    assert [entry.tolist() for entry in run_in_slices(run, {"x": np.array([3])}, 1)["letters"]] == [[0, 1, 2]]


def test_a_single_output_is_the_prediction_and_several_are_objects() -> None:
    label, scores = np.array([1, 0]), np.array([[0.1, 0.9], [0.8, 0.2]])
    assert to_predictions({"scores": scores}) is scores
    both = to_predictions({"label": label, "scores": scores})
    assert [{name: value.tolist() for name, value in record.items()} for record in both] == [
        {"label": 1, "scores": [0.1, 0.9]},
        {"label": 0, "scores": [0.8, 0.2]},
    ]
    assert to_predictions({"label": label, "by_class": [{"a": 1.0}, {"a": 0.0}]})[1] == {
        "label": 0,
        "by_class": {"a": 0.0},
    }


def test_outputs_without_one_entry_per_record_are_answered_by_name() -> None:
    outputs = {"scores": np.ones((2, 3)), "loss": np.float32(1)}
    assert to_predictions(outputs) == {"predictions": outputs}
