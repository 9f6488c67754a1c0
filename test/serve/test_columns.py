"""serving/columns.py, values.py, tables.py and signature.py: requests by column."""

import contextlib
import csv
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.columns import ANY, ARRAY, FRAME, NUMBER, ROWS, Column, Columns, InputSchema, to_frame
from serving.errors import BadRequest, StartError
from serving.models import load_model
from serving.request import CURRENT, Request
from serving.signature import Output, find_columns, name_outputs, read_signature
from serving.tables import make_reader
from serving.values import date_unit

COLUMNS = [
    Column("age", "long", required=True),
    Column("income", "double", can_be_omitted=True),
    Column("city", "string", required=True),
    Column("since", "datetime", can_be_omitted=True),
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
    reader = make_reader(InputSchema(columns, form))
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
def test_all_forms_of_a_request_are_equivalent(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.values.date_unit", lambda: "us")
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
        (change(age="abc"), 'Record 2: age is "abc", not a number.'),
        (change(age="31"), 'Record 2: age is "31", not a number.'),
        (change(age=1.5), "Record 2: age is 1.5, not a whole number."),
        (change(age=True), "Record 2: age is true, not a number."),
        (change(age=2**63), f"Record 2: age is {2**63}, too large for 64 bits."),
        (change(age=None), "Record 2: age is missing."),
        (change(income=[1]), "Record 2: income is [1], not a number."),
        (change(city=5), "Record 2: city is 5, not a string."),
        (change(since="2024-02-30"), 'Record 2: since is "2024-02-30", not a date like 2024-05-31'),
        (change(since="yesterday"), 'Record 2: since is "yesterday", not a date like 2024-05-31'),
        (change(vip="yes"), 'Record 2: vip is "yes", not true or false.'),
        (without("city"), "Record 2: city is missing."),
        (change(ctiy="Oslo"), "Record 2 has an unknown column, ctiy. Did you mean city?"),
        (change(qqqq=1), "Record 2 has an unknown column, qqqq. The columns are age, income, city, since, vip."),
        ([[31, 1, "Oslo", None, [True]]], "Record 1: vip is [true], not true or false."),
        ({"instances": [RECORDS[0], LISTS[0]]}, "Record 2 is not an object of values by column name."),
        ({"instances": [LISTS[0], RECORDS[0]]}, "Record 2 is not a list of values."),
        ({"instances": [LISTS[0], [1]]}, "Record 2 has 1 value instead of 5: age, income, city, since, vip."),
        ({"instances": []}, "The request has no records."),
        ({"dataframe_split": {"columns": ["age", "age"], "data": [[1, 2]]}}, "The request has the column age twice."),
        ({"columns": [["age"]], "instances": [[1]]}, 'The request has the column name ["age"], which is not a string.'),
        ({"dataframe_split": {"columns": ["age"], "data": [[1]]}}, "The request: city is missing."),
        (
            {"dataframe_split": {"columns": NAMES}},
            'Expected {"dataframe_split": {"columns": [...], "data": [[...], ...]}}.',
        ),
        ({"columns": NAMES, "instances": [[*LISTS[0], 1]]}, "Record 1 has 6 values instead of 5: age, income,"),
        (
            {"instances": [{**RECORDS[0], **{f"c{at}": at for at in range(10_000)}}]},
            "Record 1 has an unknown column, c0.",
        ),
        ({"instances": [list(range(10_000))]}, "Record 1 has 10000 values instead of 5:"),
        ({"columns": ["Größe", *NAMES], "instances": [[1, *LISTS[0]]]}, "The request has an unknown column, Größe."),
        (b'{"instances": [{"income": NaN}]}', "The body is not JSON"),
        (b'{"instances": [{"income": 1e400}]}', "The body is not JSON"),
        ({"inputs": {"age": [1, 2], "city": ["a"], "vip": [True, True]}}, "The columns differ in length: city has 1"),
    ],
)
def test_errors_name_record_and_column(body: Any, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(body)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (
            write_csv(LISTS),
            "text/csv; header=present",
            "The request has an unknown column, 31. The columns are age, income,",
        ),
        (write_csv(LISTS, *NAMES), "text/csv; header=absent", 'Record 1: age is "age", not a number.'),
        (write_csv(LISTS, *NAMES[:4], "vpi"), "text/csv", "The request has an unknown column, vpi. Did you mean vip?"),
        (write_csv(LISTS, *NAMES, "age"), "text/csv", "The request has the column age twice."),
        (b"31,inf,Oslo,,true\n", "text/csv", "Record 1: income is Infinity, too large for 64 bits."),
        (b"31,1e400,Oslo,,true\n", "text/csv", "Record 1: income is Infinity, too large for 64 bits."),
        (b"31,,Oslo,,true\nNaN,,Oslo,,true\n", "text/csv", "Record 2: age is missing."),
        (b"31;;Oslo;;true\n", "text/csv", "Record 1 has 1 value instead of 5:"),
        (b"31,NaN,Oslo,,true\n31,x,Oslo,,true\n", "text/csv", 'Record 2: income is "x", not a number.'),
        (b"1_0,,Oslo,,true\n", "text/csv", 'Record 1: age is "1_0", not a number.'),
        (b"31,,Oslo,,true\n31\n", "text/csv", "Record 2 has 1 value instead of 5:"),
        (b'31,,"Oslo\n', "text/csv", "Record 1 has 3 values instead of 5:"),
    ],
)
def test_errors_in_csv_name_record_and_column(body: bytes, content_type: str, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(body, content_type)
    assert str(caught.value).startswith(message)


def test_columns_can_have_any_name() -> None:
    names = ["Größe in cm", "年齢", "", "a,b", "instances"]
    columns = [Column(name, "long", required=True) for name in names]
    for body, content_type in (
        ({"instances": [dict.fromkeys(names, 1)]}, "application/json"),
        (dict.fromkeys(names, 1), "application/json"),
        (write_csv([[1] * 5], *names), "text/csv"),
    ):
        assert {name: array.tolist() for name, array in read(body, content_type, columns).items()} == {
            name: [1] for name in names
        }


def test_ten_thousand_columns() -> None:
    columns = [Column(f"c{at}", "double", required=True) for at in range(10_000)]
    found = read({"instances": [{column.name: at for at, column in enumerate(columns)}]}, columns=columns)
    assert [array.tolist() for array in found.values()] == [[at] for at in range(10_000)]


def test_an_npy_array_has_the_columns_in_order() -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([[1, np.nan], [2, 0.5]]))
    columns = [Column("a", "long", required=True), Column("b", "double")]
    found = read(stream.getvalue(), "application/x-npy", columns)
    np.testing.assert_array_equal(list(found.values()), [[1, 2], [np.nan, 0.5]])
    with pytest.raises(BadRequest, match="Record 1: b is missing"):
        read(stream.getvalue(), "application/x-npy", [columns[0], columns[1]._replace(required=True)])


