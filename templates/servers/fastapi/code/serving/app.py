"""The web server: uvicorn, with one event loop per worker process. Predictions run in separate threads.

SageMaker's routes are handled here, directly on ASGI: endpoints get no other requests, and a web framework would take
longer than a small model's prediction. All other routes are FastAPI's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache, partial
from typing import Any

from serving import metrics_page, metrics_server, openapi
from serving.errors import RouteError, ServingError, TooLarge
from serving.invocation import Invoker, execution_parameters, refuse
from serving.logs import write_requests
from serving.models import Model
from serving.processes import Child, Supervisor, open_port
from serving.request import Request, Response, Stream, StreamBroken, read_request
from serving.server import BACKLOG, serve
from serving.settings import Settings
from serving.stages import write_stages

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Methods = Mapping[str, Callable[[Scope, Receive], Awaitable[Response]]]

SEND_TIMEOUT = 60.0  # seconds for a client to accept a piece of a stream; then the connection is dropped


def run(settings: Settings, load: Callable[[], Model]) -> int:
    """Open the port and serve until SIGTERM. `load` returns the model, in each worker.

    Returns the exit status. Raises StartError if the port is taken.
    """
    listener = open_port(settings.port, BACKLOG)
    worker = Child("worker", lambda: serve(App(settings, load()), listener))
    return Supervisor([[worker] * settings.workers], on_stop=listener.close).run()


@cache
def other_routes() -> Any:
    """Routes beyond SageMaker's: add yours here. FastAPI is imported on the first request to one of them."""
    from fastapi import FastAPI, Request, Response
    from starlette.exceptions import HTTPException

    app = FastAPI(openapi_url=None)

    @app.exception_handler(HTTPException)
    async def no_route(_: Request, error: HTTPException) -> Response:
        response = refuse(RouteError(error.status_code))
        return Response(response.body, response.status, media_type=response.media_type)

    return app


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


class App:
    """The ASGI application of one worker."""

    def __init__(self, settings: Settings, model: Model) -> None:
        self.settings = settings
        self.invoker = Invoker(model, settings, deliver)
        self.describe = cache(partial(openapi.describe, model, settings))
        self.stopping = False  # set on SIGTERM: connections are no longer kept alive
        self.threads = ThreadPoolExecutor(1)  # for GET /metrics
        self.routes: dict[str, Methods] = {
            "/ping": {"GET": self.ping},
            "/invocations": {"POST": self.invoke},
            "/execution-parameters": {"GET": self.execution_parameters},
            "/metrics": {"GET": self.metrics},
            "/openapi.json": {"GET": self.openapi_json},
            **({"/docs": {"GET": self.docs}} if settings.docs else {}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        methods = self.find(scope["path"])
        if methods is None:
            other = await asyncio.to_thread(other_routes)
            await other(scope, receive, send)
        elif (respond := methods.get(scope["method"])) is None:
            await self.send(refuse(RouteError(405)), receive, send)
        else:
            with suppress(ClientGone):
                await self.send(await respond(scope, receive), receive, send)

    def find(self, path: str) -> Methods | None:
        """Return the handlers of a path, by method."""
        return self.routes.get(path)

    async def send(self, response: Response, receive: Receive, send: Send) -> None:
        """Send a response, whole or as a stream."""
        if isinstance(response.body, Stream):
            await self.send_stream(response, response.body, receive, send)
        else:
            await self.send_start(response, send, (b"content-length", b"%d" % len(response.body)))
            await send({"type": "http.response.body", "body": response.body})

    async def ping(self, scope: Scope, receive: Receive) -> Response:
        return Response(200, b"{}")  # the model is loaded before the port opens

    async def execution_parameters(self, scope: Scope, receive: Receive) -> Response:
        return execution_parameters(self.settings)

    async def metrics(self, scope: Scope, receive: Receive) -> Response:
        return await asyncio.get_running_loop().run_in_executor(self.threads, metrics_page.show)

    async def openapi_json(self, scope: Scope, receive: Receive) -> Response:
        return self.describe()

    async def docs(self, scope: Scope, receive: Receive) -> Response:
        return openapi.show_docs()

    async def invoke(self, scope: Scope, receive: Receive) -> Response:
        return await self.predict(self.invoker.submit, scope, receive)

    async def predict(self, submit: Callable[[Request], object], scope: Scope, receive: Receive) -> Response:
        """Submit a request and wait for its response."""
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        request = read_request(b"", headers.get)
        try:
            request.body = await read_body(receive, int(headers.get("content-length", 0)), self.settings.max_body)
            request.waiter = asyncio.get_running_loop().create_future()
            submit(request)
            return await request.waiter  # type: ignore[no-any-return]
        except ServingError as error:
            request.response = refuse(error)
            metrics_server.count_responses([request])
            write_requests([request])
            return request.response

    async def send_start(self, response: Response, send: Send, *headers: tuple[bytes, bytes]) -> None:
        """Send status and headers."""
        lines = [(b"content-type", response.media_type.encode()), *headers]
        if response.headers:
            lines += [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
        if self.stopping:
            lines.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": response.status, "headers": lines})

    async def send_stream(self, response: Response, stream: Stream, receive: Receive, send: Send) -> None:
        """Send a stream until it ends or the client disconnects. If it breaks, drop the connection."""
        in_thread = asyncio.get_running_loop().run_in_executor
        gone = asyncio.ensure_future(receive())  # after the body, only a disconnect can be received
        try:
            await self.send_start(response, send)
            while not gone.done() and (piece := await in_thread(None, next, stream, None)) is not None:
                message = {"type": "http.response.body", "body": piece, "more_body": True}
                await asyncio.wait_for(send(message), SEND_TIMEOUT)
            await send({"type": "http.response.body", "body": b""})
        except (TimeoutError, StreamBroken):
            return  # uvicorn drops the connection if the body does not end
        finally:
            gone.cancel()
            await in_thread(None, stream.close)


async def read_body(receive: Receive, content_length: int, limit: int) -> bytes:
    """Read the whole body.

    Raises TooLarge as soon as the body exceeds `limit` bytes, and ClientGone if the client disconnects.
    """
    pieces: list[bytes] = []
    size, more = 0, True
    while more:
        if max(content_length, size) > limit:
            raise TooLarge(limit)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        pieces.append(message["body"])
        size += len(message["body"])
        more = message["more_body"]
    if size > limit:
        raise TooLarge(limit)
    return b"".join(pieces)


def deliver(requests: list[Request]) -> None:
    """Pass answered requests to the event loop, all at once."""
    with suppress(RuntimeError):  # the loop has ended, because there were no connections left
        requests[0].waiter.get_loop().call_soon_threadsafe(resolve, requests)


def resolve(requests: list[Request]) -> None:
    """Wake the coroutine that waits for each request."""
    for request in requests:
        request.waiter.set_result(request.response)
    if requests[0].marks is not None:  # log after the responses are written
        asyncio.get_running_loop().call_soon(write_stages, requests)
