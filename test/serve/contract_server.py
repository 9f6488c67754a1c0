"""A server that meets the whole contract, or breaks it in exactly one way: `contract_server.py --break RULE`.

It needs only Python, so that it can also run in an image, where the environment variable BREAK is used instead of the
option. The model is model.json in SM_MODEL_DIR, {"weights": [...]}; a prediction is the weighted sum of a record.
"""

import ast
import csv
import json
import math
import os
import pickle
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MB = 2**20
JSON, CSV, JSON_LINES, NPY = "application/json", "text/csv", "application/jsonlines", "application/x-npy"
KEYS = ("instances", "inputs", "features", "input", "data")

BREAKS = {  # a way to break the contract -> a part of the rule that finds it
    "ping-refused": "/ping returns 200",
    "ping-slow": "/ping returns 200",
    "accepts-one": "accepted within 250 ms",
    "predictions-named-otherwise": "sample request",
    "predictions-too-many": "sample request",
    "sample-refused": "sample request",
    "parameters-missing": "/execution-parameters",
    "parameters-as-text": "/execution-parameters",
    "parameters-too-many": "/execution-parameters",
    "one-key": "several records",
    "no-bare-array": "several records",
    "no-single-record": "a single record",
    "content-type-exact": "parameters of Content-Type",
    "content-type-needed": "without Content-Type",
    "csv-strict": "text/csv with spaces",
    "csv-unknown": "text/csv with spaces",
    "json-lines-unknown": "application/jsonlines gets the same",
    "npy-unknown": "application/x-npy gets the same",
    "npy-transposed": "application/x-npy gets the same",
    "npy-objects-welcome": "npy file with Python objects",
    "npy-objects-run": "npy file with Python objects",
    "headers-refused": "X-Amzn-SageMaker headers",
    "half-the-size": "a body of 25 MB",
    "any-size": "over 25 MB",
    "malformed-is-500": "malformed JSON",
    "empty-is-500": "empty body",
    "any-shape": "wrong length",
    "shape-untold": "wrong length",
    "any-content-type": "unknown Content-Type",
    "any-accept": "unsupported Accept",
    "error-as-text": "each of these errors",
    "error-with-stack": "each of these errors",
    "error-with-path": "each of these errors",
    "error-with-exception": "each of these errors",
    "accept-exact": "Accept: */*",
    "accept-first": "q-values",
    "csv-header": "text/csv gets",
    "csv-is-json": "text/csv gets",
    "json-lines-in-one": "Accept: application/jsonlines gets",
    "npy-zeros": "Accept: application/x-npy gets",
    "no-newline": "end in a newline",
    "closes-connections": "stays open",
    "no-chunks": "chunked body",
    "mixes-answers": "their own response",
    "ping-waits": "while 32 clients send",
    "one-at-a-time": "slowly",
    "metrics-untyped": "GET /metrics",
    "metrics-malformed": "GET /metrics",
    "metrics-twice": "GET /metrics",
    "metrics-fail": "GET /metrics",
    "metrics-standstill": "GET /metrics",
    "noise-kills": "leave the server working",
    "noise-is-500": "not HTTP get a 4xx",
    "needs-root": "docker run IMAGE serve",
    "sigterm-ignored": "SIGTERM ends it",
    "sigterm-status": "SIGTERM ends it",
    "port-fixed": "SAGEMAKER_BIND_TO_PORT",
    "writes": "writes",
    "sigterm-drops": "in flight",
    "batch-limit": "SAGEMAKER_BATCH",
    "no-model-serves": "without a model",
    "no-model-is-fine": "without a model",
    "no-model-traceback": "without a model",
    "spoiled-model-serves": "broken model",
}
CONTAINER_BREAKS = [*BREAKS][[*BREAKS].index("needs-root") :]  # only visible in a container


