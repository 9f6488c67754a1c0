"""code/serve over HTTP with the sample model: all servers behave the same."""

import http.client
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from project import Server

RECORD = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
CSV = ",".join(map(str, RECORD)).encode()


@pytest.fixture(scope="module")
def sample(samples: dict[str, Path]) -> Path:
    """The scikit-learn model."""
    return samples["joblib"]


@pytest.fixture(scope="module")
def prediction(server: Server) -> float:
    """The model's prediction for RECORD."""
    return float(server.invoke([RECORD]).json()["predictions"][0])


def test_ping_is_200(server: Server) -> None:
    assert server.request("GET", "/ping").status == 200


def test_the_sample_requests_get_the_same_answer_in_json_and_csv(server: Server) -> None:
    sample = server.folder / "test"
    as_json = server.invoke((sample / "sample_request.json").read_bytes())
    as_csv = server.invoke((sample / "sample_request.csv").read_bytes(), "text/csv")
    assert as_json.status == as_csv.status == 200
    assert as_json.json() == as_csv.json()
    assert len(as_json.json()["predictions"]) == 2


@pytest.mark.parametrize("key", ["instances", "inputs", "features", "input", "data"])
def test_one_record_or_many_under_any_key(server: Server, key: str, prediction: float) -> None:
    assert server.invoke({key: RECORD}).json() == {"predictions": [prediction]}
    assert server.invoke({key: [RECORD, RECORD]}).json() == {"predictions": [prediction] * 2}


@pytest.mark.parametrize("content_type", ["text/csv", "Text/CSV; charset=utf-8", "text/csv;header=absent"])
@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_csv_in_and_out(server: Server, content_type: str, ending: bytes, prediction: float) -> None:
    reply = server.invoke(CSV + ending, content_type, Accept="text/csv;q=0.9, image/png")
    assert (reply.status, reply.body.decode()) == (200, f"{prediction}\n")
    assert reply.headers.get_content_type() == "text/csv"


def test_json_lines_in_and_out(server: Server, prediction: float) -> None:
    line = json.dumps(RECORD).encode()
    reply = server.invoke(line + b"\n" + line, "application/jsonlines", Accept="application/jsonlines")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/jsonlines")
    assert [json.loads(text) for text in reply.body.splitlines()] == [prediction] * 2


def test_npy_in_and_out(server: Server, prediction: float) -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([RECORD, RECORD]))
    reply = server.invoke(stream.getvalue(), "application/x-npy", Accept="application/x-npy")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/x-npy")
    assert np.load(io.BytesIO(reply.body), allow_pickle=False).tolist() == pytest.approx([prediction] * 2)


def test_execution_parameters_are_answered(server: Server) -> None:
    reply = server.request("GET", "/execution-parameters")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert {*reply.json()} == {"MaxConcurrentTransforms", "BatchStrategy", "MaxPayloadInMB"}


def test_probabilities_of_a_model_that_has_none_are_the_clients_error(server: Server) -> None:
    reply = server.invoke({"instances": [RECORD], "parameters": {"probabilities": True}})
    assert (reply.status, reply.json()) == (400, {"error": "This model has no probabilities."})


def test_json_is_the_default_answer(server: Server) -> None:
    assert server.invoke([RECORD], Accept="*/*").headers["Content-Type"] == "application/json"
    assert server.request("POST", "/invocations", json.dumps(RECORD).encode()).status == 200


@pytest.mark.parametrize(
    ("status", "body", "content_type", "accept"),
    [
        (400, b"{", "application/json", "*/*"),
        (400, b"", "application/json", "*/*"),
        (400, b"[[1, 2]]", "application/json", "*/*"),
        (400, b"a,b,c,d,e,f,g,h", "text/csv", "*/*"),
        (400, b"\xff\xfe\x00", "application/json", "*/*"),
        (406, b"[[1]]", "application/json", "image/png"),
        (415, b"[[1]]", "application/x-pickle", "*/*"),
        (400, pickle.dumps([RECORD]), "application/x-npy", "*/*"),
    ],
)
def test_client_errors(server: Server, status: int, body: bytes, content_type: str, accept: str) -> None:
    reply = server.invoke(body, content_type, Accept=accept)
    assert (reply.status, list(reply.json())) == (status, ["error"])
    assert reply.headers["Content-Type"] == "application/json"


def test_errors_name_the_expected_number_of_features(server: Server) -> None:
    assert server.invoke([[1, 2, 3]]).json() == {"error": "Expected 8 features per record, got 3."}


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/", 404), ("GET", "/docs", 404), ("POST", "/ping", 405)]
)
def test_other_routes_are_refused(server: Server, method: str, path: str, status: int) -> None:
    reply = server.request(method, path)
    assert (reply.status, list(reply.json())) == (status, ["error"])


def test_a_body_over_25_mb_is_too_large(server: Server) -> None:
    body = b" " * (25 * 2**20 + 1)
    reply = server.invoke(body)
    assert (reply.status, reply.json()) == (413, {"error": "The body is larger than 25 MB."})
    chunks = [body[start : start + 2**20] for start in range(0, len(body), 2**20)]
    assert server.request("POST", "/invocations", iter(chunks), Content_Type="application/json").status == 413


def test_a_body_of_25_mb_is_accepted(server: Server) -> None:
    body = json.dumps([RECORD]).encode().ljust(25 * 2**20)
    assert server.invoke(body).status == 200


def test_a_connection_is_kept_alive(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for _ in range(3):
        connection.request("POST", "/invocations", json.dumps(RECORD), {"Content-Type": "application/json"})
        assert connection.getresponse().read().startswith(b'{"predictions"')
    connection.close()
