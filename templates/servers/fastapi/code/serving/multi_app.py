"""The web server for many models: SageMaker's multi-model API, on uvicorn, in one process."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from serving.app import App, Methods, Receive, Scope, read_body, resolve
from serving.errors import ServingError
from serving.invocation import refuse
from serving.link import Link
from serving.processes import Child, Supervisor, open_port
from serving.registry import MODELS, Registry, find_route, respond
from serving.request import Response
from serving.server import BACKLOG, serve
from serving.settings import Settings

MAX_LOADS = 64  # concurrent


def run(settings: Settings, control: socket.socket, spawn: Callable[[], object]) -> int:
    """Open the port and serve until SIGTERM. `spawn` runs in the process at the other end of `control`.

    Returns the exit status. Raises StartError if the port is taken.
    """
    listener = open_port(settings.port, BACKLOG)

    def spawner() -> None:
        listener.close()  # otherwise the model processes would keep the port open
        spawn()

    server = Child("server", lambda: serve(MultiApp(settings, control), listener), restart=False)
    layers = [[server], [Child("spawner", spawner, restart=False)]]
    return Supervisor(layers, on_stop=listener.close).run()


class MultiApp(App):
    """The ASGI application. It makes no predictions itself, so that /ping and the API never wait for a model."""

    def __init__(self, settings: Settings, control: socket.socket) -> None:
        self.settings = settings
        self.stopping = False
        self.registry = Registry(control, self.connect)
        self.threads = ThreadPoolExecutor(MAX_LOADS, "models")
        self.routes = {
            "/ping": {"GET": self.ping},
            "/execution-parameters": {"GET": self.execution_parameters},
            "/metrics": {"GET": self.metrics},
            MODELS: {"GET": self.list_models, "POST": self.load},
        }

    def find(self, path: str) -> Methods | None:
        return find_route(self, path)  # type: ignore[no-any-return]

    async def load(self, scope: Scope, receive: Receive) -> Response:
        headers = dict(scope["headers"])
        label = headers.get(b"x-amzn-sagemaker-target-model", b"").decode("latin-1")
        try:
            body = await read_body(receive, 0, self.settings.max_body)
        except ServingError as error:
            return refuse(error)
        return await self.in_thread(self.registry.load, body, label)

    async def unload(self, name: str, scope: Scope, receive: Receive) -> Response:
        return await self.in_thread(self.registry.unload, name)

    async def show(self, name: str, scope: Scope, receive: Receive) -> Response:
        return await self.in_thread(self.registry.show, name)

    async def list_models(self, scope: Scope, receive: Receive) -> Response:
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        return await self.in_thread(self.registry.list_models, query.get("limit", ""), query.get("next_page_token", ""))

    async def in_thread(self, step: Callable[..., Response], *arguments: Any) -> Response:
        """Run a method of the registry in a thread and return its response."""
        self.loop = asyncio.get_running_loop()
        return await self.loop.run_in_executor(self.threads, respond, step, *arguments)

    def connect(self, line: socket.socket, on_lost: Callable[[], object]) -> Link:
        """Create the web server's end of a connection to a model process. Called in a thread."""
        line.setblocking(False)
        link = EventLink(resolve, on_lost, max_bytes=4 * self.settings.max_body)
        link.post = partial(post, self.loop)
        connecting: Coroutine[Any, Any, Any] = self.loop.create_unix_connection(lambda: link, sock=line)
        asyncio.run_coroutine_threadsafe(connecting, self.loop).result()
        return link


class EventLink(Link, asyncio.Protocol):
    """A link that sends and receives in the event loop."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.write = transport.write
        self.hang_up = transport.write_eof

    def data_received(self, data: bytes) -> None:
        self.receive(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.handle_exit()


def post(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *arguments: Any) -> None:
    """Call a function in the event loop's thread."""
    with suppress(RuntimeError):  # the loop has ended
        loop.call_soon_threadsafe(function, *arguments)
