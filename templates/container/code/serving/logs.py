"""The log, on stderr: one JSON object a line, or plain text when a person runs the server on a terminal.

Lines written while a request is served carry its X-Amzn-SageMaker-Inference-Id, the handler's own lines too.
"""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

current_id: ContextVar[str | None] = ContextVar("inference_id", default=None)


class JsonFormatter(logging.Formatter):
    """One JSON object for a record: time, level, message, then the inference id, `fields` and exception it may have."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
        }
        if inference_id := current_id.get():
            line["id"] = inference_id
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """The same for people: the fields behind the message, an exception on the lines below."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = {"id": current_id.get(), **getattr(record, "fields", {})}
        shown = [f"{name}={value}" for name, value in fields.items() if value is not None]
        return " ".join([super().formatMessage(record), *shown])


def start(level: str = "INFO") -> None:
    """Sends every logger of the process to stderr, from `level` up."""
    text = TextFormatter("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(text if sys.stderr.isatty() else JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)


@contextmanager
def request(inference_id: str | None) -> Iterator[None]:
    """Marks the lines logged inside as this request's."""
    token = current_id.set(inference_id)
    try:
        yield
    finally:
        current_id.reset(token)