class Refused(Exception):
    """An error to answer a request with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


how = os.environ.get("BREAK", "")
weights: list[float] = []
latest: list[Any] = []
served: list[None] = []  # one entry per request
at_work: list[object] = []  # handlers of running requests
turn = threading.Lock()
stopping = threading.Event()


def broken(name: str) -> bool:
    """Whether to break the contract in this way."""
    return how == name


def decode(body: bytes, content_type: str | None) -> list[Any]:
    """Decode the records of a body."""
    if content_type is None and broken("content-type-needed"):
        raise Refused(415, "A Content-Type is needed.")
    media_type = (content_type or JSON).partition(";")[0].strip().lower()
    known = media_type in DECODERS and how != UNKNOWN.get(media_type)
    if not known or (broken("content-type-exact") and content_type not in (None, media_type)):
        if not broken("any-content-type"):
            raise Refused(415, f"Content-Type {media_type} is not supported.")
        media_type = JSON
    if not body.strip():
        raise Refused(500 if broken("empty-is-500") else 400, "The body is empty.")
    return DECODERS[media_type](body)


def from_json(body: bytes) -> list[Any]:
    try:
        value = json.loads(body)
    except ValueError:
        raise Refused(500 if broken("malformed-is-500") else 400, "The body is not JSON.") from None
    if isinstance(value, dict):
        keys = [key for key in (KEYS[:1] if broken("one-key") else KEYS) if key in value]
        if not keys:
            raise Refused(400, "The object has no records.")
        value = value[keys[0]]
    elif broken("no-bare-array"):
        raise Refused(400, "The body is no object.")
    if isinstance(value[0], list):
        return list(value)
    if broken("no-single-record"):
        raise Refused(400, "The records are no lists.")
    return [value]


def from_csv(body: bytes) -> list[Any]:
    if broken("csv-strict") and (b" " in body or b"\r" in body):
        raise Refused(400, "The body is not csv.")
    return [[float(field) for field in row] for row in csv.reader(body.decode().splitlines()) if row]


def from_json_lines(body: bytes) -> list[Any]:
    return [json.loads(line) for line in body.splitlines() if line.strip()]


def from_npy(body: bytes) -> list[Any]:
    (length,) = struct.unpack_from("<H", body, 8)
    header = ast.literal_eval(body[10 : 10 + length].decode())
    if header["descr"] == "|O":
        if broken("npy-objects-run"):
            pickle.loads(body[10 + length :])
        if broken("npy-objects-welcome"):
            return [weights]
        raise Refused(400, "The array does not hold numbers.")
    rows, columns = header["shape"]
    numbers = struct.unpack(f"<{rows * columns}d", body[10 + length :])
    if broken("npy-transposed"):
        return [list(numbers[row::rows]) for row in range(rows)]
    return [list(numbers[row * columns : (row + 1) * columns]) for row in range(rows)]


def predict(records: list[Any]) -> list[float]:
    """Return the weighted sum of each record."""
    for record in records:
        if len(record) != len(weights) and not broken("any-shape"):
            expected = "others" if broken("shape-untold") else f"{len(weights)} features per record"
            raise Refused(400, f"Expected {expected}, got {len(record)}.")
    if broken("mixes-answers"):
        latest[:] = records
        time.sleep(0.02)
        records = list(latest)
    if broken("ping-waits"):
        time.sleep(0.05)
    return [math.fsum(weight * value for weight, value in zip(weights, record, strict=False)) for record in records]


def choose_response_type(accept: str | None) -> str:
    """Choose the media type that Accept prefers."""
    if accept is None or (accept == "*/*" and not broken("accept-exact")):
        return JSON
    liked = []
    for entry in accept.split(","):
        media_type, _, quality = (part.strip() for part in entry.partition(";q="))
        if media_type in ENCODERS:
            liked.append((1.0 if broken("accept-first") else float(quality or 1), media_type))
    if not liked:
        if broken("any-accept"):
            return JSON
        raise Refused(406, "No such answer.")
    return max(liked, key=lambda each: each[0])[1]


def to_json(predictions: list[float]) -> bytes:
    if broken("predictions-too-many"):
        predictions = [*predictions, 0.0]
    return json.dumps({"results" if broken("predictions-named-otherwise") else "predictions": predictions}).encode()


def to_csv(predictions: list[float]) -> bytes:
    header = ["prediction"] if broken("csv-header") else []
    return "\n".join([*header, *map(str, predictions)]).encode()


def to_json_lines(predictions: list[float]) -> bytes:
    if broken("json-lines-in-one"):
        return json.dumps(predictions).encode()
    return "\n".join(map(str, predictions)).encode()


def to_npy(predictions: list[float]) -> bytes:
    header = str({"descr": "<f8", "fortran_order": False, "shape": (len(predictions),)}).encode() + b"\n"
    numbers = [0.0] * len(predictions) if broken("npy-zeros") else predictions
    data = struct.pack(f"<{len(numbers)}d", *numbers)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


DECODERS: dict[str, Callable[[bytes], list[Any]]] = {
    JSON: from_json,
    CSV: from_csv,
    JSON_LINES: from_json_lines,
    NPY: from_npy,
}
ENCODERS: dict[str, Callable[[list[float]], bytes]] = {
    JSON: to_json,
    CSV: to_csv,
    JSON_LINES: to_json_lines,
    NPY: to_npy,
}
UNKNOWN = {CSV: "csv-unknown", JSON_LINES: "json-lines-unknown", NPY: "npy-unknown"}
PARAMETERS = {"MaxConcurrentTransforms": 2, "BatchStrategy": "MultiRecord", "MaxPayloadInMB": 6}
LEAKS = {
    "error-with-stack": "Traceback (most recent call last)",
    "error-with-path": "See /opt/program/model.",
    "error-with-exception": "ValueError: bad",
}


class Handler(BaseHTTPRequestHandler):
    """Handles a connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with turn if broken("one-at-a-time") else nullcontext(), suppress(OSError):
            super().handle()

    def do_GET(self) -> None:
        if self.path == "/ping":
            if broken("ping-slow") or (broken("ping-waits") and len(at_work) > 16):
                time.sleep(2.5)
            self.answer(500 if broken("ping-refused") else 200, b"")
        elif self.path == "/execution-parameters" and not broken("parameters-missing"):
            parameters = {
                name: str(value) if broken("parameters-as-text") else value for name, value in PARAMETERS.items()
            }
            if broken("parameters-too-many"):
                parameters["MaxConcurrentTransforms"] = 17  # x 6 MB = 102 MB
            self.answer(200, json.dumps(parameters).encode())
        elif self.path == "/metrics":
            self.show_metrics()
        else:
            self.answer(404, b'{"error": "No such route."}')

    def show_metrics(self) -> None:
        lines = ["# HELP requests_total Served.", "# TYPE requests_total counter"]
        lines += [f'requests_total{{path="/\\"{{x}}\\\\",}} {len(served)}', "up 1 1700000000000", "", "least NaN"]
        if broken("metrics-malformed"):
            lines.append('requests_total{path="/} 5')
        if broken("metrics-twice"):
            lines.append("up 2")
        media_type = "text/plain" if broken("metrics-untyped") else "text/plain; version=0.0.4; charset=utf-8"
        self.answer(500 if broken("metrics-fail") else 200, "\n".join([*lines, ""]).encode(), media_type)

    def do_POST(self) -> None:
        at_work.append(self)
        try:
            self.invoke()
        except Refused as error:
            text = LEAKS.get(how, str(error))
            self.answer(
                error.status, text.encode() if broken("error-as-text") else json.dumps({"error": text}).encode()
            )
        finally:
            at_work.remove(self)

    def invoke(self) -> None:
        body = self.read_body()
        if broken("sample-refused"):
            raise Refused(400, "Not today.")
        if broken("headers-refused") and self.headers["X-Amzn-SageMaker-Unknown"]:
            raise Refused(400, "What is this header?")
        if not broken("metrics-standstill"):
            served.append(None)
        media_type = choose_response_type(self.headers["Accept"])
        content = ENCODERS[media_type](predict(decode(body, self.headers["Content-Type"])))
        if media_type != NPY and not broken("no-newline"):
            content += b"\n"
        self.answer(200, content, JSON if broken("csv-is-json") and media_type == CSV else media_type)

    def read_body(self) -> bytes:
        """Read the whole body, chunked or not, even if too large: clients read the answer only after sending it."""
        if self.headers["Transfer-Encoding"] == "chunked" and not broken("no-chunks"):
            body = b"".join(self.read_chunks())
        else:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        limit = 25 * MB
        if os.environ.get("SAGEMAKER_BATCH") == "true" and not broken("batch-limit"):
            limit = 100 * MB
        if len(body) > (limit // 2 if broken("half-the-size") else limit) and not broken("any-size"):
            raise Refused(413, "The body is too large.")
        return body

    def read_chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def answer(self, status: int, content: bytes, media_type: str = JSON) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        if stopping.is_set() or broken("closes-connections"):
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(content)

    def send_error(self, code: int, *_: object) -> None:
        """Answer invalid HTTP."""
        if broken("noise-kills"):
            os._exit(3)
        self.close_connection = True
        if broken("noise-is-500"):
            code, self.request_version = 500, "HTTP/1.1"
        self.answer(code, b'{"error": "This is not HTTP."}')

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def process_request(self, request: Any, client_address: Any) -> None:
        if broken("accepts-one"):
            self.finish_request(request, client_address)
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)


