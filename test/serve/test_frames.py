"""For any DataFrame that fits the signature, the server answers what the model predicts for it."""

import json
import sys
from datetime import datetime
from typing import Any

import joblib
import numpy as np
import orjson
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from serving import content
from serving.errors import BadRequest
from serving.models import Model, import_handler, load_model
from serving.request import CURRENT, Request

DTYPES = {
    "age": "int64",
    "rank": "int32",
    "income": "float64",
    "share": "float32",
    "city": object,
    "since": "datetime64[us]",
    "vip": "bool",
}
INPUTS = [
    {"name": "age", "type": "long"},
    {"name": "rank", "type": "integer"},
    {"name": "income", "type": "double", "required": False},
    {"name": "share", "type": "float", "required": False},
    {"name": "city", "type": "string", "required": False},
    {"name": "since", "type": "datetime", "required": False},
    {"name": "vip", "type": "boolean"},
]
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "age": st.integers(-(2**63), 2**63 - 1),
            "rank": st.integers(-(2**31), 2**31 - 1),
            "income": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "share": st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32),
            "city": st.none() | st.sampled_from(["Oslo", "Rome"]) | st.text(max_size=5),
            "since": st.none() | st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1)),
            "vip": st.booleans(),
        }
    ),
    min_size=1,
    max_size=4,
)


def to_days(dates: Any) -> Any:
    return (dates - pd.Timestamp("2020-01-01")) / pd.Timedelta(days=1)


def to_frame(rows: list[dict[str, Any]]) -> Any:
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=dtype) for name, dtype in DTYPES.items()})


@pytest.fixture(scope="module", params=["trees", "sums"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Model]:
    """A pipeline, and the served model of it."""
    random = np.random.default_rng(0)
    rows = [
        {
            "age": int(random.integers(18, 80)),
            "rank": int(random.integers(9)),
            "income": random.normal(5e4, 1e4),
            "share": random.random(),
            "city": random.choice(["Oslo", "Rome", "Bergen"]),
            "since": pd.Timestamp("2020-01-01") + pd.Timedelta(days=int(random.integers(999))),
            "vip": bool(random.random() < 0.3),
        }
        for _ in range(200)
    ]
    frame = to_frame(rows)
    labels = (frame["age"] > 40) ^ (frame["city"] == "Rome")
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["age", "income", "share", "rank"]),
            ("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["city"]),
            ("dates", FunctionTransformer(to_days), ["since"]),
            ("flags", "passthrough", ["vip"]),
        ]
    )
    last = HistGradientBoostingClassifier(max_iter=9) if request.param == "trees" else LinearRegression()
    model = make_pipeline(columns, last).fit(frame, labels)
    folder = tmp_path_factory.mktemp("model")
    joblib.dump(model, folder / "model.joblib")
    (folder / "signature.json").write_text(json.dumps({"inputs": INPUTS}))
    sys.modules.pop("model_handler", None)
    return model, load_model(import_handler(), folder)


def ask(model: Model, body: bytes, content_type: str) -> Any:
    CURRENT.set(Request(body, content_type))
    records, _ = content.decode(body, content_type, model.decoders)
    return np.asarray(model.predict(model.decode(records)))


@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_answers_equal_predictions_for_the_dataframe(served: tuple[Any, Model], rows: list[dict[str, Any]]) -> None:
    model, server = served
    frame = to_frame(rows)
    records = orjson.dumps({"instances": rows})
    table = frame.to_csv(index=False, date_format="%Y-%m-%dT%H:%M:%S.%f", lineterminator="\r\n").encode()
    sent = [(records, "application/json")]
    if all(row["city"] != "" for row in rows):  # an empty field is a missing value
        sent.append((table, "text/csv; header=present"))
    try:
        expected = model.predict(frame)
    except ValueError:  # a required value is missing or too large
        for body, content_type in sent:
            with pytest.raises(BadRequest, match=r"Record \d: [\w ]+ is (missing|.*, too large)"):
                ask(server, body, content_type)
        return
    for body, content_type in sent:
        np.testing.assert_array_equal(ask(server, body, content_type), expected)
