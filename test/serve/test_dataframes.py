"""serving/dataframes.py: MLflow's DataFrame requests for models without columns, and DataFrames as answers."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serving import batching, content
from serving.dataframes import Table
from serving.errors import BadRequest

ROWS = [[1, 2.5], [3, None]]


def decode(value: object) -> Any:
    return content.decode(json.dumps(value).encode(), "application/json")


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"dataframe_split": {"columns": ["b", "a"], "index": [7, 8], "data": ROWS}}, ["b", "a"]),
        ({"dataframe_split": {"data": ROWS}}, None),
        ({"dataframe_records": [{"b": 1, "a": 2.5}, {"a": None, "b": 3}]}, ["b", "a"]),
    ],
)
def test_a_dataframe_is_read_as_records_with_column_names(value: dict[str, Any], names: Any) -> None:
    records, parameters = decode({**value, "params": {"scale": 2}})
    assert (records, records.names, parameters) == (ROWS, names, {"scale": 2})
    assert isinstance(records, Table)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"dataframe_split": []}, 'Expected {"dataframe_split": '),
        ({"dataframe_split": {"columns": "ab", "data": ROWS}}, 'Expected {"dataframe_split": '),
        ({"dataframe_split": {"columns": ["a"], "data": ROWS}}, "Record 1 is not a list with one value per column"),
        ({"dataframe_split": {"data": [[1], 2]}}, "Record 2 is not a list with one value per column"),
        ({"dataframe_split": {"data": [1, 2]}}, "Record 1 is not a list with one value per column"),
        ({"dataframe_split": {"data": []}}, "The request has no records"),
        ({"dataframe_records": {"a": 1}}, 'Expected {"dataframe_records": '),
        ({"dataframe_records": [{"a": 1}, 2]}, 'Expected {"dataframe_records": '),
        ({"dataframe_records": [{"a": 1}, {"b": 1}]}, "The columns of record 2 differ from those of record 1"),
        ({"dataframe_records": []}, "The request has no records"),
    ],
)
def test_a_malformed_dataframe_is_refused(value: object, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        decode(value)


def test_a_dataframe_is_answered_as_objects_and_a_series_as_a_list() -> None:
    dates = pd.to_datetime(["2024-05-31 12:00", None])
    frame = pd.DataFrame({"city": ["Oslo", "Rome"], 0: [np.nan, 1.5], "since": dates, "whole": [1, 2]})
    assert json.loads(content.to_json(frame)) == {
        "predictions": [
            {"city": "Oslo", "0": None, "since": "2024-05-31T12:00:00", "whole": 1},
            {"city": "Rome", "0": 1.5, "since": None, "whole": 2},
        ]
    }
    assert content.encode(frame[["city", "whole"]], "text/csv") == b"Oslo,1\nRome,2\n"
    assert json.loads(content.to_json({"predictions": pd.Series([1, 2])})) == {"predictions": [1, 2]}


def test_dataframes_of_several_requests_are_split_by_record() -> None:
    frame = pd.DataFrame({"total": [1.0, 2.0, 3.0]}, index=[7, 5, 3])
    for outputs in (frame, frame["total"]):
        parts = batching.split(outputs, [1, 2])
        assert parts is not None
        assert [part.index.tolist() for part in parts] == [[7], [5, 3]]
        assert batching.split(outputs, [1, 1]) is None
    assert batching.are_close(frame, frame + 1e-9)
    assert not batching.are_close(frame, frame + 1)
    assert not batching.are_close(frame, frame.rename(columns=str.upper))
