"""The upper bound: an ASGI application that reads the body and predicts nothing."""

from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"19")]
BODY = b'{"predictions":[0]}'


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
