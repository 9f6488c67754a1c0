"""The log, on stderr: one JSON object per line, or plain text on a terminal.

Lines logged during a request, including the handler's own, carry its X-Amzn-SageMaker-Inference-Id.
"""

import logging
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from datetime import datetime, timezone

import orjson

from serving.request import CURRENT, Request, Stream

log = logging.getLogger("serving")

FIELDS: dict[str, str] = {}  # added to every line of this process


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object: time, level, message, and the inference id and exception if there are any."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"time": to_iso(record.created), "level": record.levelname, "message": record.getMessage(), **FIELDS}
        request = CURRENT.get()
        if request and request.inference_id:
            line["id"] = request.inference_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return to_json(line)


def start(level: str = "INFO") -> None:
    """Log to stderr at `level` and above, for all loggers of the process."""
    text = logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(text if sys.stderr.isatty() else JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)


def write_requests(requests: Iterable[Request]) -> None:
    """Log one line per answered request."""
    if log.isEnabledFor(logging.INFO):
        write_lines("INFO", "invocation", map(describe, requests))


def write_lines(level: str, message: str, lines: Iterable[Mapping[str, object]]) -> None:
    """Log several lines. As JSON they bypass the logging module: it takes longer than a small model's prediction."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and isinstance(handler.formatter, JsonFormatter):
            start = {"time": to_iso(time.time()), "level": level, "message": message, **FIELDS}
            texts = [to_json({**start, **line}) + "\n" for line in lines]
            with handler.lock or nullcontext():
                handler.stream.write("".join(texts))
                handler.flush()
            return
    for line in lines:
        log.log(logging.getLevelName(level), "%s %s", message, " ".join(f"{name}={line[name]}" for name in line))


def describe(request: Request) -> dict[str, object]:
    """Return the log fields of a request, without its contents."""
    fields: dict[str, object] = {"id": request.inference_id} if request.inference_id else {}
    if response := request.response:
        fields["status"] = response.status
        fields["ms"] = round((time.perf_counter() - request.received) * 1000, 2)
        fields["batch_requests"] = request.batch_requests
        fields["bytes_in"] = len(request.body)
        fields["bytes_out"] = response.body.size if isinstance(response.body, Stream) else len(response.body)
    return fields


def to_iso(seconds: float) -> str:
    """Return a time in UTC, to the millisecond."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")


def to_json(line: Mapping[str, object]) -> str:
    """Return a log line."""
    return orjson.dumps(line, default=str).decode()
