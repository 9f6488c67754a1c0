"""POST /invocations as the adapter has it, over real connections to a stand-in for the engine."""

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
    """Status, content, and content type of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", path, body if isinstance(body, (bytes, str)) else json.dumps(body), headers)
    response = connection.getresponse()
    content = response.read().decode()
    kind = response.headers.get_content_type()
    connection.close()
    return response.status, json.loads(content) if kind == "application/json" else content, kind


def seen(port: int) -> dict[str, Any]:
    """The request that reached the engine last."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/seen")
    return dict(json.loads(connection.getresponse().read())[-1])


def events(text: str) -> list[Any]:
    return [json.loads(line.removeprefix("data: ")) for line in text.split("\n") if line.startswith("data: ")]


def test_openais_forms_reach_the_engines_own_routes_untouched(port: int) -> None:
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
def test_the_adapter_that_sagemakers_header_names_answers(port: int, form: dict[str, Any]) -> None:
    for body in (form, {**form, "model": "quiet"}):
        assert ask(port, body, ADAPTER)[0] == 200
        assert seen(port)["model"] == "loud"
    assert ask(port, form)[0] == 200
    assert "model" not in seen(port)
    status, content, _ = ask(port, form, {**ADAPTER, "x-amzn-sagemaker-adapter-identifier": "nobody"})
    assert (status, content) == (404, {"error": "The model `nobody` does not exist."})


def test_a_request_of_a_session_is_the_engines_own_untouched(port: int) -> None:
    headers = {**ADAPTER, "X-Amzn-SageMaker-Session-Id": "NEW_SESSION"}
    for body in ('{"requestType":  "NEW_SESSION"}', '{"inputs":  "Once"}'):
        assert ask(port, body, headers)[:2] == (200, {"asked": json.loads(body)})
        assert (seen(port)["path"], seen(port)["body"]) == ("/invocations", body)


def test_sglang_is_asked_for_an_adapter_in_its_own_way_and_keeps_no_sessions(
    start: Callable[..., int], tmp_path: Path
) -> None:
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


def test_the_classic_form_is_answered_with_generated_text(port: int) -> None:
    assert ask(port, {"inputs": "Once"})[:2] == (200, [{"generated_text": TEXT}])
    assert seen(port)["max_tokens"] == 256
    parameters = {"max_new_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["."], "do_sample": True, "seed": 1}
    assert ask(port, {"inputs": "Once", "parameters": parameters, "model": "loud"})[0] == 200
    reached = {"prompt": "Once", "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["."], "seed": 1}
    assert seen(port) == {"path": "/v1/completions", **reached, "model": "loud", "finished": False}
    ask(port, {"inputs": "Once", "parameters": {"do_sample": False}})
    assert seen(port)["temperature"] == 0


def test_several_texts_have_their_answers_in_their_order_with_what_they_began_with(port: int) -> None:
    parameters = {"return_full_text": True, "num_return_sequences": 2}
    content = ask(port, {"inputs": ["A: ", "B: "], "parameters": parameters})[1]
    assert [each["generated_text"] for each in content] == [f"A: {TEXT}"] * 2 + [f"B: {TEXT}"] * 2


def test_half_a_surrogate_pair_is_no_obstacle(port: int) -> None:
    body = {"inputs": "\ud800", "parameters": {"return_full_text": True}}
    assert ask(port, body)[:2] == (200, [{"generated_text": f"?{TEXT}"}])
    assert events(ask(port, {**body, "stream": True})[1])[-1]["generated_text"] == f"?{TEXT}"


def test_both_forms_are_streamed(port: int) -> None:
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


def test_a_stream_comes_as_it_is_generated_and_ends_when_the_client_goes_away(port: int) -> None:
    body = json.dumps({"inputs": "slowly", "stream": True}).encode()
    head = b"POST /invocations HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(head % len(body) + body)
        received = b""
        while b"Once" not in received:
            received += line.recv(65536)
        assert b"upon" not in received
    deadline = time.monotonic() + 10
    while not seen(port).get("cancelled"):
        assert time.monotonic() < deadline, "the engine goes on for nobody"
        time.sleep(0.05)
    assert not seen(port)["finished"]


def test_a_stream_that_breaks_says_so_as_its_last_event(port: int) -> None:
    _, content, _ = ask(port, {"inputs": "break", "stream": True})
    assert events(content)[-1] == {"error": "The request was aborted"}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        ([1, 2], 400, "JSON object"),
        ({"inputs": 5}, 400, "text or a list of texts"),
        ({"inputs": []}, 400, "text or a list of texts"),
        ({"inputs": ["a", 1]}, 400, "text or a list of texts"),
        ({"inputs": "a", "parameters": [1]}, 400, "parameters"),
        ({"inputs": "a", "parameters": {"max_tokens": 1}}, 400, "max_new_tokens"),
        ({"inputs": "a", "parameters": {"\ud800": 1}}, 400, "Unknown parameters: ?"),
        ({"inputs": "a", "parameters": {"num_return_sequences": "2"}}, 400, "whole number"),
        ({"inputs": "a", "parameters": {"num_return_sequences": 0}}, 400, "whole number"),
        ({"inputs": "a", "parameters": {"temperature": 9}}, 400, "temperature must be in [0, 2]"),
        ({"messages": [], "model": "nobody"}, 404, "nobody"),
        ({"prompt": "busy"}, 503, "overloaded"),
    ],
)
def test_what_is_wrong_is_said_in_the_contracts_form(port: int, body: Any, status: int, words: str) -> None:
    got, content, _ = ask(port, body)
    assert got == status
    assert list(content) == ["error"]
    assert words in content["error"]


def test_a_failure_of_the_engine_shows_nothing_of_its_inside(port: int) -> None:
    status, content, _ = ask(port, {"inputs": "fail"})
    assert status == 500
    assert "CUDA" not in content["error"] and "/usr" not in content["error"]


def test_other_content_types_and_bodies_that_are_too_large_do_not_reach_the_engine(port: int) -> None:
    assert ask(port, "a,b", {"Content-Type": "text/csv"})[0] == 415
    assert ask(port, {"prompt": "a"}, {"Content-Type": "Application/JSON; charset=utf-8"})[0] == 200
    large = json.dumps({"prompt": "a" * 26 * 2**20}).encode()
    assert ask(port, large)[0] == 413
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    pieces = iter([large[at : at + 2**20] for at in range(0, len(large), 2**20)])
    with contextlib.suppress(ConnectionError):  # it was refused before all had been sent
        connection.request("POST", "/invocations", pieces, JSON, encode_chunked=True)
    assert connection.getresponse().status == 413


def test_vectors_and_labels_are_answered_where_the_container_is_told(start: Callable[..., int]) -> None:
    assert ask(start(SM_TASK="embed"), {"inputs": ["a", "b"]})[1] == [[0, 0.5], [1, 0.5]]
    assert ask(start(SM_TASK="classify"), {"inputs": "a"})[1] == [{"label": "good", "score": 0.9}]
