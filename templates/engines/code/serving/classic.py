"""Translation between the classic format of TGI, {"inputs": …, "parameters": {…}}, and OpenAI's completions.

    {"inputs": "Once"}                      [{"generated_text": " upon a time"}]
    {"inputs": ["Once", "Twice"]}           [{"generated_text": …}, {"generated_text": …}]
    {"inputs": "Once", "stream": true}      data: {"token": {"text": " upon"}, "generated_text": null}   and so on;
                                            the last event has the whole text

With SM_TASK=embed in the container's environment, the response to {"inputs": …} is a list of vectors, [[…], …];
with SM_TASK=classify it is [{"label": …, "score": …}, …].
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
MAX_NEW_TOKENS = 256  # default
RENAMED: dict[str, str] = {"max_new_tokens": "max_tokens", "stop_sequences": "stop", "num_return_sequences": "n"}
SAME = ["temperature", "top_p", "top_k", "min_p", "repetition_penalty", "frequency_penalty", "presence_penalty", "seed"]
SAME += ["stop", "stop_token_ids", "skip_special_tokens", "ignore_eos", "min_tokens", "logit_bias"]
OURS = ("do_sample", "return_full_text")
KNOWN = sorted([*RENAMED, *SAME, *OURS])


class BadRequest(ValueError):
    """The request is invalid. The client gets the message."""


def to_completion(request: Json) -> Json:
    """Translate a request to one for POST /v1/completions. Raises BadRequest."""
    parameters = request.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise BadRequest('"parameters" must be a JSON object.')
    unknown = sorted(set(parameters) - set(KNOWN))
    if unknown:
        raise BadRequest(f"Unknown parameters: {', '.join(unknown)[:200]}. Known parameters: {', '.join(KNOWN)}.")
    count = parameters.get("num_return_sequences")
    if count is not None and (type(count) is not int or count < 1):
        raise BadRequest('"num_return_sequences" must be an integer of at least 1.')
    own: Json = {"max_tokens": MAX_NEW_TOKENS}
    own |= {RENAMED.get(str(name), str(name)): value for name, value in parameters.items() if name not in OURS}
    if parameters.get("do_sample") is False:
        own["temperature"] = 0
    rest = {name: value for name, value in request.items() if name in ("model", "stream")}
    return {"prompt": read_texts(request), **own, **rest}


def to_input(request: Json) -> Json:
    """Translate a request to one for POST /v1/embeddings or /classify. Raises BadRequest."""
    rest = {"model": request["model"]} if "model" in request else {}
    return {"input": read_texts(request), **rest}


def read_texts(request: Json) -> str | list[str]:
    inputs = request["inputs"]
    texts = inputs if isinstance(inputs, list) else [inputs]
    if texts and all(isinstance(text, str) for text in texts):
        return inputs  # type: ignore[no-any-return]
    raise BadRequest('"inputs" must be a string or a list of strings.')


def from_completion(response: Json, request: Json) -> list[Json]:
    """Translate the response of POST /v1/completions; prepend the prompts if the request sets return_full_text."""
    choices = sorted(response["choices"], key=lambda choice: int(choice["index"]))
    pairs = zip(list_prefixes(request), choices, strict=True)
    return [{"generated_text": prompt + choice["text"]} for prompt, choice in pairs]


def from_data(response: Json) -> list[Any]:
    """Translate the response of POST /v1/embeddings, one vector per text, or of /classify, one label per text."""
    data = sorted(response["data"], key=lambda each: int(each["index"]))
    if data and "embedding" in data[0]:
        return [each["embedding"] for each in data]
    return [{"label": each["label"], "score": max(each["probs"])} for each in data]


def list_prefixes(request: Json) -> list[str]:
    """Return the prefix of each generated text: its prompt, or nothing."""
    parameters = request.get("parameters") or {}
    inputs = request["inputs"] if isinstance(request["inputs"], list) else [request["inputs"]]
    prompts = inputs if parameters.get("return_full_text") else [""] * len(inputs)
    return [prompt for prompt in prompts for _ in range(parameters.get("num_return_sequences") or 1)]


class Stream:
    """Translates a stream of server-sent events from completions to the classic format."""

    def __init__(self, request: Json) -> None:
        self.rest = b""
        self.texts = list_prefixes(request)
        self.ended = False

    def feed(self, chunk: bytes) -> bytes:
        """Return the events that this chunk completes."""
        lines = (self.rest + chunk).split(b"\n")
        self.rest = lines.pop()
        return b"".join(self.events(lines))

    def events(self, lines: list[bytes]) -> Iterator[bytes]:
        for line in lines:
            data = line.removeprefix(b"data:").strip()
            if not line.startswith(b"data:") or self.ended:
                continue
            if data == b"[DONE]":
                self.ended = True
                for at, whole in enumerate(self.texts):
                    yield event({"token": None, "generated_text": whole, "index": at})
                continue
            message = json.loads(data)
            if "error" in message:
                self.ended = True
                yield event({"error": read_message(message) or "The model failed on this request."})
                continue
            for choice in message.get("choices", ()):
                at, text = int(choice["index"]), choice.get("text", "")
                if text:
                    self.texts[at] += text
                    yield event({"token": {"text": text}, "generated_text": None, "index": at})


def encode(content: Any) -> bytes:
    """Encode as JSON. A lone surrogate, which a request can contain, becomes a question mark."""
    return json.dumps(content, ensure_ascii=False).encode(errors="replace")


def event(data: Json) -> bytes:
    return b"data: " + encode(data) + b"\n\n"


def read_message(response: Any) -> str:
    """Return the message of an engine's error, whatever its format; empty if there is none."""
    for key in ("error", "message", "detail"):
        if isinstance(response, dict) and key in response:
            return read_message(response[key])
    return " ".join(response.split())[:500] if isinstance(response, str) else ""
