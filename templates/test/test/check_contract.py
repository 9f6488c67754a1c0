#!/usr/bin/env python3
"""Check a server or an image against the SageMaker container contract. Prints one line per rule: pass or fail.

URL is a running server, such as http://127.0.0.1:8080. With --image, the container is started as SageMaker starts it,
docker run IMAGE serve, but read-only and as an unprivileged user, and the rules about the container are checked, too.

The last line of stdout is "N passed, N failed". The exit status is 0 if all passed, 1 if any failed, 2 for incorrect
usage. Needs Python 3.9 or newer and, for --image, Docker. Does not need AWS.
"""

from __future__ import annotations

import argparse
import ast
import csv
import json
import math
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, NamedTuple

NAME = "test/check_contract.py"
PROJECT = Path(__file__).resolve().parents[1]
SAMPLE_REQUEST = str(PROJECT / "test/sample_request.json")
Rule = Callable[[Any], object]  # checks a Server or an Image; raises ContractError

MB = 2**20
JSON, CSV, JSON_LINES, NPY = "application/json", "text/csv", "application/jsonlines", "application/x-npy"
KEYS = ("instances", "inputs", "features", "input", "data")


class ContractError(Exception):
    """A rule is broken. The message says what was seen and what is expected."""


class Timeout(ContractError):
    """There was no response in time."""


def require(condition: object, fault: str) -> bool:
    if not condition:
        raise ContractError(fault)
    return True


class Reply(NamedTuple):
    """A response, with a summary of its request."""

    request: str
    status: int
    media_type: str
    body: bytes
    seconds: float
    stays_open: bool
    parameters: str  # of the media type

    def __str__(self) -> str:
        return f"{self.request} got {self.status} {self.media_type} {shorten(self.body, 200)}"

    def expect(self, status: int, media_type: str = "") -> Reply:
        """Return the reply itself, if it has this status and media type."""
        good = self.status == status and media_type in ("", self.media_type)
        require(good, f"{self}; expected {status} {media_type}".rstrip())
        return self

    def json(self) -> dict[str, Any]:
        """Return the JSON object in the body."""
        with suppress(ValueError):
            if self.media_type == JSON and isinstance(value := json.loads(self.body), dict):
                return value
        raise ContractError(f"{self}; expected a JSON object, as {JSON}")

    def expect_predictions(self, expected: list[Any]) -> None:
        """Expect these predictions: a list of values for each record."""
        require(are_close(self.predictions(), expected), f"{self}; expected {str(expected)[:200]}")

    def predictions(self) -> list[Any]:
        with suppress(Exception):  # readers raise many exceptions
            return [flatten(prediction) for prediction in READERS[self.expect(200).media_type](self.body)]
        raise ContractError(f'{self}; expected predictions, such as {{"predictions": [...]}} in JSON')


def shorten(body: bytes, length: int) -> str:
    """Return the beginning of a body on one line."""
    text = body[: length + 1].decode(errors="replace")
    return repr(text if len(text) <= length else f"{text[:length]}...")


