"""Models trained on a DataFrame get the same predictions for every format of a request."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, replace_model
from project import Server, find_free_port

FEATURES = """
import pandas as pd

def to_days(frame):
    return frame.apply(lambda dates: (dates - pd.Timestamp("2020-01-01")) / pd.Timedelta(days=1))
"""


def make_frame(rows: int = 300) -> Any:
    random = np.random.default_rng(0)
    days = pd.to_timedelta(random.integers(0, 1000, rows), unit="D")
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 80, rows),
            "income": random.normal(5e4, 1e4, rows).round(2),
            "city": random.choice(["Oslo", "Rome", "Bergen, old"], rows),
            "since": pd.Timestamp("2020-01-01") + days,
            "vip": random.random(rows) < 0.3,
        }
    )
    frame.loc[::7, "income"] = np.nan
    return frame


def make_rows() -> tuple[Any, Any]:
    """Return a DataFrame and labels that depend on two of its columns."""
    frame = make_frame()
    return frame, np.where((frame["age"] > 40) ^ (frame["city"] == "Rome"), "stays", "leaves")


def make_pipeline_of_columns(frame: Any, labels: Any, folder: Path) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    (folder / "features.py").write_text(FEATURES)
    sys.path.insert(0, str(folder))
    from features import to_days

    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
            ("texts", OneHotEncoder(), ["city"]),
            ("dates", make_pipeline(FunctionTransformer(to_days), StandardScaler()), ["since"]),
            ("flags", "passthrough", ["vip"]),
        ]
    )
    return make_pipeline(columns, LogisticRegression()).fit(frame, labels)


def make_boosted_trees(frame: Any, labels: Any, folder: Path) -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    columns = ColumnTransformer(
        [("texts", OrdinalEncoder(), ["city"])], remainder="passthrough", verbose_feature_names_out=False
    )
    return make_pipeline(columns, HistGradientBoostingClassifier(max_iter=20)).fit(frame.drop(columns="since"), labels)


def make_trees_on_categories(frame: Any, labels: Any, folder: Path) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    frame = frame.drop(columns="since").astype({"city": "category"})
    return HistGradientBoostingClassifier(max_iter=20, categorical_features="from_dtype").fit(frame, labels)


def describe(project: Path, model: Path, frame: Any) -> str:
    """Run tools/describe_model.py with the rows as CSV, as a user would."""
    rows = project / "rows.csv"
    frame.to_csv(rows, index=False)
    command = [sys.executable, project / "tools/describe_model.py", model, rows]
    done = subprocess.run(command, capture_output=True, text=True, cwd=project)
    assert done.returncode == 0, done.stderr
    return done.stdout


def to_csv(frame: Any, header: bool = True) -> bytes:
    return str(frame.to_csv(index=False, header=header)).encode()


@pytest.mark.parametrize("make", [make_pipeline_of_columns, make_boosted_trees, make_trees_on_categories])
def test_every_format_gets_the_models_own_predictions(make: Any, first: Path, tmp_path: Path) -> None:
    frame, labels = make_rows()
    with replace_model(first, tmp_path) as (model_dir, serve):
        project = model_dir.parent
        model = make(frame, labels, project / "code")
        joblib.dump(model, model_dir / "model.joblib")
        inputs = frame[list(model.feature_names_in_)]
        assert "Wrote 20 rows with the model's predictions" in describe(project, model_dir / "model.joblib", frame)
        rows = inputs.iloc[5:45]
        expected = model.predict(rows).tolist()
        records = json.loads(rows.to_json(orient="records", date_format="iso"))
        names = list(rows.columns)
        lists = [list(record.values()) for record in records]
        server = serve()
        assert "20 of 20 predictions agree" in server.log()
        for body in (
            {"instances": records},
            {"dataframe_split": {"columns": names, "data": lists}},
            {"dataframe_records": records},
            {"columns": names[::-1], "instances": [each[::-1] for each in lists]},
            {"instances": lists},
            {"inputs": {name: [record[name] for record in records] for name in names}},
        ):
            assert server.invoke(body).json()["predictions"] == expected, body
        for content_type, sent in (
            ("text/csv", to_csv(rows)),
            ("text/csv", to_csv(rows, header=False)),
            ("text/csv; header=present", to_csv(rows[names[::-1]])),
            ("application/jsonlines", b"\n".join(json.dumps(record).encode() for record in records)),
        ):
            assert server.invoke(sent, content_type).json()["predictions"] == expected, content_type
        answer = server.invoke({"instances": records[:3], "parameters": {"probabilities": True}}).json()
        np.testing.assert_allclose(answer["probabilities"], model.predict_proba(rows.iloc[:3]))
        assert answer["classes"] == ["leaves", "stays"]
        sample = (project / "test/sample_request.json").read_bytes()
        assert server.invoke(sample).json()["predictions"] == model.predict(inputs.iloc[[0, 15]]).tolist()
        missing = server.invoke({"instances": [records[0], {**records[1], "city": None}]})
        assert (missing.status, missing.json()["error"]) == (400, "Record 2: city is missing.")
        unknown = server.invoke({"instances": [records[0], {**records[1], "city": "Paris"}]})
        if make is make_trees_on_categories:  # treats an unknown category as missing
            unseen = inputs.iloc[5:7].assign(city=[records[0]["city"], None]).astype({"city": "category"})
            assert unknown.json()["predictions"] == model.predict(unseen).tolist()
        else:
            message = 'Record 2: city is "Paris", which this model was not trained with.'
            assert (unknown.status, unknown.json()["error"]) == (400, message)


def test_the_requests_in_the_docs_are_equivalent(first: Path, tmp_path: Path) -> None:
    page = (ROOT / "docs/requests.md").read_text()
    blocks = re.findall(r"^```((?:application|text)/.*)\n((?:.*\n)+?)```$", page, re.MULTILINE)
    assert len(blocks) == 10
    documented = json.loads(re.findall(r"^```json\n(.*)\n```$", page, re.MULTILINE)[0])
    frame, labels = make_rows()
    with replace_model(first, tmp_path) as (model_dir, serve):
        project = model_dir.parent
        model = make_pipeline_of_columns(frame, labels, project / "code")
        joblib.dump(model, model_dir / "model.joblib")
        describe(project, model_dir / "model.joblib", frame)
        rows = pd.DataFrame(json.loads(blocks[0][1])["instances"]).astype({"since": "datetime64[ns]"})
        server = serve()
        *same, (content_type, body) = blocks
        for each, sent in same:
            assert server.invoke(sent.encode(), each).json()["predictions"] == model.predict(rows).tolist()
        answer = server.invoke(body.encode(), content_type).json()
        answer["probabilities"] = np.round(answer["probabilities"], 2).tolist()
        assert answer == documented


def test_a_model_that_predicts_differently_is_not_served(first: Path, tmp_path: Path) -> None:
    frame = make_frame()
    labels = np.where(frame["age"] > 40, "stays", "leaves")
    with replace_model(first, tmp_path) as (model_dir, _):
        project = model_dir.parent
        joblib.dump(make_boosted_trees(frame, labels, project / "code"), model_dir / "model.joblib")
        describe(project, model_dir / "model.joblib", frame)
        other = make_boosted_trees(frame, labels[::-1], project / "code")
        joblib.dump(other, model_dir / "model.joblib")
        with Server(project, "fastapi", SAGEMAKER_BIND_TO_PORT=str(find_free_port())) as server:
            assert server.wait() != 0
            assert "of 20 predictions differ from" in server.last_line()
