"""POST /invocations through the adapter, over real connections to a stand-in for the engine."""

import contextlib
import http.client
import json
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import lay_out

JSON = {"Content-Type": "application/json"}
TEXT = "Once upon a time…"


def ask(port: int, body: Any, headers: dict[str, str] = JSON, path: str = "/invocations") -> tuple[int, Any, str]:
    """Send a request and return status, content and content type of the response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, body if isinstance(body, (bytes, str)) else json.dumps(body), headers)
    response = connection.getresponse()
    content = response.read().decode()
    kind = response.headers.get_content_type()
    connection.close()
    return response.status, json.loads(content) if kind == "application/json" else content, kind


def seen(port: int) -> dict[str, Any]:
    """Return the last request that reached the engine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/seen")
    return dict(json.loads(connection.getresponse().read())[-1])


def events(text: str) -> list[Any]:
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n") if line.startswith("data: ")]


def test_requests_in_openais_formats_reach_the_engines_own_routes_unchanged(port: int) -> None:
    chat = {"messages": [{"role": "user", "content": "Where?"}], "max_tokens": 5, "top_k": 3}
    status, content, _ = ask(port, chat)
    assert (status, content["choices"][0]["message"]["content"]) == (200, "Paris")
    assert seen(port) == {"path": "/v1/chat/completions", **chat, "finished": False}
    assert ask(port, {"prompt": "Once"})[1]["object"] == "text_completion"
    assert len(ask(port, {"input": ["a", "b"]})[1]["data"]) == 2
    assert ask(port, {"text_1": "a"})[1] == {"asked": {"text_1": "a"}}
    assert ask(port, chat, path="/v1/chat/completions")[0] == 200


def test_the_metrics_are_the_engines_own(port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert response.read() == b"vllm:num_requests_waiting 0.0\n"


ADAPTER = {**JSON, "x-amzn-sagemaker-adapter-identifier": "loud"}
CHAT = {"messages": [{"role": "user", "content": "Where?"}]}
FORMS = [CHAT, {"prompt": "Once"}, {"input": ["a"]}, {"inputs": "Once"}]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: next(iter(form)))
def test_the_adapter_in_sagemakers_header_responds(port: int, form: dict[str, Any]) -> None:
    for body in (form, {**form, "model": "quiet"}):
        assert ask(port, body, ADAPTER)[0] == 200
        assert seen(port)["model"] == "loud"
    assert ask(port, form)[0] == 200
    assert "model" not in seen(port)
    status, content, _ = ask(port, form, {**ADAPTER, "x-amzn-sagemaker-adapter-identifier": "nobody"})
    assert (status, content) == (404, {"error": "The model `nobody` does not exist."})


def test_a_request_with_a_session_reaches_the_engine_unchanged(port: int) -> None:
    headers = {**ADAPTER, "X-Amzn-SageMaker-Session-Id": "NEW_SESSION"}
    for body in ('{"requestType":  "NEW_SESSION"}', '{"inputs":  "Once"}'):
        assert ask(port, body, headers)[:2] == (200, {"asked": json.loads(body)})
        assert (seen(port)["path"], seen(port)["body"]) == ("/invocations", body)


def test_sglang_gets_adapters_in_its_own_format_and_has_no_sessions(start: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "adapters/loud").mkdir(parents=True)
    (tmp_path / "adapters/loud/adapter_config.json").write_text("{}")
    code = lay_out(tmp_path / "code", "sglang")
    port = start(PYTHONPATH=f"{code}:{Path(__file__).parent}", SM_MODEL_DIR=str(tmp_path))
    for body, headers in [({"prompt": "Once"}, ADAPTER), ({"prompt": "Once", "model": "loud"}, JSON)]:
        assert ask(port, body, headers)[0] == 200
        assert seen(port)["model"] == "base:loud"
    ask(port, {"prompt": "Once", "model": "org/name"})
    assert seen(port)["model"] == "org/name"
    status, content, _ = ask(port, {"prompt": "Once"}, {**JSON, "X-Amzn-SageMaker-Session-Id": "NEW_SESSION"})
    assert status == 400 and "no sessions" in content["error"]


