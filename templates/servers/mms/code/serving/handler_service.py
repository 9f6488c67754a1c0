"""The handler service of Multi Model Server (MMS), which calls `handle` in a separate process for each model."""

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

from serving import logs, memory, models, settings, unregister
from serving.errors import HandlerFailed, StartError
from serving.invocation import Invoker, refuse
from serving.request import Request, Response, Stream, StreamBroken, read_request

log = logging.getLogger(__name__)

FLUSH_SECONDS = 1  # for MMS to read a process's output, which it stops doing as soon as the process ends
BUSY = "busy"  # a file in the temporary folder that is locked while a model answers requests

loaded: list[Invoker] = []  # the invoker of the model, once it is loaded


def handle(data: list[Mapping[str, Any]] | None, context: Any) -> list[bytes]:
    """Called by MMS: first without data, to load the model, then with requests, to answer them.

    Raises MemoryError if the model does not fit in memory, which MMS answers with 507, and SystemExit if it does not
    load, which MMS answers with 500; the reason is in the log.
    """
    if data is None:
        loaded.append(load(context.model_name, Path(context.system_properties["model_dir"])))
        return []
    requests = [read(each, context.get_all_request_header(number)) for number, each in enumerate(data)]
    with Path(tempfile.gettempdir(), BUSY).open() as busy:
        fcntl.flock(busy, fcntl.LOCK_SH)
        loaded[0].run(requests)
    return [write(request, context, number) for number, request in enumerate(requests)]


def load(name: str, folder: Path) -> Invoker:
    """Load a model. Raises MemoryError and SystemExit."""
    chosen = settings.read(os.environ)
    logs.start(chosen.log_level)
    logs.FIELDS["model"] = name
    logging.getLogger("mms").setLevel(logging.WARNING)  # no line of metrics per request
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")  # if out of memory, kill this process rather than MMS
    try:
        model = models.load_model(models.import_handler(), folder)
    except StartError as error:
        log.error("%s", error)
        if not isinstance(error.__context__, MemoryError):
            time.sleep(FLUSH_SECONDS)
            raise SystemExit(1) from None
    else:
        if memory.read_free() >= 0:
            return Invoker(model, chosen, join_streams)
        log.error("There is not enough memory for the model.")
    unregister.start(name, chosen.port)
    raise MemoryError


def read(parameters: Mapping[str, Any], headers: Mapping[str, Any]) -> Request:
    """Convert a request from MMS. The body of a form is empty, because MMS parses forms itself."""
    texts = {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
    return read_request(bytes(parameters.get("body") or b""), texts.get)


def write(request: Request, context: Any, number: int) -> bytes:
    """Set status and headers of a response in the MMS context. Return its body."""
    response = request.response
    assert response and isinstance(response.body, bytes)
    context.set_response_status(response.status, HTTPStatus(response.status).phrase, number)
    context.set_response_content_type(number, response.media_type)
    for name, value in response.headers.items():
        context.set_response_header(number, name, value)
    return response.body


def join_streams(requests: list[Request]) -> None:
    """Join the pieces of streamed responses: MMS does not support streaming."""
    for request in requests:
        response = request.response
        if response and isinstance(response.body, Stream):
            try:
                request.response = Response(
                    response.status, b"".join(response.body), response.media_type, response.headers
                )
            except StreamBroken:
                request.response = refuse(HandlerFailed())
            finally:
                response.body.close()
