"""A generated project with vLLM: request formats, streams, adapters, errors, and shutdown."""

import argparse
import http.client
import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from conftest import Engine

PROMPT = {"prompt": "Once", "max_tokens": 8, "min_tokens": 8, "temperature": 0}
CLASSIC = {"inputs": "Once", "parameters": {"max_new_tokens": 8, "min_tokens": 8, "do_sample": False}}


def send(engine: Engine, body: Any, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=120)
    text = body if isinstance(body, str) else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("POST", "/invocations", text, {"Content-Type": "application/json", **named})
    return connection.getresponse()


def events(content: bytes) -> list[Any]:
    """Parse the events of a stream."""
    lines = [line.removeprefix(b"data: ") for line in content.split(b"\n") if line.startswith(b"data: ")]
    return [json.loads(line) for line in lines if line != b"[DONE]"]


def ask(engine: Engine, body: Any, **headers: str) -> tuple[int, Any]:
    """Send a request and return status and content (a list of events for a stream). Header names use underscores."""
    response = send(engine, body, **headers)
    content = response.read()
    streamed = response.headers.get_content_type() == "text/event-stream"
    return response.status, events(content) if streamed else json.loads(content)


def test_openais_formats_and_the_classic_one_return_the_same(engine: Engine) -> None:
    status, content = ask(engine, PROMPT)
    assert status == 200, content
    text = content["choices"][0]["text"]
    assert text
    assert ask(engine, CLASSIC) == (200, [{"generated_text": text}])
    twice = {"inputs": ["Once", "Twice"], "parameters": {**CLASSIC["parameters"], "return_full_text": True}}
    first, second = ask(engine, twice)[1]
    assert first["generated_text"] == f"Once{text}" and second["generated_text"].startswith("Twice")
    chat = {"messages": [{"role": "user", "content": "Where?"}], "max_tokens": 4}
    message = ask(engine, chat)[1]["choices"][0]["message"]
    assert message["role"] == "assistant" and message["content"]


def test_both_formats_are_streamed(engine: Engine) -> None:
    whole = ask(engine, CLASSIC)[1][0]["generated_text"]
    *tokens, last = ask(engine, {**CLASSIC, "stream": True})[1]
    assert "".join(each["token"]["text"] for each in tokens) == last["generated_text"] == whole
    assert "".join(each["choices"][0]["text"] for each in ask(engine, {**PROMPT, "stream": True})[1]) == whole


def test_the_engine_accepts_every_parameter_of_the_classic_format(engine: Engine) -> None:
    parameters = {
        "max_new_tokens": 4,
        "temperature": 0.7,
        "top_p": 0.9,
        "top_k": 5,
        "min_p": 0.01,
        "seed": 1,
        "repetition_penalty": 1.1,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.1,
        "stop": ["zz"],
        "stop_token_ids": [1],
        "skip_special_tokens": True,
        "ignore_eos": True,
        "min_tokens": 1,
        "logit_bias": {"5": 1.0},
        "num_return_sequences": 2,
    }
    status, content = ask(engine, {"inputs": "Once", "parameters": parameters})
    assert (status, len(content)) == (200, 2), content


def test_an_adapter_is_selected_by_model_name(engine: Engine) -> None:
    plain, loud = (ask(engine, {**PROMPT, **more})[1]["choices"][0]["text"] for more in ({}, {"model": "loud"}))
    assert plain != loud
    assert ask(engine, {**CLASSIC, "model": "loud"})[1] == [{"generated_text": loud}]


def test_an_adapter_is_selected_by_sagemakers_header(engine: Engine) -> None:
    chat = {"messages": [{"role": "user", "content": "Where?"}], "max_tokens": 8, "min_tokens": 8, "temperature": 0}
    for form in (PROMPT, CLASSIC, chat):
        named = ask(engine, {**form, "model": "loud"})
        assert text_of(ask(engine, form, X_Amzn_SageMaker_Adapter_Identifier="loud")) == text_of(named)
        assert text_of(ask(engine, form)) != text_of(named)
        status, content = ask(engine, form, X_Amzn_SageMaker_Adapter_Identifier="nobody")
        assert status == 404 and "nobody" in content["error"]


