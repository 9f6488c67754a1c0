"""Requests by column: serving/columns.py and serving/tables.py."""

import contextlib
import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.columns import ANY, ARRAY, FRAME, NUMBER, ROWS, Column, Columns, Taken, read_signature
from serving.errors import BadRequest, StartError
from serving.request import CURRENT, Request
from serving.tables import make_reader

COLUMNS = [
    Column("age", "long", required=True),
    Column("income", "double"),
    Column("city", "string", required=True),
    Column("since", "datetime"),
    Column("vip", "boolean", required=True),
]
NAMES = [column.name for column in COLUMNS]
RECORDS = [
    {"age": 31, "income": 5.5, "city": "Oslo", "since": "2024-05-31", "vip": True},
    {"age": 40, "income": None, "city": "Rome, old", "since": None, "vip": False},
]
LISTS = [list(record.values()) for record in RECORDS]


def read(body: Any, content_type: str = "application/json", columns: list[Column] = COLUMNS, form: str = FRAME) -> Any:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    CURRENT.set(Request(sent, content_type))
    reader = make_reader(Taken(columns, form))
    return reader.decoders()[content_type.partition(";")[0]](sent, "utf-8")[0]


def write_csv(rows: list[list[Any]], *header: str) -> bytes:
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerows([list(header), *rows] if header else rows)
    return text.getvalue().encode()


