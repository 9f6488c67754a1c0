"""GET /openapi.json and GET /docs: serving/openapi.py, over whole servers and of models in this process."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from project import TEMPLATES, Server, assemble
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from serving import openapi, settings
from serving.columns import ARRAY, NUMBER, Column, Taken
from serving.models import Model, pass_on
from serving.models import load_model as load
from serving.request import Answer

JSON = "application/json"
DESCRIBE = TEMPLATES / "tools/describe/tools/describe_model.py"


def make_frame() -> Any:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 80, 100),
            "income": random.normal(5e4, 1e4, 100).round(2),
            "city": random.choice(["Oslo", "Rome, old"], 100),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 999, 100), unit="D"),
            "vip": random.random(100) < 0.3,
        }
    )
    frame.loc[::7, "income"] = np.nan
    return frame


def write_model(folder: Path) -> None:
    """A pipeline on columns, of which one is not used by it."""
    frame = make_frame()
    columns = ColumnTransformer(
        [
            ("numbers", SimpleImputer(), ["age", "income"]),
            ("texts", OneHotEncoder(), ["city"]),
            ("flags", "passthrough", ["vip"]),
        ]
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=9999))
    joblib.dump(model.fit(frame, np.where(frame["age"] > 40, "stays", "leaves")), folder / "model.joblib")


def describe_model(project: Path) -> None:
    """Writes signature.json as a person would."""
    rows = project / "rows.csv"
    make_frame().to_csv(rows, index=False)
    command = [sys.executable, DESCRIBE, project / "model/model.joblib", rows, "--folder", project]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def by_column(variant: str, samples: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A model with a signature, on each server."""
    project = assemble(tmp_path_factory.mktemp(variant) / "project", variant, samples["joblib"])
    write_model(project / "model")
    describe_model(project)
    with Server(project, variant, SM_DOCS="1") as running:
        yield running.wait_until_ready()


def read(server: Server) -> Any:
    reply = server.request("GET", "/openapi.json")
    assert (reply.status, reply.headers["Content-Type"]) == (200, JSON)
    validate(reply.json())
    return reply.json()


def fits(document: Any, name: str, value: Any) -> bool:
    """Whether a value is what a schema of the document says."""
    schema = {**document["components"]["schemas"][name], "components": document["components"]}
    return bool(Draft202012Validator(schema).is_valid(value))


def test_a_model_without_columns_takes_records(server: Server) -> None:
    document = read(server)
    assert {*document["paths"]} == {"/invocations", "/ping", "/execution-parameters"}
    for path in ("/ping", "/execution-parameters"):
        assert {*document["paths"][path]} == {"get"}
        assert server.request("GET", path).status == 200
    assert fits(document, "Limits", server.request("GET", "/execution-parameters").json())
    sample = json.loads((server.folder / "test/sample_request.json").read_bytes())
    for body in (sample, sample["instances"]):
        reply = server.invoke(body)
        assert reply.status == 200
        assert fits(document, "Request", body)
        assert fits(document, "Answer", reply.json())
    for body in ({"records": []}, {"instances": [], "inputs": []}, "text"):
        assert server.invoke(body).status == 400
        assert not fits(document, "Request", body)


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        ("400", b"{", {}),
        ("406", b"[[1]]", {"Accept": "image/png"}),
        ("415", b"[[1]]", {"content_type": "text/html"}),
        ("413", b" " * (25 * 2**20 + 1), {}),
    ],
)
def test_the_errors_are_described(server: Server, status: str, body: bytes, headers: dict[str, str]) -> None:
    document = read(server)
    responses = document["paths"]["/invocations"]["post"]["responses"]
    assert {*responses} == {"200", "400", "406", "413", "415", "500", "503"}
    reply = server.invoke(body, **headers)
    assert (str(reply.status), fits(document, "Error", reply.json())) == (status, True)


def test_every_example_is_answered_as_described(by_column: Server) -> None:
    document = read(by_column)
    operation = document["paths"]["/invocations"]["post"]
    content = operation["requestBody"]["content"]
    assert list(content)[0] == JSON
    assert (
        {*content}
        == {*operation["responses"]["200"]["content"]}
        == {JSON, "text/csv", "application/jsonlines", "application/x-npy"}
    )
    examples = [example["value"] for example in content[JSON]["examples"].values()]
    assert len(examples) == 7
    replies = [by_column.invoke(body) for body in examples]
    replies += [
        by_column.invoke(content[name]["example"].encode(), name) for name in ("text/csv", "application/jsonlines")
    ]
    assert [reply.status for reply in replies] == [200] * 9, [reply.body for reply in replies]
    assert all(reply.json() == replies[0].json() for reply in replies)
    assert fits(document, "Answer", replies[0].json())
    assert all(fits(document, "Request", body) for body in examples)
    more = {**examples[0], "parameters": {"probabilities": True}}
    reply = by_column.invoke(more)
    assert {"predictions", "probabilities"} <= {*reply.json()}
    assert fits(document, "Request", more)
    assert fits(document, "Answer", reply.json())


def test_the_schema_refuses_what_the_server_refuses(by_column: Server) -> None:
    document = read(by_column)
    record = document["paths"]["/invocations"]["post"]["requestBody"]["content"][JSON]["examples"]["Objects"]["value"][
        "instances"
    ][0]
    good: list[Any] = [
        {**record, "income": None},
        {**record, "age": 31.0},
        {name: value for name, value in record.items() if name != "income"},
    ]
    bad: list[Any] = [
        {**record, name: value}
        for name, value in (
            ("age", "31"),
            ("age", 31.5),
            ("age", None),
            ("city", 1),
            ("vip", 1),
            ("since", 2020),
            ("height", 1),
        )
    ]
    bad += [{name: value for name, value in record.items() if name != "city"}, list(record.values())[1:], 5]
    for status, records in ((200, good), (400, bad)):
        for each in records:
            body = {"instances": [each]}
            assert (by_column.invoke(body).status, fits(document, "Request", body)) == (status, status == 200), body


def test_the_page_shows_the_document_where_it_is_asked_for(by_column: Server) -> None:
    reply = by_column.request("GET", "/docs")
    page = reply.body.decode()
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert 'url: "/openapi.json"' in page
    assert (
        page.count("https://")
        == page.count("/npm/swagger-ui-dist@")
        == page.count('integrity="sha384-')
        == page.count('crossorigin="anonymous"')
        == 2
    )