def text_of(answer: tuple[int, Any]) -> str:
    status, content = answer
    assert status == 200, content
    if isinstance(content, list):
        return str(content[0]["generated_text"])
    choice = content["choices"][0]
    return str(choice["text"] if "text" in choice else choice["message"]["content"])


def test_requests_with_a_session_reach_the_engine(engine: Engine) -> None:
    """vLLM rejects them unless sessions are enabled. The middleware would have answered this request."""
    status, content = ask(engine, CLASSIC, X_Amzn_SageMaker_Session_Id="NEW_SESSION")
    assert status == 400 and "sessions not enabled" in json.dumps(content)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ({**PROMPT, "temperature": -1}, 400),
        ({**PROMPT, "model": "nobody"}, 404),
        ({**PROMPT, "max_tokens": "many"}, 400),
        ({"inputs": "a " * 5000}, 400),
        ({"inputs": "a", "parameters": {"top_p": 7}}, 400),
        ({"messages": "hello"}, 400),
    ],
)
def test_errors_have_the_format_of_the_contract(engine: Engine, body: Any, status: int) -> None:
    got, content = ask(engine, body)
    assert (got, list(content)) == (status, ["error"]), content
    assert isinstance(content["error"], str) and "/" not in content["error"].replace("`nobody`", "")
    assert engine.ping() == 200


def test_the_metrics_are_the_engines_own(engine: Engine) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{engine.port}/metrics", timeout=30) as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        assert b"\nvllm:num_requests_running{" in response.read()


def test_the_log_starts_with_the_command_line(engine: Engine) -> None:
    first = engine.log.read_text().split("\n")[0]
    assert first.startswith("Starting vllm serve ")
    for word in ("--max-num-seqs=8", "--load-format=safetensors", "loud=", "--max-model-len=auto"):
        assert word in first


def test_sigterm_ends_it_after_answering_open_requests(engine: Engine) -> None:
    long = {**CLASSIC, "parameters": {"max_new_tokens": 400, "ignore_eos": True}, "stream": True}
    response = send(engine, long)
    begun = response.readline()
    engine.process.send_signal(signal.SIGTERM)
    *_, last = events(begun + response.read())
    assert last.get("generated_text"), last
    assert engine.process.wait(30) in (0, -signal.SIGTERM)


def options_of(project: Path) -> list[str]:
    """Return the command that code/serve builds from options.json for a model folder with adapters."""
    program = """
import json, sys
from pathlib import Path
from serving import engine, options
parsed = options.read(Path(sys.argv[1]), {}, engine.VARIABLES)
print(json.dumps(engine.command({**parsed, **engine.adapters({"a": "/x", "b": "/y"}, 20), "model": "/z"}, "8080")))
"""
    arguments = [sys.executable, "-c", program, project / "code/options.json"]
    return list(json.loads(subprocess.check_output(arguments, cwd=project / "code")))


def test_vllms_own_parser_accepts_every_option(pytestconfig: pytest.Config) -> None:
    from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    words = options_of(pytestconfig.getoption("project"))
    assert words[:2] == ["vllm", "serve"]
    found = make_arg_parser(FlexibleArgumentParser()).parse_args(words[2:])
    validate_parsed_serve_args(found)
    assert (found.port, found.model_tag, found.max_lora_rank) == (8080, "/z", 32)


def test_sglangs_own_parser_accepts_every_option(pytestconfig: pytest.Config) -> None:
    from sglang.srt.server_args import ServerArgs

    words = options_of(pytestconfig.getoption("project").with_name("sglang"))
    assert words[:3] == ["python3", "-m", "serving.server"]
    parser = argparse.ArgumentParser()
    ServerArgs.add_cli_args(parser)
    found = parser.parse_args(words[3:])
    assert (found.port, found.model_path, found.lora_paths) == (8080, "/z", ["a=/x", "b=/y"])
    assert found.enable_metrics is True