FORMS: dict[str, tuple[Any, str]] = {
    "objects": ({"instances": RECORDS}, "application/json"),
    "a bare array": (RECORDS, "application/json"),
    "dataframe_split": ({"dataframe_split": {"columns": NAMES, "data": LISTS}}, "application/json"),
    "dataframe_records": ({"dataframe_records": RECORDS}, "application/json"),
    "columns": ({"columns": NAMES[::-1], "instances": [row[::-1] for row in LISTS]}, "application/json"),
    "lists": ({"instances": LISTS}, "application/json"),
    "inputs by column": (
        {"inputs": {name: [record[name] for record in RECORDS] for name in NAMES}},
        "application/json",
    ),
    "csv": (write_csv(LISTS), "text/csv"),
    "csv with a header": (write_csv(LISTS, *NAMES), "text/csv"),
    "csv; header=present": (write_csv([row[::-1] for row in LISTS], *NAMES[::-1]), "text/csv; header=present"),
    "csv; header=absent": (write_csv(LISTS), "text/csv; header=absent"),
    "jsonlines": (b"\n".join(json.dumps(record).encode() for record in RECORDS), "application/jsonlines"),
    "jsonlines of lists": (b"\n".join(json.dumps(row).encode() for row in LISTS), "application/jsonlines"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_request(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.columns.date_unit", lambda: "us")
    found = read(*FORMS[form])
    assert isinstance(found, Columns)
    assert list(found) == NAMES
    assert {name: array.dtype.str[1:] for name, array in found.items()} == {
        "age": "i8",
        "income": "f8",
        "city": "O",
        "since": "M8[us]",
        "vip": "b1",
    }
    assert found["age"].tolist() == [31, 40]
    np.testing.assert_array_equal(found["income"], [5.5, np.nan])
    assert found["city"].tolist() == ["Oslo", "Rome, old"]
    np.testing.assert_array_equal(found["since"], np.array(["2024-05-31", "NaT"], "datetime64[us]"))
    assert found["vip"].tolist() == [True, False]


def change(**values: Any) -> dict[str, Any]:
    return {"instances": [RECORDS[0], {**RECORDS[0], **values}]}


def without(name: str) -> dict[str, Any]:
    return {"instances": [RECORDS[0], {each: value for each, value in RECORDS[0].items() if each != name}]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (change(age="abc"), 'Record 2: age is "abc", not a whole number.'),
        (change(age="31"), 'Record 2: age is "31", not a whole number.'),
        (change(age=1.5), "Record 2: age is 1.5, not a whole number."),
        (change(age=True), "Record 2: age is true, not a whole number."),
        (change(age=2**63), f"Record 2: age is {2**63}, not a whole number."),
        (change(age=None), "Record 2: age is missing."),
        (change(income=[1]), "Record 2: income is [1], not a number."),
        (change(city=5), "Record 2: city is 5, not a text."),
        (change(since="2024-02-30"), 'Record 2: since is "2024-02-30", not a date, such as'),
        (change(since="yesterday"), 'Record 2: since is "yesterday", not a date, such as'),
        (change(vip="yes"), 'Record 2: vip is "yes", not true or false.'),
        (without("city"), "Record 2: city is missing."),
        (change(ctiy="Oslo"), "Record 2: there is no column ctiy. Did you mean city?"),
        (change(qqqq=1), "Record 2: there is no column qqqq. There are age, income, city, since, vip."),
        ({"instances": [RECORDS[0], LISTS[0]]}, "Record 2 is not an object with the columns by name."),
        ({"instances": [LISTS[0], RECORDS[0]]}, "Record 2 is not a list of values."),
        ({"instances": [LISTS[0], [1]]}, "Record 2 has 1 values instead of 5: age, income, city, since, vip."),
        ({"instances": []}, "The request has no records."),
        ({"dataframe_split": {"columns": ["age", "age"], "data": [[1, 2]]}}, "The request has the column age twice."),
        ({"dataframe_split": {"columns": ["age"], "data": [[1]]}}, "The request: city is missing."),
        ({"dataframe_split": {"columns": NAMES}}, 'Expected {"columns": [...], "data": [[...], ...]}.'),
        ({"inputs": {"age": [1, 2], "city": ["a"], "vip": [True, True]}}, "The columns differ in length: city has 1"),
    ],
)
def test_what_does_not_fit_is_told_with_record_and_column(body: Any, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(body)
    assert str(caught.value).startswith(message)


def test_extra_columns_can_be_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SM_EXTRA_COLUMNS", "ignore")
    assert list(read(change(other=1))) == NAMES
    assert read(write_csv([[*row, 1] for row in LISTS], *NAMES, "other"), "text/csv")["age"].tolist() == [31, 40]


@pytest.mark.parametrize(
    ("column", "fields", "expected"),
    [
        (Column("x", "long"), "1,2.0,-3", [1, 2, -3]),
        (Column("x", "double"), "1,,2.5", [1, np.nan, 2.5]),
        (Column("x", "string", gap=None), "01,,NA", ["01", None, "NA"]),
        (Column("x", "boolean"), "true,False,TRUE", [True, False, True]),
        (Column("x", ANY), "1,2,3", [1, 2, 3]),
        (Column("x", ANY), "1,a,3", ["1", "a", "3"]),
        (Column("x", NUMBER), "1,2.5,", [1, 2.5, np.nan]),
    ],
)
def test_fields_of_csv_are_read_by_the_type_of_the_column(column: Column, fields: str, expected: list[Any]) -> None:
    body = "".join(f"{field},0\n" for field in fields.split(",")).encode()
    found = read(body, "text/csv", [column, Column("y", "long")])["x"].tolist()
    assert all(one == two or one != one for one, two in zip(found, expected, strict=True)), found


def test_a_model_of_numbers_gets_an_array() -> None:
    columns = [Column("a", NUMBER), Column("b", NUMBER)]
    by_name = read({"instances": [{"b": 2, "a": 1}, {"a": 3, "b": None}]}, columns=columns, form=ARRAY)
    np.testing.assert_array_equal(by_name, [[1, 2], [3, np.nan]])
    for lists in ([[1, 2], [3, 4]], [1, 2], [[1]], [["x", 2]]):  # as to_matrix() always had them
        assert read({"instances": lists}, columns=columns, form=ARRAY) == (lists if lists != [1, 2] else [[1, 2]])


def test_a_category_is_its_position() -> None:
    columns = [Column("kind", categories=("a", "b")), Column("x", NUMBER)]
    for body, content_type in (
        ({"instances": [{"kind": "b", "x": 1}, {"kind": "other", "x": 2}, {"kind": None, "x": 3}]}, "application/json"),
        ({"instances": [["b", 1], ["other", 2], [None, 3]]}, "application/json"),
        (b"b,1\nother,2\n,3\n", "text/csv"),
        (b"x,kind\n1,b\n2,other\n3,\n", "text/csv"),
    ):
        np.testing.assert_array_equal(read(body, content_type, columns, ARRAY), [[1, 1], [np.nan, 2], [np.nan, 3]])
    with pytest.raises(BadRequest, match='Record 1: kind is 1, and takes values such as "a", "b"'):
        read([[1, 1]], columns=columns, form=ARRAY)


def test_rows_are_in_the_models_order() -> None:
    columns = [Column("a"), Column("b")]
    assert read([{"b": "x", "a": 1}], columns=columns, form=ROWS) == [[1, "x"]]
    assert read(b"b,a\nx,1\n", "text/csv", columns, ROWS) == [[1, "x"]]
    assert read([[1, "x"]], columns=columns, form=ROWS) == [[1, "x"]]


def test_names_that_are_envelopes_too_are_columns_of_a_record() -> None:
    columns = [Column("instances", NUMBER), Column("data", NUMBER)]
    record = {"instances": 1, "data": 2}
    assert read({"instances": [record]}, columns=columns)["data"].tolist() == [2]
    assert read(json.dumps(record).encode(), "application/jsonlines", columns)["instances"].tolist() == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "ValueError|JSONDecodeError"),
        ("[]", "TypeError"),
        ('{"inputs": []}', "it has no inputs"),
        ('{"inputs": [{"name": "a"}]}', "KeyError: 'type'"),
        ('{"inputs": [{"name": "a", "type": "any"}]}', "there is no type any, only double"),
        ('{"inputs": [{"name": "a", "type": "long"}, {"name": "a", "type": "long"}]}', "two columns have one name"),
    ],
)
def test_a_broken_signature_ends_the_start(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "signature.json").write_text(text)
    with pytest.raises(StartError, match=message):
        read_signature(tmp_path)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "string": st.text(),
    "boolean": st.booleans(),
}


@given(st.data())
def test_whatever_a_frame_can_hold_arrives(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.text(min_size=1), min_size=1, max_size=4, unique=True))
    columns = [Column(name, data.draw(st.sampled_from([*VALUES]))) for name in names]
    record = st.fixed_dictionaries({each.name: VALUES[each.type] for each in columns})
    records = data.draw(st.lists(record, min_size=1, max_size=3))
    split = {"columns": names, "data": [[each[name] for name in names] for each in records]}
    for body in ({"instances": records}, {"dataframe_split": split}, {"instances": split["data"]}):
        found = read(body, columns=columns)
        assert {name: array.tolist() for name, array in found.items()} == {
            name: [each[name] for each in records] for name in names
        }


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*NAMES, "instances", "inputs", "columns", "dataframe_split", "data", "parameters"]),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_whatever_else_is_sent_is_the_clients_error(body: Any) -> None:
    with contextlib.suppress(BadRequest):
        assert isinstance(read(body), Columns)