def test_extra_columns_can_be_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SM_EXTRA_COLUMNS", "ignore")
    assert list(read(change(other=1))) == NAMES
    assert read(write_csv([[*row, 1] for row in LISTS], *NAMES, "other"), "text/csv")["age"].tolist() == [31, 40]


@pytest.mark.parametrize(
    ("column", "fields", "expected"),
    [
        (Column("x", "long"), "1,2.0,-3", [1, 2, -3]),
        (Column("x", "double"), "1,,2.5", [1, np.nan, 2.5]),
        (Column("x", "string", missing_value=None), "01,,NA", ["01", None, "NA"]),
        (Column("x", "boolean"), "true,False,TRUE", [True, False, True]),
        (Column("x", ANY), "1,2,3", [1, 2, 3]),
        (Column("x", ANY), "1,a,3", ["1", "a", "3"]),
        (Column("x", ANY), "true,,False", [True, np.nan, False]),
        (Column("x", NUMBER), "1,2.5,", [1, 2.5, np.nan]),
        (Column("x", NUMBER), "1,true,False", [1, 1, 0]),
    ],
)
def test_csv_fields_are_parsed_by_column_type(column: Column, fields: str, expected: list[Any]) -> None:
    body = "".join(f"{field},0\n" for field in fields.split(",")).encode()
    found = read(body, "text/csv", [column, Column("y", "long")])["x"].tolist()
    assert all(one == two or one != one for one, two in zip(found, expected, strict=True)), found


def test_a_model_that_takes_only_numbers_gets_an_array() -> None:
    columns = [Column("a", NUMBER), Column("b", NUMBER)]
    by_name = read({"instances": [{"b": 2, "a": 1}, {"a": 3, "b": None}]}, columns=columns, form=ARRAY)
    np.testing.assert_array_equal(by_name, [[1, 2], [3, np.nan]])
    np.testing.assert_array_equal(read(b"1,true\n", "text/csv", columns, ARRAY), [[1, 1]])
    with pytest.raises(BadRequest, match='Record 1: b is "x", not a number'):
        read(b"1,x\n", "text/csv", columns, ARRAY)
    for lists in ([[1, 2], [3, 4]], [1, 2], [[1]], [["x", 2]]):  # passed to to_matrix() unchanged
        assert read({"instances": lists}, columns=columns, form=ARRAY) == (lists if lists != [1, 2] else [[1, 2]])


