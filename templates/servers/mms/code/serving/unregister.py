"""Has Multi Model Server (MMS) forget a model that there was no room for.

MMS answers 507, but keeps the model on its list, with no process, and refuses to load it again with 409. It empties the
module of a handler service whose model did not load, so that this is a module of its own.
"""

import http.client
import os
import threading
import time
from contextlib import suppress
from urllib.parse import quote

import orjson


def start(name: str, port: int) -> None:
    """Starts to wait until MMS has answered 507, in a thread, and returns."""
    threading.Thread(target=run, args=(f"/models/{quote(name, safe='')}", port)).start()


def run(path: str, port: int) -> None:
    """Unregisters the model once MMS has given it up, then ends this process, which may hang in MMS's last steps."""
    for _ in range(1000):
        time.sleep(0.01)
        with suppress(OSError, http.client.HTTPException):
            status, body = call("GET", path, port)
            if status == 200 and orjson.loads(body)["minWorkers"] == 0:
                call("DELETE", path, port)
                break
    os._exit(1)


def call(method: str, path: str, port: int) -> tuple[int, bytes]:
    """Status and body of MMS's answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, response.read()
