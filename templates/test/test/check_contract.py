#!/usr/bin/env python3
"""Is this server a SageMaker container? Checks every rule of the contract and prints a line for each: pass or fail.

URL is a server that runs, such as http://127.0.0.1:8080. With --image the container is started here as SageMaker
does, docker run IMAGE serve, but read-only and as an ordinary user, and the rules about the container are checked too.

The last line of stdout is "N passed, N failed"; the exit status is 0 if none failed, 1 if any did, 2 for wrong usage.
Needs Python 3.9 or newer and, for --image, Docker. No AWS.
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
Rule = Callable[[Any], object]  # checks a Server or an Image; raises Broken

MB = 2**20
JSON, CSV, JSON_LINES, NPY = "application/json", "text/csv", "application/jsonlines", "application/x-npy"
KEYS = ("instances", "inputs", "features", "input", "data")


class Broken(Exception):
    """A rule does not hold: what was seen, and what is expected."""


class Late(Broken):
    """There was no answer in time."""


def require(holds: object, fault: str) -> bool:
    if not holds:
        raise Broken(fault)
    return True


class Reply(NamedTuple):
    """An answer, and in short what it answers."""

    asked: str
    status: int
    media_type: str
    body: bytes
    seconds: float
    stays_open: bool
    parameters: str  # of the media type

    def __str__(self) -> str:
        return f"{self.asked} got {self.status} {self.media_type} {shorten(self.body, 200)}"

    def expect(self, status: int, media_type: str = "") -> Reply:
        """Itself, if it has this status and media type."""
        good = self.status == status and media_type in ("", self.media_type)
        require(good, f"{self}; expected {status} {media_type}".rstrip())
        return self

    def json(self) -> dict[str, Any]:
        """The JSON object in the body."""
        with suppress(ValueError):
            if self.media_type == JSON and isinstance(value := json.loads(self.body), dict):
                return value
        raise Broken(f"{self}; expected a JSON object, as {JSON}")

    def agree(self, expected: list[Any]) -> None:
        """Expects these predictions: a list of values for each record."""
        require(same(self.predictions(), expected), f"{self}; expected {str(expected)[:200]}")

    def predictions(self) -> list[Any]:
        with suppress(Exception):  # a reader fails in many ways
            return [flatten(prediction) for prediction in READERS[self.expect(200).media_type](self.body)]
        raise Broken(f'{self}; expected predictions, such as {{"predictions": [...]}} in JSON')


def shorten(body: bytes, length: int) -> str:
    """The beginning of a body, on one line."""
    text = body[: length + 1].decode(errors="replace")
    return repr(text if len(text) <= length else f"{text[:length]}...")


def ask(address: tuple[str, int], limit: float, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
    """One request. Raises Late if its answer is not there, whole, after `limit` seconds, however it drips."""
    started = time.monotonic()

    def cut() -> None:
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    watchdog = threading.Timer(limit, cut)
    try:
        with closing(HTTPConnection(*address, timeout=limit)) as connection:
            connection.connect()
            line = connection.sock
            watchdog.start()
            with suppress(ConnectionError):  # refused before it had left whole: the answer may be there all the same
                connection.request(method, path, body, headers)
            response = connection.getresponse()
            content = response.read()
    except (OSError, HTTPException) as error:
        if time.monotonic() < started + limit:
            raise Broken(f"{method} {path} got no answer: {error or type(error).__name__}") from None
    finally:
        watchdog.cancel()
    seconds = time.monotonic() - started
    if seconds >= limit:  # if it was cut, that looks like the end where no length was told
        raise Late(f"{method} {path} got no answer within {limit:g} s")
    asked = " ".join([method, path, *headers.values(), *([shorten(body, 40)] if body else [])])
    media_type, _, parameters = response.headers.get("Content-Type", "").lower().partition(";")
    return Reply(asked, response.status, media_type.strip(), content, seconds, not response.will_close, parameters)


class Server:
    """A server that is checked, and the sample request: its body, and the records in it."""

    def __init__(self, address: tuple[str, int], body: bytes, container: str = "", port: int = 8080) -> None:
        """Raises ValueError if the body is no JSON request."""
        self.address, self.body, self.container, self.port = address, body, container, port
        value = json.loads(body)
        self.others = dict(value) if isinstance(value, dict) else {"instances": value}  # what is beside the records
        self.key = next((key for key in KEYS if key in self.others), "instances")
        found = self.others.pop(self.key, [])
        many = isinstance(found, list) and all(isinstance(record, (list, dict, str)) for record in found)
        self.records: list[Any] = found if many else [found]
        if not self.records:
            raise ValueError("There are no records.")
        self.tabular = not self.others and all(isinstance(each, list) and are_numbers(each) for each in self.records)
        self.limit = 60.0  # seconds (SageMaker: /invocations)
        self.refusals: list[Reply] = []  # answers that were errors

    def write(self, records: list[Any], key: str = "") -> bytes:
        """The sample request with other records, or under another key."""
        return json.dumps({key or self.key: records, **self.others}).encode()

    def get(self, path: str) -> Reply:
        """SageMaker: /ping answers 200 within 2 s."""
        return ask(self.address, 2, "GET", path).expect(200)

    def post(self, body: bytes, content_type: str = JSON, **headers: str) -> Reply:
        """POST /invocations; without a Content-Type where that is empty."""
        typed = {"Content-Type": content_type} if content_type else {}
        try:
            reply = ask(self.address, self.limit, "POST", "/invocations", body, **typed, **headers)
        except Late:
            self.limit = min(5.0, self.limit)  # a server that hung once is not waited for as long again
            raise
        if reply.status >= 400:
            self.refusals.append(reply)
        return reply

    @cached_property
    def predictions(self) -> list[Any]:
        """What the sample request predicts, one for each record."""
        reply, count = self.post(self.body), len(self.records)
        require(len(reply.predictions()) == count, f"{reply}; expected {count} predictions")
        return reply.predictions()

    def agree(self, body: bytes, content_type: str = JSON, **headers: str) -> None:
        """Expects the predictions of the sample request for a request that says the same."""
        self.post(body, content_type, **headers).expect(200, headers.get("Accept", JSON)).agree(self.predictions)

    def is_there(self) -> bool:
        """Whether it answers /ping, be it with an error. A worker that died has some seconds to come back."""
        for pause in (0, 2):
            time.sleep(pause)
            with suppress(Exception):
                return bool(ask(self.address, 5, "GET", "/ping"))
        return False


def read_npy(body: bytes) -> list[Any]:
    """The rows of a file of numpy.save that holds numbers; for any other it fails, in many ways."""
    start = 10 + int.from_bytes(body[8:10], "little")
    header = ast.literal_eval(body[10:start].decode())
    kinds = {"f8": "d", "f4": "f", "i8": "q", "i4": "i", "u1": "B", "b1": "?"}  # NumPy's name of a type -> struct's
    kind = header["descr"][0].replace("|", "<") + kinds[header["descr"][1:]]
    numbers = [number for (number,) in struct.iter_unpack(kind, body[start:])]
    rows = header["shape"][0]
    if header["fortran_order"]:
        return [numbers[row::rows] for row in range(rows)]
    columns = len(numbers) // rows
    return [numbers[row * columns :][:columns] for row in range(rows)]


def write_npy(kind: str, shape: tuple[int, ...], data: bytes) -> bytes:
    """What numpy.save writes: magic and version, the header's length, which is 118, the header and the data."""
    header = str({"descr": kind, "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00v\x00" + header.encode() + data


def flatten(value: Any) -> list[Any]:
    """The values in lists of lists and in objects, in their order."""
    items = list(value.values()) if isinstance(value, dict) else value
    return [inner for item in items for inner in flatten(item)] if isinstance(items, list) else [value]


def are_numbers(value: Any) -> bool:
    return all(isinstance(number, (int, float)) for number in flatten(value))


def same(one: Any, other: Any) -> bool:
    """Whether predictions are equal but for the last digits; in csv numbers are texts."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-5, abs_tol=1e-8)
    except (TypeError, ValueError):
        return str(one).lower() == str(other).lower()


CLIENTS = 32
READERS: dict[str, Callable[[bytes], Any]] = {  # of answers: what is predicted for each record
    JSON: lambda body: json.loads(body)["predictions"],
    CSV: lambda body: csv.reader(body.decode().splitlines(keepends=True)),
    JSON_LINES: lambda body: map(json.loads, body.splitlines()),
    NPY: read_npy,
}
# What SageMaker asks of every container is marked with "SageMaker:"; the rest is what clients count on.
HEADERS = {f"X-Amzn-SageMaker-{name}": "7" for name in ("Custom-Attributes", "Inference-Id", "Unheard-Of")}
ANY_CASE = "Application/JSON; charset=UTF-8"
ACCEPT = "application/json;q=0.5, image/png, text/csv;q=0.9"
PICKLE = b"ctime\nsleep\n(F2\ntR."  # harmless: whoever loads it sleeps for 2 seconds, and so gives itself away
LEAK = re.compile(r'Traceback|File "|site-packages|\.py\b|/opt/|\b[A-Z]\w*(?:Error|Exception)\b')
SAMPLE = re.compile(r'(?ai)([a-z_:][\w:]*(?:{(?:[a-z_]\w*="(?:[^"\\]|\\.)*",?)*})?) +(\S+)(?: +-?\d+)?')
HEAD = b"POST /invocations HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\nContent-Length: 99\r\n"


def accept_connections(server: Server) -> None:
    """SageMaker: a container accepts a socket within 250 ms."""
    with ExitStack() as opened:
        for _ in range(CLIENTS):
            opened.enter_context(socket.create_connection(server.address, timeout=0.25))


def tell_parameters(server: Server) -> None:
    """SageMaker: batch transform asks for these first, and sends at most 100 MB at a time in all."""
    told = (reply := server.get("/execution-parameters")).json()
    numbers: list[Any] = [told.get(name) for name in ("MaxConcurrentTransforms", "MaxPayloadInMB")]
    good = all(type(number) is int and number > 0 for number in numbers)
    good = good and told.get("BatchStrategy") in ("MultiRecord", "SingleRecord")
    require(good, f"{reply}; expected MaxConcurrentTransforms, MaxPayloadInMB and MultiRecord or SingleRecord")
    require(math.prod(numbers) <= 100, f"{reply}; expected MaxConcurrentTransforms x MaxPayloadInMB <= 100")


def take_forms(server: Server) -> None:
    for key in KEYS:
        server.agree(server.write(server.records, key))
    if not server.others:
        server.agree(json.dumps(server.records).encode())


def take_one(server: Server) -> None:
    record = server.records[0]
    for body in (record, *({key: record} for key in KEYS)):
        server.post(json.dumps(body).encode()).agree(server.predictions[:1])


def take_npy(server: Server) -> None:
    numbers = flatten(server.records)
    shape = len(server.records), len(server.records[0])
    server.agree(write_npy("<f8", shape, struct.pack(f"<{len(numbers)}d", *numbers)), NPY)


def refuse_pickle(server: Server) -> None:
    reply = server.post(write_npy("|O", (1,), PICKLE), NPY)
    require(reply.seconds < 2, f"{reply} after {reply.seconds:.1f} s: the code in it ran; expected 400 at once")
    require(400 <= reply.status < 500, f"{reply}; expected 400")


def refuse_shape(server: Server) -> None:
    reply = server.post(server.write([[*record, 0] for record in server.records])).expect(400)
    width = str(len(server.records[0]))
    require(width in str(reply.body), f"{reply}; expected that it tells how many features per record has: {width}")


def word_refusals(server: Server) -> None:
    """Looks at what the rules before were answered."""
    for reply in server.refusals:
        told = reply.json()
        require(list(told) == ["error"] and isinstance(told["error"], str), f'{reply}; expected {{"error": "..."}}')
        leak = LEAK.search(told["error"])
        require(not leak, f"{reply}; expected no {leak and leak[0]!r} in it")


def answer_npy(server: Server) -> None:
    named = any(isinstance(each, dict) for each in server.post(server.body).json()["predictions"])
    if are_numbers(server.predictions) and not named:
        server.agree(server.body, Accept=NPY)


def end_in_newline(server: Server) -> None:
    """SageMaker: batch transform puts the answers one behind the other."""
    for media_type in (JSON, CSV, JSON_LINES):
        reply = server.post(server.body, Accept=media_type).expect(200)
        require(reply.body.endswith(b"\n"), f"{reply}, which ends in {reply.body[-1:]!r}")


def answer_each(server: Server) -> None:
    """Requests with one record, with two, with three ...: alone, and then all at once."""
    bodies = [server.write((server.records * 16)[:count]) for count in range(1, 17)]
    alone = [server.post(body).predictions() for body in bodies]
    with ThreadPoolExecutor(len(bodies)) as clients:
        for count, reply in enumerate(clients.map(server.post, bodies)):
            reply.agree(alone[count])


def ping_under_load(server: Server) -> None:
    with ThreadPoolExecutor(CLIENTS) as clients:
        requests = [clients.submit(server.post, server.body) for _ in range(4 * CLIENTS)]
        while not all(request.done() for request in requests):
            server.get("/ping")


def bear_slow_clients(server: Server) -> None:
    with ExitStack() as opened:
        for number in range(CLIENTS):
            slow = opened.enter_context(socket.create_connection(server.address, timeout=2))
            slow.sendall(HEAD if number % 2 else HEAD + b'\r\n{"instances"')
        server.get("/ping")
        server.agree(server.body)


def read_metrics(server: Server) -> dict[str, float]:
    """Its numbers by name and labels; none where there is no such page. SageMaker: reads it if the endpoint says so."""
    reply = ask(server.address, 5, "GET", "/metrics")
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
    raise Broken(f'GET /metrics has a line {line[:80]!r}; expected NAME{{LABEL="TEXT"}} NUMBER')


def count_requests(server: Server) -> None:
    before = read_metrics(server)
    for _ in range(7):
        server.agree(server.body)
    grown = [name for name, value in read_metrics(server).items() if value - before.get(name, 0) >= 7]
    good = any(re.search("_(total|count)({|$)", name) for name in grown)
    require(good or not before, "GET /metrics has no counter that 7 requests have made grow by 7")


def send_noise(server: Server) -> list[bytes]:
    """The answers, if any, to bytes that are not HTTP."""
    answers = []
    for noise in (b"\x16\x03\x01\x02\x00\x01\x00\x01", b"\x00\xff" * 10_000 + b"\r\n\r\n", b"GET\r\n\r\n"):
        with suppress(OSError), socket.create_connection(server.address, timeout=1) as connection:
            connection.sendall(noise)
            connection.shutdown(socket.SHUT_WR)
            answers.append(connection.recv(100))
    return answers


TABULAR: dict[str, Rule] = {  # where a record is a list of numbers
    "one record alone is taken, under each key and bare": take_one,
    "text/csv with spaces, CRLF and parameters predicts what JSON does": lambda s: s.agree(
        "".join(" , ".join(map(str, record)) + "\r\n" for record in s.records).encode(),
        "Text/CSV; charset=UTF-8; header=absent",
    ),
    "application/jsonlines predicts what JSON does": lambda s: s.agree(
        "".join(f"{json.dumps(record)}\n" for record in s.records).encode(), JSON_LINES
    ),
    "application/x-npy predicts what JSON does": take_npy,
    "records of another length are refused with 400, which tells the right one": refuse_shape,
}
RULES: dict[str, Rule] = {
    "/ping answers 200 in under 2 s": lambda s: s.get("/ping"),
    "32 connections at a time are each accepted within 250 ms": accept_connections,
    "the sample request gets its predictions within 60 s, one for each record": lambda s: s.predictions,
    "/execution-parameters tells batch transform how much it may send": tell_parameters,
    'many records are taken as {"instances": ...}, "inputs", "features", "input", "data", or a bare array': take_forms,
    "the case and the parameters of Content-Type do not matter": lambda s: s.agree(s.body, ANY_CASE),
    "a request without Content-Type is read as JSON": lambda s: s.agree(s.body, ""),
    "X-Amzn-SageMaker headers, known and unknown, change nothing": lambda s: s.agree(s.body, **HEADERS),
    "a body of 25 MB is read": lambda s: s.agree(s.body.ljust(25 * MB)),
    "an npy file with Python objects is refused with 400, and no code in it runs": refuse_pickle,
    **TABULAR,
    "malformed JSON is refused with 400": lambda s: s.post(b'{"instances": [[1, 2').expect(400),
    "an empty body is refused with 400": lambda s: s.post(b"").expect(400),
    "an unknown Content-Type is refused with 415": lambda s: s.post(s.body, "application/x-unheard-of").expect(415),
    "an Accept that cannot be met is refused with 406": lambda s: s.post(s.body, Accept="image/png").expect(406),
    "a body over 25 MB is refused with 413": lambda s: s.post(s.body.ljust(25 * MB + 1)).expect(413),
    'each of these refusals is {"error": "..."} as JSON, with no stack, path or exception in it': word_refusals,
    "Accept: */* gets JSON": lambda s: s.post(s.body, Accept="*/*").expect(200, JSON).agree(s.predictions),
    "the q-values of Accept are obeyed": lambda s: s.post(s.body, Accept=ACCEPT).expect(200, CSV),
    "Accept: text/csv gets one line for each record": lambda s: s.agree(s.body, Accept=CSV),
    "Accept: application/jsonlines gets one line for each record": lambda s: s.agree(s.body, Accept=JSON_LINES),
    "Accept: application/x-npy gets an array, where the predictions are numbers": answer_npy,
    "answers in JSON, csv and jsonlines end in a newline": end_in_newline,
    "a connection stays open for more requests": lambda s: require(
        s.post(s.body).stays_open, "the server closed the connection after its answer; expected it to stay open"
    ),
    "a chunked body is read": lambda s: s.agree(
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(s.body), s.body), **{"Transfer-Encoding": "chunked"}
    ),
    "16 different requests at a time each get their own answer": answer_each,
    "/ping answers in under 2 s while 32 clients send predictions": ping_under_load,
    "32 clients that send their request slowly do not hold up others": bear_slow_clients,
    "GET /metrics, if it is there, is Prometheus text 0.0.4, and a counter in it counts the requests": count_requests,
    "bytes that are not HTTP do no harm": lambda s: (send_noise(s), s.get("/ping"), s.agree(s.body)),
    "bytes that are not HTTP get a 4xx or the end of the connection": lambda s: all(
        require(not re.match(rb"HTTP/\S+ [^4]", got), f"they got {shorten(got, 40)}") for got in send_noise(s)
    ),
}

CONTAINERS: list[str] = []  # all that were started, the newest last; removed at the end
HARDENED = ("--read-only", "--user", "1000", "--tmpfs", "/tmp")  # serverless endpoints allow no more than this
CAPABILITY = "com.amazonaws.sagemaker.capabilities."


def docker(*arguments: str, limit: float = 60.0) -> str:
    """What Docker prints. Raises Broken with what it says if it fails, Late after `limit` seconds.

    A signal to this program does not reach Docker and is heeded when Docker is done: nothing is left half made.
    """
    command, pipe = ["docker", *arguments], subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, start_new_session=True) as process:
        try:
            said = process.communicate(timeout=limit)[0].decode(errors="replace").strip()
        except subprocess.TimeoutExpired:
            process.kill()
            raise Late(f"docker {arguments[0]} did not end within {limit:g} s") from None
    require(process.returncode == 0, f"docker {arguments[0]}: {said[-300:]}")
    return said


def remove_containers() -> None:
    if CONTAINERS:
        with suppress(Broken, OSError):
            docker("rm", "--force", "--volumes", *CONTAINERS)


def inspect(kind: str, name: str) -> dict[str, Any]:
    """All that Docker knows of an image or a container. It is the last line, after any warnings."""
    return dict(json.loads(docker(kind, "inspect", "--format", "{{json .}}", name).splitlines()[-1]))


def name_container() -> str:
    CONTAINERS.append(f"check-contract-{os.urandom(6).hex()}")
    return CONTAINERS[-1]


class Image:
    """The image that is checked."""

    def __init__(self, name: str, model: Path, body: bytes) -> None:
        """Raises Broken if Docker has no such image."""
        self.name, self.body, self.config = name, body, inspect("image", name)["Config"]
        self.labels: dict[str, str] = self.config.get("Labels") or {}
        holds_model = re.search("SM_MODEL_DIR=(?!/opt/ml/)", str(self.config.get("Env")))
        files = [path for path in model.rglob("*") if path.is_file() and not path.name.startswith(".")]
        self.model = model.resolve() if files and not holds_model else None
        self.files = [path.relative_to(model) for path in files]
        self.patience = 480.0  # seconds (SageMaker: until the first good ping)

    def serve(self, *options: str, model: Path | None = None) -> Server:
        """SageMaker: docker run IMAGE serve, with the model in /opt/ml/model. Waits for the first good ping."""
        container, started = name_container(), time.monotonic()
        ports = [f"--publish=127.0.0.1::{port}" for port in (8080, 9123)]
        volumes = [f"--volume={model}:/opt/ml/model:ro"] if model else []
        docker("run", "--detach", "--name", container, *ports, *volumes, *options, self.name, "serve")
        while time.monotonic() < started + self.patience:
            seen = inspect("container", container)
            require(seen["State"]["Running"], f"it ended with status {seen['State']['ExitCode']}")
            for port in (8080, 9123):
                host_port = int(seen["NetworkSettings"]["Ports"][f"{port}/tcp"][0]["HostPort"])
                server = Server(("127.0.0.1", host_port), self.body, container, port)
                with suppress(Broken):
                    server.get("/ping")
                    self.patience = 30 + 3 * (time.monotonic() - started)  # others start as fast
                    return server
            time.sleep(0.1)
        raise Broken(f"it neither ends nor answers /ping well within {self.patience:.0f} s")

    @cached_property
    def hardened(self) -> Server:
        """A container that may do no more than serverless endpoints allow."""
        return self.serve(*HARDENED, model=self.model)

    @cached_property
    def moved(self) -> Server:
        """A container as an endpoint has it, as root, that is told another port."""
        return self.serve("--env", "SAGEMAKER_BIND_TO_PORT=9123", model=self.model)


def terminate(server: Server) -> None:
    """SageMaker: SIGTERM, and SIGKILL 30 s later."""
    docker("kill", "--signal", "TERM", server.container)
    try:
        status = docker("wait", server.container, limit=30)
    except Late:
        docker("kill", server.container)
        raise Broken("it still runs 30 s after SIGTERM") from None
    require(status == "0", f"it ended with status {status}; expected 0")


def label_port(image: Image) -> None:
    label, binds = image.labels.get(f"{CAPABILITY}accept-bind-to-port"), image.moved.port == 9123
    does = "listens" if binds else "does not listen"
    require((label == "true") == binds, f"the label is {label}, and it {does} on that port")


def label_models(image: Image) -> None:
    """SageMaker: a container with this label loads, lists, asks and unloads models as it is told."""
    if image.labels.get(f"{CAPABILITY}multi-models") != "true":
        return
    url = "/opt/ml/models/a/model"
    volumes = [f"--volume={image.model}:{url}:ro"] if image.model else []
    many = image.serve("--env", "SAGEMAKER_MULTI_MODEL=true", *volumes)
    reply = many.get("/models")
    require("models" in reply.json(), f'{reply}; expected {{"models": [...]}}')
    order = json.dumps({"model_name": "a", "url": url}).encode()
    loads = ("POST /models", order, 200), ("POST /models", order, 409), ("GET /models/a", b"", 200)
    asks = ("POST /models/a/invoke", image.body, 200), ("DELETE /models/a", b"", 200)
    gone = ("DELETE /models/a", b"", 404), ("POST /models/a/invoke", image.body, 404)
    for call, body, status in (*loads, *asks, *gone) if image.model else ():
        method, path = call.split()
        ask(many.address, 60, method, path, body, **{"Content-Type": JSON}).expect(status)


def write_tmp_only(image: Image) -> None:
    """docker diff tells of folders too if what is in them changed. /opt/ml is where Docker mounts the model."""
    image.moved.agree(image.body)
    changed = [line[2:] for line in docker("diff", image.moved.container).splitlines()]
    files = [path for path in changed if not any(other.startswith(f"{path}/") for other in changed)]
    written = [path for path in files if not re.match("/(tmp|opt/ml|dev|proc|sys)(/|$)", path)]
    require(not written, f"it wrote {', '.join(written[:5])}")


def finish_requests(image: Image) -> None:
    """SIGTERM comes in the middle of two requests of so many records that each takes a while."""
    server, records, seconds = image.moved, image.moved.records, 0.0
    while seconds < 0.5 and (reply := server.post(server.write(records * 2))).status == 200:
        records, seconds = records * 2, reply.seconds
    with ThreadPoolExecutor() as clients:
        replies = clients.map(server.post, [server.write(records)] * 2)
        time.sleep(0.75 * seconds)
        with suppress(Broken):  # how it ends is the matter of another rule
            terminate(server)
        for reply in replies:
            reply.expect(200)


def take_batches(image: Image) -> None:
    server = image.serve(*HARDENED, "--env=SAGEMAKER_BATCH=true", model=image.model)
    server.agree(server.body.ljust(26 * MB))


def need_model(image: Image, content: bytes = b"") -> None:
    """Expects that a container ends in plain words without a model, or with one whose files have this content."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # the user in the container is another one
        for path in [Path(folder, file) for file in image.files if content]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        try:
            image.serve(*HARDENED, model=Path(folder))
        except Broken as fault:
            status = docker("wait", CONTAINERS[-1], limit=5)
            require(status != "0", f"{fault}; expected another status")
        else:
            raise Broken("/ping was good; expected that the container ends")
    last = docker("logs", CONTAINERS[-1]).rpartition("\n")[2]
    stack = re.match(r"[\w.]+(Error|Exception|Exit)\b", last) or "Traceback" in last
    good = "model" in last.lower() and not stack
    require(good, f"the last line of its log is {last[-200:]!r}; expected what is wrong with /opt/ml/model")


def leave_opt_ml(image: Image) -> None:
    """SageMaker: all of /opt/ml is its own."""
    docker("create", "--name", name_container(), image.name, "serve")
    with tempfile.TemporaryDirectory() as folder:
        with suppress(Broken):  # there is no such folder
            docker("cp", f"{CONTAINERS[-1]}:/opt/ml", folder, limit=600)
        files = [str(path.relative_to(folder)) for path in Path(folder).rglob("*") if not path.is_dir()]
    require(not files, f"it has /opt/{''.join(files[:1])}; expected nothing there")


START: dict[str, Rule] = {
    "docker run IMAGE serve, as any user with only /tmp to write in, pings well within 8 minutes": lambda i: i.hardened,
}
IMAGE: dict[str, Rule] = {
    "SIGTERM ends it with status 0 within 30 s": lambda i: terminate(i.hardened),
    "it listens on the port in SAGEMAKER_BIND_TO_PORT": lambda i: require(
        i.moved.port == 9123, "with SAGEMAKER_BIND_TO_PORT=9123 it listens on 8080"
    ),
    f"the label {CAPABILITY}accept-bind-to-port=true is there if it does, and only then": label_port,
    f"the label {CAPABILITY}multi-models=true is there only if /models loads and unloads models": label_models,
    "it writes to nothing but /tmp": write_tmp_only,
    "requests under way when SIGTERM comes are answered": finish_requests,
    "with SAGEMAKER_BATCH=true a body of 26 MB is read": take_batches,
    "the image has no files in /opt/ml": leave_opt_ml,
    "the entrypoint is not tini": lambda i: require(  # SageMaker does not support it
        not re.search(r"\btini\b", str(i.config.get("Entrypoint"))), "expected the program itself"
    ),
}
MODEL: dict[str, Rule] = {
    "without a model it never pings well, and ends with an error whose last line names the model": need_model,
    "with a broken model it does the same": lambda i: need_model(i, b"\0 no model\n"),
}


def check(rules: dict[str, Rule], subject: object, is_there: Callable[[], bool] = lambda: True) -> list[bool]:
    """Checks rule by rule. Once the server is gone all that follow fail; if it never was there, none is checked."""
    passed: list[bool] = []
    gone = False
    for sentence, rule in rules.items():
        fault = "the server is gone" if gone else find_fault(rule, subject)
        print(f"fail  {sentence}: {fault}" if fault else f"pass  {sentence}", flush=True)
        passed.append(not fault)
        if fault and not gone:
            with suppress(Broken, IndexError):
                say(docker("logs", "--tail", "10", CONTAINERS[-1]))
            gone = not is_there()
        if gone and not any(passed):
            break
    return passed


def find_fault(rule: Rule, subject: object) -> str:
    """What is wrong, on one line; nothing if the rule holds."""
    try:
        rule(subject)
    except Exception as error:  # Broken, or what an answer that nobody thought of leads to
        return " ".join((str(error) if isinstance(error, Broken) else repr(error)).split())
    return ""


def check_server(server: Server) -> list[bool]:
    """The rules that apply to the records of the sample request."""
    rules = RULES
    if not server.tabular:
        say(f"{len(TABULAR)} rules do not apply: they are for records that are lists of numbers.")
        rules = {sentence: rule for sentence, rule in RULES.items() if sentence not in TABULAR}
    return check(rules, server, server.is_there)


def check_url(server: Server) -> list[bool]:
    if not any(passed := check_server(server)):
        say("No server answers there. Start it first, for example: SM_MODEL_DIR=model code/serve")
    say(f"{len(START) + len(IMAGE) + len(MODEL)} rules about the container need --image.")
    return passed


def check_image(options: argparse.Namespace, parser: argparse.ArgumentParser) -> list[bool]:
    try:
        image = Image(options.image, options.model, options.request)
    except (Broken, OSError) as error:
        build = f"docker build --tag {options.image} {shlex.quote(str(PROJECT))}"
        parser.error(f"{error}\nDoes Docker run? Is the image built? {build}")
    if not all(passed := check(START, image)):
        say("The other rules need a container that starts.")
        return passed
    passed += check_server(image.hardened)
    if not image.model:
        say(f"{len(MODEL)} rules do not apply: the model is in the image, or there is none in --model.")
    return passed + check({**IMAGE, **(MODEL if image.model else {})}, image)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def read_url(text: str) -> tuple[str, int]:
    """Host and port."""
    if found := re.fullmatch(r"http://([^/:]+)(?::(\d{1,5}))?/?", text):
        return found[1], int(found[2] or 80)
    raise argparse.ArgumentTypeError(f"{text} is not a URL such as http://127.0.0.1:8080")


def read_request(path: str) -> bytes:
    try:
        return Server(("", 0), Path(path).read_bytes()).body
    except (OSError, ValueError) as error:
        what = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else f"is no request ({error})"
        hint = 'Create it with a request for your model, such as {"instances": [[1.0, 2.0]]}.'
        raise argparse.ArgumentTypeError(f"{path} {what}. {hint}") from None


def describe_arguments() -> argparse.ArgumentParser:
    usage = f"{NAME} [--request FILE] URL\n       {NAME} [--request FILE] [--model DIR] --image IMAGE"
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(usage=usage, description=__doc__, formatter_class=raw)
    sample = str(PROJECT / "test/sample_request.json")
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("url", metavar="URL", nargs="?", type=read_url, help="where a server listens")
    subject.add_argument("--image", help="an image that Docker has on this machine")
    about = "a request for your model, in JSON (default: test/sample_request.json)"
    parser.add_argument("--request", metavar="FILE", type=read_request, default=sample, help=about)
    about = "the model for --image, which is mounted on /opt/ml/model (default: model)"
    parser.add_argument("--model", metavar="DIR", type=Path, default=PROJECT / "model", help=about)
    return parser


def stop(number: int, _: object) -> None:
    """Ends the program by way of the removal of its containers."""
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
    except BrokenPipeError:  # nobody reads the lines any more
        os._exit(1)