def test_a_category_is_passed_as_its_position() -> None:
    columns = [Column("kind", categories=("a", "b")), Column("x", NUMBER)]
    for body, content_type in (
        ({"instances": [{"kind": "b", "x": 1}, {"kind": "other", "x": 2}, {"kind": None, "x": 3}]}, "application/json"),
        ({"instances": [["b", 1], ["other", 2], [None, 3]]}, "application/json"),
        (b"b,1\nother,2\n,3\n", "text/csv"),
        (b"x,kind\n1,b\n2,other\n3,\n", "text/csv"),
    ):
        np.testing.assert_array_equal(read(body, content_type, columns, ARRAY), [[1, 1], [np.nan, 2], [np.nan, 3]])
    with pytest.raises(BadRequest, match="Record 1: kind is 1, not a string"):
        read([[1, 1]], columns=columns, form=ARRAY)
    closed = [columns[0]._replace(refuses_unknown=True), columns[1]]
    with pytest.raises(BadRequest, match='Record 2: kind is "c", not one of "a", "b"'):
        read([["a", 1], ["c", 1]], columns=closed, form=ARRAY)


@pytest.mark.parametrize(
    ("categories", "sent", "fields", "wrong"),
    [
        ((5, 7), [7.0, 5, 9, None], "7.0,5,9,", "seven"),
        ((True, False), [False, True, None, None], "false,TRUE,,", 1),
        (("1", "01"), ["01", "1", "x", None], "01,1,x,", 1),
        ((1, "1"), ["1", 1, "x", None], None, [1]),
    ],
)
def test_categories_have_a_type(categories: Any, sent: list[Any], fields: str | None, wrong: Any) -> None:
    columns = [Column("kind", categories=categories), Column("x", NUMBER)]
    missing = sum(value is None or value not in categories for value in sent)
    expected = [1, 0, np.nan, np.nan][: 4 - missing] + [np.nan] * missing
    np.testing.assert_array_equal(read([[each, 0] for each in sent], columns=columns, form=ARRAY)[:, 0], expected)
    if fields:
        body = "".join(f"{field},0\n" for field in fields.split(",")).encode()
        np.testing.assert_array_equal(read(body, "text/csv", columns, ARRAY)[:, 0], expected)
    with pytest.raises(BadRequest, match="Record 1: kind is"):
        read([[wrong, 0], [None, 0]], columns=[columns[0]._replace(refuses_unknown=True), columns[1]], form=ARRAY)


def test_categories_become_pandas_categories() -> None:
    columns = [Column("kind", categories=("a", "b")), Column("x", "long")]
    frame = to_frame(read([["b", 1], [None, 2], ["new", 3]], columns=columns), columns)
    assert frame["kind"].cat.categories.tolist() == ["a", "b"]
    assert frame["kind"].isna().tolist() == [False, True, True]
    assert frame["x"].tolist() == [1, 2, 3]


def test_rows_are_in_the_order_of_the_model() -> None:
    columns = [Column("a"), Column("b")]
    assert read([{"b": "x", "a": 1}], columns=columns, form=ROWS) == [[1, "x"]]
    assert read(b"b,a\nx,1\n", "text/csv", columns, ROWS) == [[1, "x"]]
    assert read([[1, "x"]], columns=columns, form=ROWS) == [[1, "x"]]


def test_columns_can_be_named_like_envelopes() -> None:
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
        ('{"inputs": [{"name": "a", "type": "any"}]}', "unknown type any; the types are boolean, datetime, double"),
        (
            '{"inputs": [{"name": "a", "type": "long"}, {"name": "a", "type": "long"}]}',
            "two columns have the same name",
        ),
    ],
)
def test_a_broken_signature_is_a_start_error(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "signature.json").write_text(text)
    with pytest.raises(StartError, match=message):
        read_signature(tmp_path)


OWN = InputSchema([Column("a", NUMBER), Column("b", NUMBER, categories=("x", "y"))], ARRAY)