def load_model(folder: Path) -> None:
    """Load the weights. Exit with an error message if there is no model."""
    file = folder / "model.json"
    if file.exists():
        try:
            weights[:] = json.loads(file.read_text())["weights"]
        except ValueError:
            if not broken("spoiled-model-serves"):
                sys.exit(f"The model in {folder} cannot be read.")
            weights[:] = [1.0]
    elif broken("no-model-traceback"):
        file.read_text()
    elif broken("no-model-is-fine"):
        sys.exit(0)
    elif not broken("no-model-serves"):
        sys.exit(f"There is no model in {folder}.")


def stop(server: Server) -> None:
    """Finish running requests and stop."""
    if broken("sigterm-drops"):
        os._exit(0)
    if broken("sigterm-status"):
        os._exit(143)
    stopping.set()
    server.shutdown()


def main() -> int:
    load_model(Path(os.environ.get("SM_MODEL_DIR", "/opt/ml/model")))
    if broken("needs-root"):
        Path("/var/needs-root").touch()
    if broken("writes"):
        with suppress(OSError):
            Path("/var/written").touch()
    port = 8080 if broken("port-fixed") else int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    if broken("accepts-one"):
        Server.request_queue_size = 0
    if broken("sigterm-ignored"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with Server(("0.0.0.0", port), Handler) as server:
        if not broken("sigterm-ignored"):
            signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=stop, args=[server]).start())
        server.serve_forever(poll_interval=0.05)
    time.sleep(1)  # requests sent before may still be arriving
    while at_work:
        time.sleep(0.01)
    return 0


if __name__ == "__main__":
    if "--break" in sys.argv:
        how = sys.argv[sys.argv.index("--break") + 1]
    if how and how not in BREAKS:
        sys.exit(f"{how} is none of {', '.join(BREAKS)}")
    sys.exit(main())
