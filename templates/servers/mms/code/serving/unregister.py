"""Unregisters a model that did not fit in memory from Multi Model Server (MMS).

MMS answers 507, but keeps the model registered, without a process, and then refuses to load it again with 409. This is
a separate module because MMS clears the module of a handler service whose model did not load.
"""

import http.client
import os
import threading
import time
from contextlib import suppress
from urllib.parse import quote

import orjson


def start(name: str, port: int) -> None:
    """Unregister the model in a thread, once MMS has answered 507."""
    threading.Thread(target=run, args=(f"/models/{quote(name, safe='')}", port)).start()


def run(path: str, port: int) -> None:
    """Unregister the model once MMS has given up on it, then end this process, which could hang in MMS's shutdown."""
    for _ in range(1000):
        time.sleep(0.01)
        with suppress(OSError, http.client.HTTPException):
            status, body = call("GET", path, port)
            if status == 200 and orjson.loads(body)["minWorkers"] == 0:
                call("DELETE", path, port)
                break
    os._exit(1)


def call(method: str, path: str, port: int) -> tuple[int, bytes]:
    """Call MMS. Return status and body of its response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, response.read()
