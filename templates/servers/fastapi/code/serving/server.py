"""Configures uvicorn: limits on incoming requests, and a graceful shutdown that loses none."""

import asyncio
import socket
import time
from typing import Any

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

BACKLOG = 2048
KEEP_ALIVE = 75  # seconds; longer than clients keep idle connections, so that the clients close them first
LINGER = 2.0  # seconds that idle connections stay open after SIGTERM, for a request already sent
MAX_ARRIVAL = 60.0  # seconds for a request to arrive; SageMaker allows as much for the response
MAX_HEADERS = 2**16  # bytes


def serve(app: Any, listener: socket.socket) -> None:
    """Serve an ASGI application until SIGTERM. `app.stopping` is then set, so that it closes connections."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    Server(config).run(sockets=[listener])


class Server(uvicorn.Server):
    """uvicorn's server; also drops requests that do not arrive in time and lets idle connections linger at shutdown."""

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # every second
            latest = time.monotonic() - MAX_ARRIVAL
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection) and connection.arriving and connection.arriving < latest:
                    connection.transport.close()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.app.stopping = True  # type: ignore[union-attr]
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        deadline = time.monotonic() + LINGER
        while self.server_state.connections and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)


class JoiningTransport:
    """A transport that sends the head of a response together with its body, which saves a system call and a packet."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.head = b""

    def write(self, data: bytes) -> None:
        self.head += data
        if data[:9] != b"HTTP/1.1 " or data[:12] == b"HTTP/1.1 100":
            self.flush()

    def flush(self) -> None:
        if self.head and not self.transport.is_closing():  # uvloop raises an error, which asyncio does not
            self.transport.write(self.head)
        self.head = b""

    def close(self) -> None:
        self.flush()
        self.transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)


class Connection(HttpToolsProtocol):
    """uvicorn's connection; it also tracks when the current request started to arrive and the size of its headers."""

    arriving: float | None = None  # time.monotonic() when the request started to arrive; None between requests
    in_headers = False
    header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.arriving = time.monotonic()
        self.joined = JoiningTransport(transport)
        super().connection_made(self.joined)  # type: ignore[arg-type]

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.in_headers:
            self.header_bytes += len(data)
            if self.header_bytes > MAX_HEADERS:
                self.refuse(431, "The headers are larger than 64 KB.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.arriving = time.monotonic()
        self.in_headers, self.header_bytes = True, 0

    def on_headers_complete(self) -> None:
        self.in_headers = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self.arriving = None

    def on_response_complete(self) -> None:
        self.joined.flush()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self.refuse(400, "The request is not valid HTTP.")

    def refuse(self, status: int, message: str) -> None:
        """Answer an invalid request and close the connection."""
        body = orjson.dumps({"error": message})
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()