def send(address: tuple[str, int], limit: float, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
    """Send one request. Raises Timeout if the whole response has not arrived within `limit` seconds."""
    started = time.monotonic()

    def cut() -> None:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    watchdog = threading.Timer(limit, cut)
    try:
        with closing(HTTPConnection(*address, timeout=limit)) as connection:
            connection.connect()
            sock = connection.sock
            watchdog.start()
            with suppress(ConnectionError):  # rejected before all was sent: there can still be a response
                connection.request(method, path, body, headers)
            response = connection.getresponse()
            content = response.read()
    except (OSError, HTTPException) as error:
        if time.monotonic() < started + limit:
            raise ContractError(f"{method} {path} got no response: {error or type(error).__name__}") from None
    finally:
        watchdog.cancel()
    seconds = time.monotonic() - started
    if seconds >= limit:  # without a length, a cut connection looks like the end of the body
        raise Timeout(f"{method} {path} got no response within {limit:g} s")
    request = " ".join([method, path, *headers.values(), *([shorten(body, 40)] if body else [])])
    media_type, _, parameters = response.headers.get("Content-Type", "").lower().partition(";")
    return Reply(request, response.status, media_type.strip(), content, seconds, not response.will_close, parameters)


class Server:
    """The server to check, and the sample request: its body and its records."""

    def __init__(self, address: tuple[str, int], body: bytes, container: str = "", port: int = 8080) -> None:
        """Raises ValueError if the body is not a JSON request."""
        self.address, self.body, self.container, self.port = address, body, container, port
        value = json.loads(body)
        self.others = dict(value) if isinstance(value, dict) else {"instances": value}  # besides the records
        self.key = next((key for key in KEYS if key in self.others), "instances")
        found = self.others.pop(self.key, [])
        several = isinstance(found, list) and all(isinstance(record, (list, dict, str)) for record in found)
        self.records: list[Any] = found if several else [found]
        if not self.records:
            raise ValueError("There are no records.")
        self.tabular = not self.others and all(isinstance(each, list) and are_numbers(each) for each in self.records)
        self.limit = 60.0  # seconds (SageMaker: /invocations)
        self.errors: list[Reply] = []

    def write(self, records: list[Any], key: str = "") -> bytes:
        """Return the sample request with other records or under another key."""
        return json.dumps({key or self.key: records, **self.others}).encode()

    def get(self, path: str) -> Reply:
        """SageMaker: /ping returns 200 within 2 s."""
        return send(self.address, 2, "GET", path).expect(200)

    def post(self, body: bytes, content_type: str = JSON, **headers: str) -> Reply:
        """POST /invocations; without a Content-Type if that is empty."""
        typed = {"Content-Type": content_type} if content_type else {}
        try:
            reply = send(self.address, self.limit, "POST", "/invocations", body, **typed, **headers)
        except Timeout:
            self.limit = min(5.0, self.limit)  # wait less for a server that has hung once
            raise
        if reply.status >= 400:
            self.errors.append(reply)
        return reply

    @cached_property
    def predictions(self) -> list[Any]:
        """The predictions of the sample request, one per record."""
        reply, count = self.post(self.body), len(self.records)
        require(len(reply.predictions()) == count, f"{reply}; expected {count} predictions")
        return reply.predictions()

    def agree(self, body: bytes, media_type: str = JSON, **extra: str) -> None:
        """Expect the predictions of the sample request for an equivalent request."""
        self.post(body, media_type, **extra).expect(200, extra.get("Accept", JSON)).expect_predictions(self.predictions)

    def is_alive(self) -> bool:
        """Return whether it responds to /ping, even with an error. A worker that died has 2 seconds to restart."""
        for pause in (0, 2):
            time.sleep(pause)
            with suppress(Exception):
                return bool(send(self.address, 5, "GET", "/ping"))
        return False


def read_npy(body: bytes) -> list[Any]:
    """Return the rows of a file that numpy.save wrote. Raises many exceptions if it does not contain numbers."""
    start = 10 + int.from_bytes(body[8:10], "little")
    header = ast.literal_eval(body[10:start].decode())
    kinds = {"f8": "d", "f4": "f", "i8": "q", "i4": "i", "u1": "B", "b1": "?"}  # NumPy's type -> struct's
    kind = header["descr"][0].replace("|", "<") + kinds[header["descr"][1:]]
    numbers = [number for (number,) in struct.iter_unpack(kind, body[start:])]
    rows = header["shape"][0]
    if header["fortran_order"]:
        return [numbers[row::rows] for row in range(rows)]
    columns = len(numbers) // rows
    return [numbers[row * columns :][:columns] for row in range(rows)]


def write_npy(kind: str, shape: tuple[int, ...], data: bytes) -> bytes:
    """Encode as numpy.save does: magic and version, the length of the header (118), the header, the data."""
    header = str({"descr": kind, "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00v\x00" + header.encode() + data


def flatten(value: Any) -> list[Any]:
    """Return the values in nested lists and objects, in order."""
    items = list(value.values()) if isinstance(value, dict) else value
    return [inner for item in items for inner in flatten(item)] if isinstance(items, list) else [value]


def are_numbers(value: Any) -> bool:
    return all(isinstance(number, (int, float)) for number in flatten(value))


def are_close(one: Any, other: Any) -> bool:
    """Return whether predictions are equal except for the last digits. In CSV, numbers are strings."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(are_close, one, other))
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-5, abs_tol=1e-8)
    except (TypeError, ValueError):
        return str(one).lower() == str(other).lower()


CLIENTS = 32
READERS: dict[str, Callable[[bytes], Any]] = {  # media type -> a function that returns the predictions in a body
    JSON: lambda body: json.loads(body)["predictions"],
    CSV: lambda body: csv.reader(body.decode().splitlines(keepends=True)),
    JSON_LINES: lambda body: map(json.loads, body.splitlines()),
    NPY: read_npy,
}
# "SageMaker:" marks the requirements of SageMaker; the rest is what clients rely on.
HEADERS = {f"X-Amzn-SageMaker-{name}": "7" for name in ("Custom-Attributes", "Inference-Id", "Unknown")}
ANY_CASE = "Application/JSON; charset=UTF-8"
ACCEPT = "application/json;q=0.5, image/png, text/csv;q=0.9"
PICKLE = b"ctime\nsleep\n(F2\ntR."  # harmless: a server that loads it sleeps for 2 seconds and is detected
LEAK = re.compile(r'Traceback|File "|site-packages|\.py\b|/opt/|\b[A-Z]\w*(?:Error|Exception)\b')
SAMPLE = re.compile(r'(?ai)([a-z_:][\w:]*(?:{(?:[a-z_]\w*="(?:[^"\\]|\\.)*",?)*})?) +(\S+)(?: +-?\d+)?')
HEAD = b"POST /invocations HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\nContent-Length: 99\r\n"


def accept_connections(server: Server) -> None:
    """SageMaker: a container accepts a socket within 250 ms."""
    with ExitStack() as opened:
        for _ in range(CLIENTS):
            opened.enter_context(socket.create_connection(server.address, timeout=0.25))


def return_execution_parameters(server: Server) -> None:
    """SageMaker: batch transform requests these first, and has at most 100 MB in flight."""
    parameters = (reply := server.get("/execution-parameters")).json()
    numbers: list[Any] = [parameters.get(name) for name in ("MaxConcurrentTransforms", "MaxPayloadInMB")]
    good = all(type(number) is int and number > 0 for number in numbers)
    good = good and parameters.get("BatchStrategy") in ("MultiRecord", "SingleRecord")
    require(good, f"{reply}; expected MaxConcurrentTransforms, MaxPayloadInMB and MultiRecord or SingleRecord")
    require(math.prod(numbers) <= 100, f"{reply}; expected MaxConcurrentTransforms x MaxPayloadInMB <= 100")


def accept_all_keys(server: Server) -> None:
    for key in KEYS:
        server.agree(server.write(server.records, key))
    if not server.others:
        server.agree(json.dumps(server.records).encode())


def accept_single_record(server: Server) -> None:
    record = server.records[0]
    for body in (record, *({key: record} for key in KEYS)):
        server.post(json.dumps(body).encode()).expect_predictions(server.predictions[:1])


def accept_npy(server: Server) -> None:
    numbers = flatten(server.records)
    shape = len(server.records), len(server.records[0])
    server.agree(write_npy("<f8", shape, struct.pack(f"<{len(numbers)}d", *numbers)), NPY)


def reject_pickle(server: Server) -> None:
    reply = server.post(write_npy("|O", (1,), PICKLE), NPY)
    require(reply.seconds < 2, f"{reply} after {reply.seconds:.1f} s: it ran the code in the file; expected 400")
    require(400 <= reply.status < 500, f"{reply}; expected 400")


def reject_shape(server: Server) -> None:
    reply = server.post(server.write([[*record, 0] for record in server.records])).expect(400)
    width = str(len(server.records[0]))
    require(width in str(reply.body), f"{reply}; expected the error to contain the number of features, {width}")


def check_errors(server: Server) -> None:
    """Check the error responses that the previous rules received."""
    for reply in server.errors:
        body = reply.json()
        require(list(body) == ["error"] and isinstance(body["error"], str), f'{reply}; expected {{"error": "..."}}')
        leak = LEAK.search(body["error"])
        require(not leak, f"{reply}; expected no {leak and leak[0]!r} in it")


def return_npy(server: Server) -> None:
    has_names = any(isinstance(each, dict) for each in server.post(server.body).json()["predictions"])
    if are_numbers(server.predictions) and not has_names:
        server.agree(server.body, Accept=NPY)


def end_in_newline(server: Server) -> None:
    """SageMaker: batch transform concatenates the responses."""
    for media_type in (JSON, CSV, JSON_LINES):
        reply = server.post(server.body, Accept=media_type).expect(200)
        require(reply.body.endswith(b"\n"), f"{reply}, which ends in {reply.body[-1:]!r}")


def answer_concurrently(server: Server) -> None:
    """Send requests with one record, two, three ...: first one by one, then all at once."""
    bodies = [server.write((server.records * 16)[:count]) for count in range(1, 17)]
    alone = [server.post(body).predictions() for body in bodies]
    with ThreadPoolExecutor(len(bodies)) as clients:
        for count, reply in enumerate(clients.map(server.post, bodies)):
            reply.expect_predictions(alone[count])


def ping_under_load(server: Server) -> None:
    with ThreadPoolExecutor(CLIENTS) as clients:
        requests = [clients.submit(server.post, server.body) for _ in range(4 * CLIENTS)]
        while not all(request.done() for request in requests):
            server.get("/ping")


def tolerate_slow_clients(server: Server) -> None:
    with ExitStack() as opened:
        for number in range(CLIENTS):
            slow = opened.enter_context(socket.create_connection(server.address, timeout=2))
            slow.sendall(HEAD if number % 2 else HEAD + b'\r\n{"instances"')
        server.get("/ping")
        server.agree(server.body)


def read_metrics(server: Server) -> dict[str, float]:
    """Return the samples by name and labels, or none if there is no such page. SageMaker: scrapes it if enabled."""
    reply = send(server.address, 5, "GET", "/metrics")
    if reply.status == 404:
        return {}
    typed = "version=0.0.4" in reply.expect(200, "text/plain").parameters
    require(typed, f"{reply}; expected text/plain; version=0.0.4")
    lines = [line for line in reply.body.decode().splitlines() if line.strip() and line[0] != "#"]
    samples = [require_sample(line) for line in lines]
    require(len(dict(samples)) == len(samples), f"{reply}; expected each sample once")
    return dict(samples)


def require_sample(line: str) -> tuple[str, float]:
    with suppress(ValueError):
        if found := SAMPLE.fullmatch(line.strip()):
            return found[1], float(found[2])
    raise ContractError(f'GET /metrics has a line {line[:80]!r}; expected NAME{{LABEL="TEXT"}} NUMBER')


def count_requests(server: Server) -> None:
    before = read_metrics(server)
    for _ in range(7):
        server.agree(server.body)
    grown = [name for name, value in read_metrics(server).items() if value - before.get(name, 0) >= 7]
    good = any(re.search("_(total|count)({|$)", name) for name in grown)
    require(good or not before, "GET /metrics has no counter that increased by 7 after 7 requests")


def send_noise(server: Server) -> list[bytes]:
    """Send bytes that are not HTTP and return the responses, if any."""
    responses = []
    for noise in (b"\x16\x03\x01\x02\x00\x01\x00\x01", b"\x00\xff" * 10_000 + b"\r\n\r\n", b"GET\r\n\r\n"):
        with suppress(OSError), socket.create_connection(server.address, timeout=1) as connection:
            connection.sendall(noise)
            connection.shutdown(socket.SHUT_WR)
            responses.append(connection.recv(100))
    return responses


TABULAR: dict[str, Rule] = {  # for records that are lists of numbers
    "a single record is accepted under each key and bare": accept_single_record,
    "text/csv with spaces, CRLF and parameters gets the same predictions as JSON": lambda s: s.agree(
        "".join(" , ".join(map(str, record)) + "\r\n" for record in s.records).encode(),
        "Text/CSV; charset=UTF-8; header=absent",
    ),
    "application/jsonlines gets the same predictions as JSON": lambda s: s.agree(
        "".join(f"{json.dumps(record)}\n" for record in s.records).encode(), JSON_LINES
    ),
    "application/x-npy gets the same predictions as JSON": accept_npy,
    "records of the wrong length get 400 with the expected length": reject_shape,
}
RULES: dict[str, Rule] = {
    "/ping returns 200 in under 2 s": lambda s: s.get("/ping"),
    "32 simultaneous connections are each accepted within 250 ms": accept_connections,
    "the sample request gets one prediction per record within 60 s": lambda s: s.predictions,
    "/execution-parameters returns the limits for batch transform": return_execution_parameters,
    'several records are accepted under each key, such as {"instances": ...}, and as a bare array': accept_all_keys,
    "the case and the parameters of Content-Type are ignored": lambda s: s.agree(s.body, ANY_CASE),
    "a request without Content-Type is read as JSON": lambda s: s.agree(s.body, ""),
    "X-Amzn-SageMaker headers, known or unknown, change nothing": lambda s: s.agree(s.body, **HEADERS),
    "a body of 25 MB is accepted": lambda s: s.agree(s.body.ljust(25 * MB)),
    "an npy file with Python objects gets 400, and its code does not run": reject_pickle,
    **TABULAR,
    "malformed JSON gets 400": lambda s: s.post(b'{"instances": [[1, 2').expect(400),
    "an empty body gets 400": lambda s: s.post(b"").expect(400),
    "an unknown Content-Type gets 415": lambda s: s.post(s.body, "application/x-unknown").expect(415),
    "an unsupported Accept gets 406": lambda s: s.post(s.body, Accept="image/png").expect(406),
    "a body over 25 MB gets 413": lambda s: s.post(s.body.ljust(25 * MB + 1)).expect(413),
    'each of these errors is {"error": "..."} in JSON, without stack trace, path or exception': check_errors,
    "Accept: */* gets JSON": lambda s: s.post(s.body, Accept="*/*").expect(200, JSON).expect_predictions(s.predictions),
    "the q-values of Accept are honored": lambda s: s.post(s.body, Accept=ACCEPT).expect(200, CSV),
    "Accept: text/csv gets one line per record": lambda s: s.agree(s.body, Accept=CSV),
    "Accept: application/jsonlines gets one line per record": lambda s: s.agree(s.body, Accept=JSON_LINES),
    "Accept: application/x-npy gets an array, if the predictions are numbers": return_npy,
    "responses in JSON, CSV and JSON Lines end in a newline": end_in_newline,
    "a connection stays open for further requests": lambda s: require(
        s.post(s.body).stays_open, "the server closed the connection after its response; expected it to stay open"
    ),
    "a chunked body is accepted": lambda s: s.agree(
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(s.body), s.body), **{"Transfer-Encoding": "chunked"}
    ),
    "16 different requests at once each get their own response": answer_concurrently,
    "/ping responds in under 2 s while 32 clients send requests": ping_under_load,
    "32 clients that send slowly do not delay others": tolerate_slow_clients,
    "GET /metrics, if it exists, is Prometheus text 0.0.4 with a counter of requests": count_requests,
    "bytes that are not HTTP leave the server working": lambda s: (send_noise(s), s.get("/ping"), s.agree(s.body)),
    "bytes that are not HTTP get a 4xx or a closed connection": lambda s: all(
        require(not re.match(rb"HTTP/\S+ [^4]", got), f"they got {shorten(got, 40)}") for got in send_noise(s)
    ),
}

CONTAINERS: list[str] = []  # started here, newest last; removed at the end
HARDENED = ("--read-only", "--user", "1000", "--tmpfs", "/tmp")  # what serverless endpoints allow
CAPABILITY = "com.amazonaws.sagemaker.capabilities."


def docker(*arguments: str, limit: float = 60.0) -> str:
    """Run Docker and return its output. Raises ContractError with the output if it fails, Timeout after `limit` s.

    Docker runs in its own session, so that a signal to this program does not interrupt it halfway.
    """
    command, pipe = ["docker", *arguments], subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, start_new_session=True) as process:
        try:
            output = process.communicate(timeout=limit)[0].decode(errors="replace").strip()
        except subprocess.TimeoutExpired:
            process.kill()
            raise Timeout(f"docker {arguments[0]} did not end within {limit:g} s") from None
    require(process.returncode == 0, f"docker {arguments[0]}: {output[-300:]}")
    return output


def remove_containers() -> None:
    if CONTAINERS:
        with suppress(ContractError, OSError):
            docker("rm", "--force", "--volumes", *CONTAINERS)


def inspect(kind: str, name: str) -> dict[str, Any]:
    """Return `docker inspect` of an image or a container: the last line of the output, after any warnings."""
    return dict(json.loads(docker(kind, "inspect", "--format", "{{json .}}", name).splitlines()[-1]))


def name_container() -> str:
    CONTAINERS.append(f"check-contract-{os.urandom(6).hex()}")
    return CONTAINERS[-1]


class Image:
    """The image to check."""

    def __init__(self, name: str, model: Path, body: bytes) -> None:
        """Raises ContractError if Docker has no such image."""
        self.name, self.body, self.config = name, body, inspect("image", name)["Config"]
        self.labels: dict[str, str] = self.config.get("Labels") or {}
        has_model = re.search("SM_MODEL_DIR=(?!/opt/ml/)", str(self.config.get("Env")))
        files = [path for path in model.rglob("*") if path.is_file() and not path.name.startswith(".")]
        self.model = model.resolve() if files and not has_model else None
        self.files = [path.relative_to(model) for path in files]
        self.start_limit = 480.0  # seconds until /ping returns 200 (SageMaker)

    def serve(self, *options: str, model: Path | None = None) -> Server:
        """SageMaker: docker run IMAGE serve, with the model in /opt/ml/model. Waits until /ping returns 200."""
        container, started = name_container(), time.monotonic()
        ports = [f"--publish=127.0.0.1::{port}" for port in (8080, 9123)]
        volumes = [f"--volume={model}:/opt/ml/model:ro"] if model else []
        docker("run", "--detach", "--name", container, *ports, *volumes, *options, self.name, "serve")
        while time.monotonic() < started + self.start_limit:
            state = inspect("container", container)
            require(state["State"]["Running"], f"it exited with status {state['State']['ExitCode']}")
            for port in (8080, 9123):
                host_port = int(state["NetworkSettings"]["Ports"][f"{port}/tcp"][0]["HostPort"])
                server = Server(("127.0.0.1", host_port), self.body, container, port)
                with suppress(ContractError):
                    server.get("/ping")
                    self.start_limit = 30 + 3 * (time.monotonic() - started)  # for the next container
                    return server
            time.sleep(0.1)
        raise ContractError(f"/ping did not return 200 within {self.start_limit:.0f} s")

    @cached_property
    def hardened(self) -> Server:
        """A container with only the privileges of a serverless endpoint."""
        return self.serve(*HARDENED, model=self.model)

    @cached_property
    def other_port(self) -> Server:
        """A container that runs as root, as on an endpoint, with another port to listen on."""
        return self.serve("--env", "SAGEMAKER_BIND_TO_PORT=9123", model=self.model)


def terminate(server: Server) -> None:
    """SageMaker: SIGTERM, and SIGKILL 30 s later."""
    docker("kill", "--signal", "TERM", server.container)
    try:
        status = docker("wait", server.container, limit=30)
    except Timeout:
        docker("kill", server.container)
        raise ContractError("it is still running 30 s after SIGTERM") from None
    require(status == "0", f"it exited with status {status}; expected 0")


def label_port(image: Image) -> None:
    label, binds = image.labels.get(f"{CAPABILITY}accept-bind-to-port"), image.other_port.port == 9123
    listens = "listens" if binds else "does not listen"
    require((label == "true") == binds, f"the label is {label}, and it {listens} on that port")


def label_models(image: Image) -> None:
    """SageMaker: a container with this label loads, lists, invokes and unloads models."""
    if image.labels.get(f"{CAPABILITY}multi-models") != "true":
        return
    url = "/opt/ml/models/a/model"
    volumes = [f"--volume={image.model}:{url}:ro"] if image.model else []
    server = image.serve("--env", "SAGEMAKER_MULTI_MODEL=true", *volumes)
    reply = server.get("/models")
    require("models" in reply.json(), f'{reply}; expected {{"models": [...]}}')
    model = json.dumps({"model_name": "a", "url": url}).encode()
    load = ("POST /models", model, 200), ("POST /models", model, 409), ("GET /models/a", b"", 200)
    use = ("POST /models/a/invoke", image.body, 200), ("DELETE /models/a", b"", 200)
    unloaded = ("DELETE /models/a", b"", 404), ("POST /models/a/invoke", image.body, 404)
    for call, body, status in (*load, *use, *unloaded) if image.model else ():
        method, path = call.split()
        send(server.address, 60, method, path, body, **{"Content-Type": JSON}).expect(status)


def write_tmp_only(image: Image) -> None:
    """docker diff also lists the folders of changed files. Docker mounts the model below /opt/ml."""
    image.other_port.agree(image.body)
    changed = [line[2:] for line in docker("diff", image.other_port.container).splitlines()]
    files = [path for path in changed if not any(other.startswith(f"{path}/") for other in changed)]
    written = [path for path in files if not re.match("/(tmp|opt/ml|dev|proc|sys)(/|$)", path)]
    require(not written, f"it wrote {', '.join(written[:5])}")


def finish_requests(image: Image) -> None:
    """Send SIGTERM during two requests with enough records to take a while."""
    server, records, seconds = image.other_port, image.other_port.records, 0.0
    while seconds < 0.5 and (reply := server.post(server.write(records * 2))).status == 200:
        records, seconds = records * 2, reply.seconds
    with ThreadPoolExecutor() as clients:
        replies = clients.map(server.post, [server.write(records)] * 2)
        time.sleep(0.75 * seconds)
        with suppress(ContractError):  # another rule checks how it exits
            terminate(server)
        for reply in replies:
            reply.expect(200)


def accept_batches(image: Image) -> None:
    server = image.serve(*HARDENED, "--env=SAGEMAKER_BATCH=true", model=image.model)
    server.agree(server.body.ljust(26 * MB))


def require_model(image: Image, content: bytes = b"") -> None:
    """Expect a clear error without a model, or with model files that have this content."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # the container has another user
        for path in [Path(folder, file) for file in image.files if content]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        try:
            image.serve(*HARDENED, model=Path(folder))
        except ContractError as fault:
            status = docker("wait", CONTAINERS[-1], limit=5)
            require(status != "0", f"{fault}; expected another status")
        else:
            raise ContractError("/ping returned 200; expected the container to exit")
    last = docker("logs", CONTAINERS[-1]).rpartition("\n")[2]
    stack = re.match(r"[\w.]+(Error|Exception|Exit)\b", last) or "Traceback" in last
    good = "model" in last.lower() and not stack
    require(good, f"the last line of its log is {last[-200:]!r}; expected the problem with /opt/ml/model")


def check_opt_ml(image: Image) -> None:
    """SageMaker: all of /opt/ml is reserved."""
    docker("create", "--name", name_container(), image.name, "serve")
    with tempfile.TemporaryDirectory() as folder:
        with suppress(ContractError):  # the folder does not exist
            docker("cp", f"{CONTAINERS[-1]}:/opt/ml", folder, limit=600)
        files = [str(path.relative_to(folder)) for path in Path(folder).rglob("*") if not path.is_dir()]
    require(not files, f"it has /opt/{''.join(files[:1])}; expected nothing there")


START: dict[str, Rule] = {
    "docker run IMAGE serve, unprivileged and with only /tmp writable, is ready within 8 minutes": lambda i: i.hardened,
}
IMAGE: dict[str, Rule] = {
    "SIGTERM ends it with status 0 within 30 s": lambda i: terminate(i.hardened),
    "it listens on the port in SAGEMAKER_BIND_TO_PORT": lambda i: require(
        i.other_port.port == 9123, "with SAGEMAKER_BIND_TO_PORT=9123 it listens on 8080"
    ),
    f"the label {CAPABILITY}accept-bind-to-port=true is present if and only if it does": label_port,
    f"the label {CAPABILITY}multi-models=true is present only if /models loads and unloads models": label_models,
    "it writes only to /tmp": write_tmp_only,
    "requests in flight at SIGTERM are answered": finish_requests,
    "with SAGEMAKER_BATCH=true, a body of 26 MB is accepted": accept_batches,
    "the image has no files in /opt/ml": check_opt_ml,
    "the entrypoint is not tini": lambda i: require(  # SageMaker does not support it
        not re.search(r"\btini\b", str(i.config.get("Entrypoint"))), "expected the program itself"
    ),
}
MODEL: dict[str, Rule] = {
    "without a model, it exits with an error whose last line names the model": require_model,
    "with a broken model, it does the same": lambda i: require_model(i, b"\0 no model\n"),
}


def check(rules: dict[str, Rule], subject: object, is_alive: Callable[[], bool] = lambda: True) -> list[bool]:
    """Check rule by rule. Once the server stops responding, the remaining rules fail; if it never responded, stop."""
    passed: list[bool] = []
    is_lost = False
    for sentence, rule in rules.items():
        fault = "the server no longer responds" if is_lost else find_fault(rule, subject)
        print(f"fail  {sentence}: {fault}" if fault else f"pass  {sentence}", flush=True)
        passed.append(not fault)
        if fault and not is_lost:
            with suppress(ContractError, IndexError):
                say(docker("logs", "--tail", "10", CONTAINERS[-1]))
            is_lost = not is_alive()
        if is_lost and not any(passed):
            break
    return passed


def find_fault(rule: Rule, subject: object) -> str:
    """Return what is wrong, on one line; "" if the rule holds."""
    try:
        rule(subject)
    except Exception as error:  # ContractError, or any exception that an unexpected response causes
        return " ".join((str(error) if isinstance(error, ContractError) else repr(error)).split())
    return ""


def check_server(server: Server) -> list[bool]:
    """Check the rules that apply to the records of the sample request."""
    rules = RULES
    if not server.tabular:
        say(f"{len(TABULAR)} rules do not apply: they are for records that are lists of numbers.")
        rules = {sentence: rule for sentence, rule in RULES.items() if sentence not in TABULAR}
    return check(rules, server, server.is_alive)


def check_url(server: Server) -> list[bool]:
    if not any(passed := check_server(server)):
        say("No server responds at this URL. Start one first, for example: SM_MODEL_DIR=model code/serve")
    say(f"{len(START) + len(IMAGE) + len(MODEL)} rules about the container need --image.")
    return passed


def check_image(options: argparse.Namespace, parser: argparse.ArgumentParser) -> list[bool]:
    try:
        image = Image(options.image, options.model, options.request)
    except (ContractError, OSError) as error:
        build = f"docker build --tag {options.image} {shlex.quote(str(PROJECT))}"
        parser.error(f"{error}\nCheck that Docker is running and that the image is built: {build}")
    if not all(passed := check(START, image)):
        say("The remaining rules were not checked, because the container did not start.")
        return passed
    passed += check_server(image.hardened)
    if not image.model:
        say(f"{len(MODEL)} rules do not apply: the model is in the image, or there is none in --model.")
    return passed + check({**IMAGE, **(MODEL if image.model else {})}, image)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def read_url(text: str) -> tuple[str, int]:
    """Return host and port."""
    if found := re.fullmatch(r"http://([^/:]+)(?::(\d{1,5}))?/?", text):
        return found[1], int(found[2] or 80)
    raise argparse.ArgumentTypeError(f"{text} is not a URL such as http://127.0.0.1:8080")


def read_request(path: str) -> bytes:
    try:
        return Server(("", 0), Path(path).read_bytes()).body
    except (OSError, ValueError) as error:
        problem = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else f"is not a request ({error})"
        sample = path == SAMPLE_REQUEST and (PROJECT / "sample_model").is_dir()
        hint = "Run test/run_local.sh to create it" if sample else 'Create one such as {"instances": [[1.0, 2.0]]}'
        raise argparse.ArgumentTypeError(f"{path} {problem}. {hint}, or pass --request FILE.") from None


def describe_arguments() -> argparse.ArgumentParser:
    usage = f"{NAME} [--request FILE] URL\n       {NAME} [--request FILE] [--model DIR] --image IMAGE"
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(usage=usage, description=__doc__, formatter_class=raw)
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("url", metavar="URL", nargs="?", type=read_url, help="the URL of a running server")
    subject.add_argument("--image", help="a local Docker image")
    about = "a request for your model, in JSON (default: test/sample_request.json)"
    parser.add_argument("--request", metavar="FILE", type=read_request, default=SAMPLE_REQUEST, help=about)
    about = "the model for --image, mounted at /opt/ml/model (default: model)"
    parser.add_argument("--model", metavar="DIR", type=Path, default=PROJECT / "model", help=about)
    return parser


def stop(number: int, _: object) -> None:
    """Exit so that the containers are removed."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main() -> int:
    parser = describe_arguments()
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        passed = check_image(options, parser) if options.image else check_url(Server(options.url, options.request))
    finally:
        remove_containers()
    print(f"{passed.count(True)} passed, {passed.count(False)} failed")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BrokenPipeError:  # the reader, such as head, has exited
        os._exit(1)
