"""Features of a handler, over HTTP: streams, custom attributes, its own media type, batch transform."""

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from project import TIMEOUT, Server, wait_for

HANDLER = """
import pathlib, time
from serving.request import current
HERE = pathlib.Path(__file__).parent

def load(model_dir): return None

def predict(model, inputs):
    return write(inputs[0]) if isinstance(inputs[0], str) else inputs

def write(what):
    (HERE / "started").touch()
    try:
        for number in range(3):
            yield f"{number}\\n"
            while not (HERE / f"go{number}").exists(): time.sleep(0.01)
            if what == "fail": raise ValueError("secret")
        while what == "endless":
            yield "again\\n" * 10_000
    finally:
        (HERE / "ended").touch()

def encode(model, outputs):
    if sent := current().custom_attributes: current().response_attributes = sent.upper()
    return outputs
"""

Start = Callable[..., Server]


@pytest.fixture
def start(project: Path, variant: str) -> Iterator[Start]:
    """Start a server with HANDLER, one worker, and additional environment variables."""
    (project / "code/model_handler.py").write_text(HANDLER)
    servers: list[Server] = []

    def begin(**environ: str) -> Server:
        servers.append(Server(project, variant, SM_WORKERS="1", **environ).__enter__())
        return servers[0].wait_until_ready()

    yield begin
    for server in servers:
        server.__exit__()


def mark(server: Server, *names: str) -> None:
    for name in names:
        (server.folder / "code" / name).touch()


def open_stream(server: Server, what: str) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    connection.request("POST", "/invocations", json.dumps([what]), {"Content-Type": "application/json"})
    return connection, connection.getresponse()


def test_a_stream_arrives_chunked_piece_by_piece(start: Start) -> None:
    server = start()
    connection, response = open_stream(server, "stream")
    assert (response.status, response.headers["Transfer-Encoding"]) == (200, "chunked")
    assert response.headers.get_content_type() == "text/plain"
    assert response.readline() == b"0\n"  # while the handler is still blocked
    mark(server, "go0")
    assert response.readline() == b"1\n"
    mark(server, "go1", "go2")
    assert response.read() == b"2\n"
    assert server.request("GET", "/ping").status == 200
    connection.close()
    line = wait_for(lambda: [line for line in server.log().splitlines() if "invocation" in line], "its line")[0]
    assert json.loads(line)["bytes_out"] == 6


def test_the_connection_of_a_failing_stream_is_dropped(start: Start) -> None:
    server = start()
    connection, response = open_stream(server, "fail")
    mark(server, "go0")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()
    connection.close()
    assert "secret" in wait_for(lambda: server.log() if "secret" in server.log() else "", "the traceback")
    mark(server, "go1", "go2")
    assert server.invoke([[1]]).status == 200


def test_a_stream_ends_when_its_client_disconnects(start: Start) -> None:
    server = start()
    connection, response = open_stream(server, "endless")
    mark(server, "go0", "go1", "go2")
    assert response.read(100_000)
    response.close()
    connection.close()
    wait_for((server.folder / "code/ended").exists, "the end of the handler's iterator")
    assert server.invoke([[1]]).status == 200


def test_a_stream_is_finished_after_sigterm(start: Start) -> None:
    server = start()
    connection, response = open_stream(server, "stream")
    assert response.readline() == b"0\n"
    server.terminate()
    mark(server, "go0", "go1", "go2")
    assert response.read() == b"1\n2\n"
    connection.close()
    assert server.wait() == 0


def test_custom_attributes_are_returned_if_the_handler_sets_them(start: Start) -> None:
    server = start()
    name = "X-Amzn-SageMaker-Custom-Attributes"
    assert server.invoke([[1]], **{name: "trace=1"}).headers[name] == "TRACE=1"
    assert server.invoke([[1]]).headers[name] is None


def test_batch_transform_can_send_up_to_100_mb(start: Start) -> None:
    server = start(SAGEMAKER_BATCH="true")
    assert server.invoke(b"[[1]]".ljust(100 * 2**20)).status == 200
    reply = server.invoke(b"[[1]]".ljust(100 * 2**20 + 1))
    assert (reply.status, reply.json()) == (413, {"error": "The body is larger than 100 MB."})


def test_sm_max_body_mb_sets_the_limit_of_a_body(start: Start) -> None:
    server = start(SM_MAX_BODY_MB="30")
    assert server.invoke(b"[[1]]".ljust(30 * 2**20)).status == 200
    reply = server.invoke(b"[[1]]".ljust(30 * 2**20 + 1))
    assert (reply.status, reply.json()) == (413, {"error": "The body is larger than 30 MB."})