def find(own: InputSchema | None, folder: Path, **signature: Any) -> tuple[InputSchema | None, Any]:
    handler = ModuleType("model_handler")
    if own:
        handler.find_columns = lambda _: own  # type: ignore[attr-defined]
    if signature:
        (folder / "signature.json").write_text(json.dumps(signature))
    return find_columns(handler, None, folder)


def test_types_come_from_the_signature_and_order_from_the_model(tmp_path: Path) -> None:
    assert find(OWN, tmp_path) == (OWN, ())
    inputs = [{"name": "b", "type": "string", "required": False}, {"name": "a", "type": "long"}]
    outputs = [{"name": "price", "type": "double"}, {"name": "risk", "type": "double"}]
    schema, names = find(OWN, tmp_path, inputs=inputs, outputs=outputs)
    assert schema == InputSchema(
        [Column("a", "long", True), Column("b", "string", can_be_omitted=True, categories=("x", "y"))], ARRAY
    )
    assert names == [Output("price", "double"), Output("risk", "double")]
    assert find(None, tmp_path)[0] == InputSchema(
        [Column("b", "string", can_be_omitted=True), Column("a", "long", True)], FRAME
    )


def test_there_are_no_columns_in_script_mode(tmp_path: Path) -> None:
    handler = ModuleType("model_handler")
    handler.TRANSFORM = handler.find_columns = lambda *_: pytest.fail("called")  # type: ignore[attr-defined]
    (tmp_path / "signature.json").write_text(json.dumps({"inputs": [{"name": "a", "type": "long"}]}))
    assert find_columns(handler, None, tmp_path) == (None, ())


def test_a_required_column_can_be_nullable(tmp_path: Path) -> None:
    schema, _ = find(None, tmp_path, inputs=[{"name": "city", "type": "string", "required": True, "nullable": True}])
    assert schema
    reader = make_reader(schema)
    assert reader.from_json(b'[{"city": null}]', "utf-8")[0]["city"].shape == (1,)  # type: ignore[call-overload]
    with pytest.raises(BadRequest, match="Record 2: city is missing"):
        reader.from_json(b'[{"city": "Oslo"}, {}]', "utf-8")


def test_a_signature_that_does_not_fit_the_model_is_a_start_error(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="does not contain its column names, or their categories"):
        find(InputSchema([]), tmp_path)
    with pytest.raises(StartError, match=r"it lacks columns of the model: b"):
        find(OWN, tmp_path, inputs=[{"name": "a", "type": "long"}, {"name": "c", "type": "long"}])


def test_several_outputs_get_their_names_from_the_signature() -> None:
    named, outputs = [{"price": 1.0, "risk": 2.0}], [Output("price", "double"), Output("risk", None)]
    assert name_outputs(np.array([[1.0, 2.0]]), outputs) == named
    whole = {"predictions": [[1.0, 2.0]], "other": 1}
    assert name_outputs(whole, outputs) == {"predictions": named, "other": 1}
    assert name_outputs([[1.0, 2.0]], [Output(None, "double"), Output(None, "double")]) == [[1.0, 2.0]]
    for other in ([1.0], [[1.0]], "text", {"label": 1}):
        assert name_outputs(other, outputs) == other


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "string": st.text(),
    "boolean": st.booleans(),
}


@given(st.data())
def test_any_dataframe_arrives_unchanged(data: st.DataObject) -> None:
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
def test_anything_else_is_a_client_error(body: Any) -> None:
    with contextlib.suppress(BadRequest):
        assert isinstance(read(body), Columns)


def test_a_custom_handler_gets_a_dataframe_with_the_types_of_the_signature(tmp_path: Path) -> None:
    inputs = [
        {"name": "age", "type": "integer"},
        {"name": "plan", "type": "string", "required": False, "categories": ["basic", "pro"]},
        {"name": "since", "type": "datetime", "required": False},
    ]
    (tmp_path / "signature.json").write_text(json.dumps({"inputs": inputs}))
    (tmp_path / "model.bin").touch()
    handler = ModuleType("model_handler")
    handler.load = lambda _: None  # type: ignore[attr-defined]
    handler.decode = lambda *_: pytest.fail("columns are not decoded again")  # type: ignore[attr-defined]
    handler.predict = lambda _, frame: [f"{name} {dtype}" for name, dtype in frame.dtypes.items()]  # type: ignore[attr-defined]
    model = load_model(handler, tmp_path)
    record = {"since": "2024-05-31", "plan": "pro", "age": 31}
    assert model.answer({"instances": [record]}) == {
        "predictions": ["age int32", "plan category", f"since datetime64[{date_unit()}]"]
    }
