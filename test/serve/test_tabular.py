"""serving/tabular.py: records to a matrix."""

from typing import Any

import numpy as np
import pytest

from serving.errors import BadRequest
from serving.tabular import check_finite, to_matrix


def test_records_become_a_matrix_of_floats() -> None:
    matrix = to_matrix([[1, 2.5], [True, "4"]], features=2)
    assert matrix.dtype == np.float64
    assert matrix.tolist() == [[1, 2.5], [1, 4]]


def test_a_missing_value_is_nan() -> None:
    assert np.isnan(to_matrix([[1, None]])[0, 1])


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "The request has no records."),
        ([[]], "Expected 2 features per record, got 0."),
        ([[1, 2, 3]], "Expected 2 features per record, got 3."),
        ([[1, 2], [1]], "Expected 2 features per record, got 1 in record 2."),
        ([[1, 2], [1, "red"]], "Record 2: 'red' is not a number."),
        ([[1, 2], [1, "x" * 99]], f"Record 2: '{'x' * 39} is not a number."),
        ([[1, [2]]], "Record 1: [2] is not a number."),
        ([[[1, 2]]], "Record 1: [1, 2] is not a number."),
        (
            [{"a": 1}],
            "Record 1 is an object. This model has no column names: send lists, with the "
            "values in the order used in training.",
        ),
        (["text"], "Record 1 is not a list of numbers."),
        ([5], "Record 1 is not a list of numbers."),
        ([[1, 2], 5], "Record 2 is not a list of numbers."),
    ],
)
def test_errors_name_the_wrong_record(records: list[Any], message: str) -> None:
    with pytest.raises(BadRequest) as error:
        to_matrix(records, features=2)
    assert str(error.value) == message


def test_the_first_record_sets_the_number_of_features_by_default() -> None:
    with pytest.raises(BadRequest, match="Expected 2 features per record, got 1 in record 2"):
        to_matrix([[1, 2], [1]])


def test_a_refused_matrix_is_a_client_error_only_if_it_is_not_finite() -> None:
    check_finite(np.array([[1.0]]))
    with pytest.raises(BadRequest, match="Record 2 has a missing, infinite or too large value"):
        check_finite(np.array([[1.0], [np.inf]]))