def test_a_classic_request_returns_generated_text(port: int) -> None:
    assert ask(port, {"inputs": "Once"})[:2] == (200, [{"generated_text": TEXT}])
    assert seen(port)["max_tokens"] == 256
    parameters = {"max_new_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["."], "do_sample": True, "seed": 1}
    assert ask(port, {"inputs": "Once", "parameters": parameters, "model": "loud"})[0] == 200
    reached = {"prompt": "Once", "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["."], "seed": 1}
    assert seen(port) == {"path": "/v1/completions", **reached, "model": "loud", "finished": False}
    ask(port, {"inputs": "Once", "parameters": {"do_sample": False}})
    assert seen(port)["temperature"] == 0


def test_several_texts_are_answered_in_order_with_their_prompts(port: int) -> None:
    parameters = {"return_full_text": True, "num_return_sequences": 2}
    content = ask(port, {"inputs": ["A: ", "B: "], "parameters": parameters})[1]
    assert [each["generated_text"] for each in content] == [f"A: {TEXT}"] * 2 + [f"B: {TEXT}"] * 2


def test_a_lone_surrogate_is_answered(port: int) -> None:
    body = {"inputs": "\ud800", "parameters": {"return_full_text": True}}
    assert ask(port, body)[:2] == (200, [{"generated_text": f"?{TEXT}"}])
    assert events(ask(port, {**body, "stream": True})[1])[-1]["generated_text"] == f"?{TEXT}"


def test_both_formats_are_streamed(port: int) -> None:
    status, content, kind = ask(port, {"prompt": "Once", "stream": True})
    assert (status, kind) == (200, "text/event-stream")
    assert content.endswith("data: [DONE]\n\n")
    _, content, kind = ask(port, {"inputs": "Once", "stream": True, "parameters": {"return_full_text": True}})
    assert kind == "text/event-stream"
    *tokens, last = events(content)
    assert "".join(each["token"]["text"] for each in tokens) == TEXT
    assert all(each["generated_text"] is None for each in tokens)
    assert last["generated_text"] == f"Once{TEXT}"
    _, content, _ = ask(port, {"inputs": ["a", "b"], "stream": True})
    assert [each["index"] for each in events(content)[-2:]] == [0, 1]


def test_a_stream_is_sent_while_it_is_generated_and_ends_when_the_client_disconnects(port: int) -> None:
    body = json.dumps({"inputs": "slowly", "stream": True}).encode()
    head = b"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(head % len(body) + body)
        received = b""
        while b"Once" not in received:
            received += connection.recv(65536)
        assert b"upon" not in received
    deadline = time.monotonic() + 10
    while not seen(port).get("cancelled"):
        assert time.monotonic() < deadline, "the engine keeps generating without a client"
        time.sleep(0.05)
    assert not seen(port)["finished"]


def test_a_failed_stream_ends_with_an_error_event(port: int) -> None:
    _, content, _ = ask(port, {"inputs": "break", "stream": True})
    assert events(content)[-1] == {"error": "The request was aborted"}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not valid JSON"),
        (b"[" * 100_000, 400, "not valid JSON"),
        (b"\xff\xfe", 400, "not valid JSON"),
        ([1, 2], 400, "JSON object"),
        ({"inputs": 5}, 400, "string or a list of strings"),
        ({"inputs": []}, 400, "string or a list of strings"),
        ({"inputs": ["a", 1]}, 400, "string or a list of strings"),
        ({"inputs": "a", "parameters": [1]}, 400, "parameters"),
        ({"inputs": "a", "parameters": {"max_tokens": 1}}, 400, "max_new_tokens"),
        ({"inputs": "a", "parameters": {"\ud800": 1}}, 400, "Unknown parameters: ?"),
        ({"inputs": "a", "parameters": {"num_return_sequences": "2"}}, 400, "integer"),
        ({"inputs": "a", "parameters": {"num_return_sequences": 0}}, 400, "integer"),
        ({"inputs": "a", "parameters": {"temperature": 9}}, 400, "temperature must be in [0, 2]"),
        ({"messages": [], "model": "nobody"}, 404, "nobody"),
        ({"prompt": "busy"}, 503, "overloaded"),
    ],
)
def test_errors_have_the_format_of_the_contract(port: int, body: Any, status: int, words: str) -> None:
    got, content, _ = ask(port, body)
    assert got == status
    assert list(content) == ["error"]
    assert words in content["error"]


def test_a_failure_of_the_engine_reveals_no_internals(port: int) -> None:
    status, content, _ = ask(port, {"inputs": "fail"})
    assert status == 500
    assert "CUDA" not in content["error"] and "/usr" not in content["error"]


def test_other_content_types_and_large_bodies_do_not_reach_the_engine(port: int) -> None:
    assert ask(port, "a,b", {"Content-Type": "text/csv"})[0] == 415
    assert ask(port, {"prompt": "a"}, {"Content-Type": "Application/JSON; charset=utf-8"})[0] == 200
    large = json.dumps({"prompt": "a" * 26 * 2**20}).encode()
    assert ask(port, large)[0] == 413
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    pieces = iter([large[at : at + 2**20] for at in range(0, len(large), 2**20)])
    with contextlib.suppress(ConnectionError):  # rejected before all of it was sent
        connection.request("POST", "/invocations", pieces, JSON, encode_chunked=True)
    assert connection.getresponse().status == 413


def test_sm_max_body_mb_sets_the_limit_of_a_body(start: Callable[..., int]) -> None:
    port = start(SM_MAX_BODY_MB="30")
    assert ask(port, {"prompt": "a" * 26 * 2**20})[0] == 200
    assert ask(port, {"prompt": "a" * 30 * 2**20})[:2] == (413, {"error": "The body is larger than 30 MB."})


def test_sm_task_selects_vectors_or_labels(start: Callable[..., int]) -> None:
    assert ask(start(SM_TASK="embed"), {"inputs": ["a", "b"]})[1] == [[0, 0.5], [1, 0.5]]
    assert ask(start(SM_TASK="classify"), {"inputs": "a"})[1] == [{"label": "good", "score": 0.9}]
