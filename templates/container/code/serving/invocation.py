"""One request: bytes to content to the handler and back. Every web server calls `invoke`, on a thread."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from serving import content, logs
from serving.errors import HandlerFailed, Overloaded, ServingError
from serving.models import Model
from serving.settings import Settings

log = logging.getLogger(__name__)

INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"


class Headers(Protocol):
    """The headers of a request; names in any case."""

    def get(self, key: str, /) -> str | None: ...


@dataclass(frozen=True)
class Answer:
    """What goes back to the client."""

    status: int
    body: bytes
    media_type: str = content.JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def invoke(model: Model, settings: Settings, body: bytes, headers: Headers) -> Answer:
    """Answers one POST /invocations. Never raises: what goes wrong is an answer too. A bug's story goes to the log."""
    started = time.perf_counter()
    with logs.request(headers.get(INFERENCE_ID)):
        try:
            answer = predict(model, settings, body, headers)
        except ServingError as error:
            answer = refuse(error)
        except (Exception, SystemExit):  # sys.exit() in a handler must not end the server
            log.exception("The handler failed.")
            answer = refuse(HandlerFailed())
        log_answer(answer, len(body), started)
    return answer


def predict(model: Model, settings: Settings, body: bytes, headers: Headers) -> Answer:
    """The good way through. Raises ServingError for the client's errors, anything for the handler's."""
    media_type = content.choose_answer(headers.get("Accept"), settings.default_accept)
    records = content.decode(body, headers.get("Content-Type"))
    outputs = model.predict(model.decode(records))
    return Answer(200, content.encode(model.encode(outputs), media_type), media_type)


def refuse(error: ServingError) -> Answer:
    """The answer for an error: {"error": "..."}."""
    headers = {"Retry-After": "1"} if isinstance(error, Overloaded) else {}
    return Answer(error.status, orjson.dumps({"error": str(error)}), headers=headers)


def log_answer(answer: Answer, bytes_in: int, started: float) -> None:
    """One line a request: no payload, and for a refusal its reason."""
    fields = {
        "status": answer.status,
        "ms": round((time.perf_counter() - started) * 1000, 2),
        "bytes_in": bytes_in,
        "bytes_out": len(answer.body),
    }
    log.info("invocation", extra={"fields": fields})
