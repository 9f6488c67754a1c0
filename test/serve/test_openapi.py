"""serving/openapi.py: GET /openapi.json and GET /docs, in servers and in this process."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from project import TEMPLATES, ManyServer, Server, assemble
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from serving import openapi, settings
from serving.columns import ARRAY, NUMBER, Column, InputSchema
from serving.models import Model, import_handler, load_model, open_model

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
    """Save a pipeline on columns, one of which it does not use."""
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
    """Write signature.json as a person would."""
    rows = project / "rows.csv"
    make_frame().to_csv(rows, index=False)
    command = [sys.executable, DESCRIBE, project / "model/model.joblib", rows, "--folder", project]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def by_column(variant: str, samples: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of a model with a signature."""
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


def examples_of(document: Any, media_type: str = JSON) -> list[Any]:
    """The examples of a request."""
    content = document["paths"]["/invocations"]["post"]["requestBody"]["content"][media_type]
    return [each["value"] for each in content["examples"].values()] if media_type == JSON else [content["example"]]


def fits(document: Any, name: str, value: Any) -> bool:
    """Whether a value is valid by a schema of the document."""
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
        assert fits(document, "Response", reply.json())
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


def test_every_example_is_answered_as_documented(by_column: Server) -> None:
    document = read(by_column)
    operation = document["paths"]["/invocations"]["post"]
    takes, answers = operation["requestBody"]["content"], operation["responses"]["200"]["content"]
    assert list(takes) == list(answers) == [JSON, "text/csv", "application/jsonlines", "application/x-npy"]
    examples = examples_of(document)
    replies = [by_column.invoke(body) for body in examples]
    for name in ("text/csv", "application/jsonlines"):
        replies += [by_column.invoke(body.encode(), name) for body in examples_of(document, name)]
    assert [reply.status for reply in replies] == [200] * 9, [reply.body for reply in replies]
    assert {reply.body for reply in replies} == {replies[0].body}
    assert fits(document, "Response", replies[0].json())
    assert all(fits(document, "Request", body) for body in examples)
    reply = by_column.invoke({**examples[0], "parameters": {"probabilities": True}})
    assert {"predictions", "probabilities"} <= {*reply.json()}
    assert fits(document, "Response", reply.json())


def test_the_schema_refuses_what_the_server_refuses(by_column: Server) -> None:
    document = read(by_column)
    record = examples_of(document)[0]["instances"][0]
    good = [record, {**record, "income": None}, {**record, "age": 31.0}, without(record, "income"), [*record.values()]]
    wrong = {"age": "31", "city": 1, "vip": 1, "since": 2020, "height": 1, "income": "much"}
    bad = [{**record, name: value} for name, value in wrong.items()]
    bad += [{**record, "age": 31.5}, {**record, "age": None}, without(record, "city"), [*record.values()][1:], 5]
    for status, records in ((200, good), (400, bad)):
        for each in records:
            body = {"instances": [each]}
            assert (by_column.invoke(body).status, fits(document, "Request", body)) == (status, status == 200), body


def without(record: dict[str, Any], name: str) -> dict[str, Any]:
    return {other: value for other, value in record.items() if other != name}


def test_the_docs_page_is_served_if_enabled(by_column: Server) -> None:
    reply = by_column.request("GET", "/docs")
    page = reply.body.decode()
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert 'url: "/openapi.json"' in page
    of_cdn = r'(?:href|src)="https://[^"]+@5[^"]+"\s+integrity="sha384-[\w+/]{64}"\s+crossorigin="anonymous"'
    assert len(re.findall(of_cdn, page)) == page.count("://") == 2


def test_a_server_for_many_models_has_no_document(samples: dict[str, Path], tmp_path: Path) -> None:
    project = assemble(tmp_path / "project", "fastapi", samples["json"], multi_model=True)
    with ManyServer(project, "fastapi", SM_DOCS="1") as server:
        server.wait_until_ready()
        assert [server.request("GET", path).status for path in ("/openapi.json", "/docs")] == [404, 404]


def describe(model: Model, model_dir: str = "/nowhere") -> Any:
    """The OpenAPI document of a model."""
    answer = openapi.describe(model, settings.read({"SM_MODEL_DIR": model_dir}))
    assert isinstance(answer.body, bytes)
    document = json.loads(answer.body)
    validate(document)
    return document


def make_model(model_dir: Path, **fields: Any) -> Model:
    """A model of a handler with these functions and switches."""
    (model_dir / "model.txt").touch()
    steps = {"load": lambda _: None, "predict": lambda _, inputs: inputs}
    return open_model(SimpleNamespace(**steps, **fields), model_dir)  # type: ignore[arg-type]


def test_without_a_signature_the_example_comes_from_the_model(code: Path) -> None:
    write_model(code.parent / "model")
    model = load_model(import_handler(), code.parent / "model")
    document = describe(model)
    body = examples_of(document)[0]
    assert body["instances"][0]["city"] == "Oslo"
    assert fits(document, "Request", body)
    assert fits(document, "Response", model.answer(body))


def test_a_category_is_one_of_those_in_training(tmp_path: Path) -> None:
    city = Column("city", NUMBER, categories=["Oslo", "Rome"])
    schema = InputSchema(
        [city._replace(refuses_unknown=True), city._replace(name="home"), Column("age", NUMBER)], ARRAY
    )
    document = describe(make_model(tmp_path, find_columns=lambda _: schema))
    assert document["components"]["schemas"]["Record"]["properties"] == {
        "city": {"enum": ["Oslo", "Rome", None]},
        "home": {"type": ["string", "null"], "examples": ["Oslo", "Rome"]},
        "age": {"type": ["number", "null"]},
    }


@pytest.mark.parametrize(
    ("outputs", "good", "bad"),
    [
        ([{"name": "label", "type": "string"}], ["yes", "no"], [1]),
        ([{"type": "long"}], [1, 2], ["1"]),
        (
            [{"name": "a", "type": "double"}, {"name": "b", "type": "string"}],
            [[0.5, "x"], {"a": 1, "b": "y"}],
            [["x", 1]],
        ),
        ([{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}], [1, "x", None], None),
    ],
)
def test_the_signature_describes_the_predictions(outputs: Any, good: Any, bad: Any, tmp_path: Path) -> None:
    signature = {"inputs": [{"name": "age", "type": "long"}], "outputs": outputs}
    (tmp_path / "signature.json").write_text(json.dumps(signature))
    document = describe(make_model(tmp_path), str(tmp_path))
    assert fits(document, "Response", {"predictions": good})
    assert not fits(document, "Response", {"predictions": bad})


def test_a_handler_determines_its_content_types(tmp_path: Path) -> None:
    own = {"DECODERS": {"text/x-mine": None}, "MEDIA_TYPE": "image/png", "encode": lambda _, outputs: b"png"}
    operation = describe(make_model(tmp_path, **own))["paths"]["/invocations"]["post"]
    assert "text/x-mine" in operation["requestBody"]["content"]
    assert operation["responses"]["200"]["content"] == {"image/png": {}}


def test_a_script_accepts_and_returns_any_type(tmp_path: Path) -> None:
    document = describe(make_model(tmp_path, TRANSFORM=lambda *_: None))
    operation = document["paths"]["/invocations"]["post"]
    assert operation["requestBody"]["content"] == operation["responses"]["200"]["content"] == {"*/*": {}}
    assert {*document["components"]["schemas"]} == {"Error", "Limits"}
