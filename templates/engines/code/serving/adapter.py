"""ASGI middleware in the engine's process that routes SageMaker's POST /invocations to the engine's own routes.

    {"messages": …}    POST /v1/chat/completions         {"input": …}     POST /v1/embeddings
    {"prompt": …}      POST /v1/completions              {"inputs": …}    the classic format of TGI, see classic.py
    anything else      the engine's own /invocations

X-Amzn-SageMaker-Adapter-Identifier names the LoRA adapter to use: its value becomes "model" in the request.
Requests with a session (X-Amzn-SageMaker-Session-Id) go to the engine's own /invocations unchanged.

Everything else passes through unchanged: responses in OpenAI's formats, streams, and client disconnects, which the
engine handles itself. Errors become {"error": "…"}.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from serving import classic, engine, model, options
from serving.classic import BadRequest, Json

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

ROUTES = {"messages": "/v1/chat/completions", "prompt": "/v1/completions", "input": "/v1/embeddings"}
ADAPTER, SESSION = b"x-amzn-sagemaker-adapter-identifier", b"x-amzn-sagemaker-session-id"
CLASSIC = {"embed": "/v1/embeddings", "classify": engine.CLASSIFY}  # by SM_TASK
log = logging.getLogger(__name__)


class Rejected(Exception):
    """The request is rejected before it reaches the engine, with a status and a message for the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ClientGone(Exception):
    """The client disconnected before its request was complete."""


class Adapter:
    """The engine's ASGI application, with all formats of /invocations."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.classic = CLASSIC.get(os.environ.get("SM_TASK", ""), "/v1/completions")
        self.max_body = options.read_max_body(os.environ)
        self.adapters = list(model.adapter_folders(model.model_dir(os.environ)))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/invocations" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        try:
            if header(scope, SESSION):
                if not engine.SESSIONS:
                    raise Rejected(400, "This engine has no sessions: send the request without a session ID.")
                await self.app(scope, receive, send)
                return
            request = parse(scope, await read(scope, receive, self.max_body))
            request = self.choose_adapter(request, header(scope, ADAPTER).decode("latin-1"))
            path, body = self.route(request)
        except ClientGone:
            return
        except Rejected as error:
            await answer(send, error.status, {"error": str(error)})
            return
        except BadRequest as error:
            await answer(send, 400, {"error": str(error)})
            return
        reply = Reply(send, request if "inputs" in request else None)
        await self.app(redirect(scope, path, body), replay(body, receive), reply)

    def choose_adapter(self, request: Json, requested: str) -> Json:
        """Return the request with its LoRA adapter as model: the one in the header, or the one in its own "model"."""
        own = request.get("model")
        name = requested or (own if own in self.adapters else None)
        return {**request, "model": engine.model_of_adapter(name)} if name else request

    def route(self, request: Json) -> tuple[str, bytes]:
        """Return the engine's route for a request, and the body to send there."""
        if "inputs" in request:
            translate = classic.to_completion if self.classic == "/v1/completions" else classic.to_input
            return self.classic, json.dumps(translate(request)).encode()
        path = next((path for key, path in ROUTES.items() if key in request), "/invocations")
        return path, json.dumps(request).encode()


def header(scope: MutableMapping[str, Any], name: bytes) -> bytes:
    return next((value for key, value in scope["headers"] if key.lower() == name), b"")


async def read(scope: MutableMapping[str, Any], receive: Receive, limit: int) -> bytes:
    """Return the whole body. Raises Rejected if it exceeds the limit in bytes, ClientGone if the client disconnects."""
    length = header(scope, b"content-length")
    size, parts = 0, []
    while True:
        if size > limit or (length.isdigit() and int(length) > limit):
            raise Rejected(413, f"The body is larger than {limit // 2**20} MB.")
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if not message.get("more_body"):
            break
    if size > limit:
        raise Rejected(413, f"The body is larger than {limit // 2**20} MB.")
    return b"".join(parts)


def parse(scope: MutableMapping[str, Any], body: bytes) -> Json:
    """Return the JSON object in a body. Raises Rejected."""
    kind = header(scope, b"content-type").partition(b";")[0].strip().lower()
    if kind not in (b"application/json", b""):
        raise Rejected(415, "The content type must be application/json.")
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise Rejected(400, "The body is not valid JSON.") from None
    if not isinstance(request, dict):
        raise Rejected(400, 'The body must be a JSON object with "messages", "prompt", "input" or "inputs".')
    return request


def redirect(scope: MutableMapping[str, Any], path: str, body: bytes) -> MutableMapping[str, Any]:
    """Return the scope of the request with another route and body."""
    dropped = (b"content-length", b"content-type", b"transfer-encoding", b"content-encoding")
    headers = [(key, value) for key, value in scope["headers"] if key.lower() not in dropped]
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return {**scope, "path": path, "raw_path": path.encode(), "headers": headers}


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a receive function for the engine: the body, then any other messages, such as a disconnect."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return pending.pop() if pending else await receive()

    return receive_again


async def answer(send: Send, status: int, content: Any, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    body = classic.encode(content)
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": body})


class Reply:
    """Forwards the engine's response to the client. Translates responses to classic requests, and errors."""

    def __init__(self, send: Send, request: Json | None) -> None:
        self.send = send
        self.request = request  # if it has the classic format
        self.start: Message = {}
        self.parts: list[bytes] = []
        self.stream: classic.Stream | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self.start_response(message)
        elif message["type"] == "http.response.body" and (self.start or self.stream):
            await self.send_body(message.get("body", b""), bool(message.get("more_body")))
        else:
            await self.send(message)

    async def start_response(self, message: Message) -> None:
        kind = next((value for key, value in message["headers"] if key.lower() == b"content-type"), b"")
        good = message["status"] < 400
        if good and self.request is None:
            await self.send(message)
        elif good and kind.startswith(b"text/event-stream"):
            self.stream = classic.Stream(self.request or {})
            await self.send(message)
        else:
            self.start = message

    async def send_body(self, chunk: bytes, more: bool) -> None:
        if self.stream:
            await self.send({"type": "http.response.body", "body": self.stream.feed(chunk), "more_body": more})
            return
        self.parts.append(chunk)
        if not more:
            status, content = self.translate(self.start["status"], b"".join(self.parts))
            retry = tuple((key, value) for key, value in self.start["headers"] if key.lower() == b"retry-after")
            if status in (429, 503) and not retry:
                retry = ((b"retry-after", b"1"),)
            await answer(self.send, status, content, retry)

    def translate(self, status: int, body: bytes) -> tuple[int, Any]:
        try:
            content = json.loads(body)
        except ValueError:
            content = body.decode(errors="replace")
        if status < 400 and self.request is not None:
            data = "data" in content
            return status, classic.from_data(content) if data else classic.from_completion(content, self.request)
        log.warning("The engine responded with %s: %s", status, classic.read_message(content))
        if status >= 500 and status != 503:
            return status, {"error": "The model failed on this request. Details are in the endpoint's log."}
        return status, {"error": classic.read_message(content) or f"The engine rejected the request ({status})."}
