"""The handler service of Multi Model Server (MMS), which calls `handle` in a process of its own for each model."""

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
from serving.request import Answer, Request, Stream, StreamBroken, read_request

log = logging.getLogger(__name__)

LAST_WORDS = 1  # seconds in which MMS reads what a process has said; when that ends, it stops listening at once
BUSY = "busy"  # a file of the temporary folder, which is locked while a model is at work

loaded: list[Invoker] = []  # that of the model, once it is loaded


def handle(data: list[Mapping[str, Any]] | None, context: Any) -> list[bytes]:
    """Called by MMS: first without data, to load the model, then with requests, for their answers.

    Raises MemoryError where there is no room for the model, which MMS answers with 507, and SystemExit where it does
    not load, which MMS answers with 500; the log tells why.
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
    """Loads a model. Raises MemoryError and SystemExit."""
    chosen = settings.read(os.environ)
    logs.start(chosen.log_level)
    logs.FIELDS["model"] = name
    logging.getLogger("mms").setLevel(logging.WARNING)  # a line of metrics for each request
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")  # if one has to be killed, then not MMS
    try:
        model = models.load_model(models.import_handler(), folder)
    except StartError as error:
        log.error("%s", error)
        if not isinstance(error.__context__, MemoryError):
            time.sleep(LAST_WORDS)
            raise SystemExit(1) from None
    else:
        if memory.read_free() >= 0:
            return Invoker(model, chosen, join_streams)
        log.error("There is not enough memory for the model.")
    unregister.start(name, chosen.port)
    raise MemoryError


def read(parameters: Mapping[str, Any], headers: Mapping[str, Any]) -> Request:
    """A request as MMS hands it over. A form, which it takes apart itself, has no body any more."""
    texts = {name.lower(): value for name, value in headers.items() if isinstance(value, str)}
    return read_request(bytes(parameters.get("body") or b""), texts.get)


def write(request: Request, context: Any, number: int) -> bytes:
    """Tells MMS status and headers of an answer; its body."""
    answer = request.answer
    assert answer and isinstance(answer.body, bytes)
    context.set_response_status(answer.status, HTTPStatus(answer.status).phrase, number)
    context.set_response_content_type(number, answer.media_type)
    for name, value in answer.headers.items():
        context.set_response_header(number, name, value)
    return answer.body


def join_streams(requests: list[Request]) -> None:
    """Makes one piece of answers that come in pieces: MMS has no others."""
    for request in requests:
        answer = request.answer
        if answer and isinstance(answer.body, Stream):
            try:
                request.answer = Answer(answer.status, b"".join(answer.body), answer.media_type, answer.headers)
            except StreamBroken:
                request.answer = refuse(HandlerFailed())
            finally:
                answer.body.close()
