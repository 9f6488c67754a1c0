"""code/serve under load: many, slow and malicious clients, and SIGTERM under load."""

import contextlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from project import TIMEOUT, Server, list_descendants, wait_for

RECORD = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
BODY = json.dumps({"instances": [RECORD]}).encode()
HEAD = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
REQUEST = HEAD % len(BODY) + b"\r\n" + BODY

SLOW = """
import time
BATCHING = False
def load(model_dir): return None
def predict(model, inputs):
    time.sleep(0.03)
    return inputs
"""


def connect(server: Server, *parts: bytes) -> socket.socket:
    """Open a connection and send data."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=TIMEOUT)
    for part in parts:
        connection.sendall(part)
    return connection


def read_answer(connection: socket.socket) -> bytes:
    """Read a whole response with a Content-Length."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += receive(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    while len(body) < length:
        body += receive(connection)
    return head + b"\r\n\r\n" + body


def receive(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("closed in the middle of an answer")
    return data


def exchange(server: Server, data: bytes) -> bytes:
    """Send `data`, close the sending side and return the response; empty if the server drops the connection."""
    answer = b""
    with connect(server) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(data)
        with contextlib.suppress(OSError):  # ENOTCONN: already dropped
            connection.shutdown(socket.SHUT_WR)
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_pings_are_answered_while_200_clients_load_a_slow_model(project: Path, variant: str) -> None:
    (project / "code/model_handler.py").write_text(SLOW)
    over = threading.Event()
    statuses: list[int] = []

    def hammer() -> None:
        while not over.is_set():
            reply = server.invoke([[1]])
            statuses.append(reply.status)
            if reply.status == 503:
                assert reply.headers["Retry-After"] == "1"
                time.sleep(0.2)

    with Server(project, variant, SM_WORKERS="1") as server, ThreadPoolExecutor(200) as clients:
        server.wait_until_ready()
        working = [clients.submit(hammer) for _ in range(200)]
        wait_for(lambda: 503 in statuses and 200 in statuses, "overload")
        try:
            for _ in range(10):
                started = time.monotonic()
                assert server.request("GET", "/ping").status == 200
                assert time.monotonic() - started < 2
        finally:
            over.set()
        for one in working:
            one.result()
    assert {*statuses} == {200, 503}


def test_no_request_is_lost_when_the_server_stops_under_load(project: Path, variant: str) -> None:
    """Every request is answered until the server announces that it closes the connection, or refuses new ones.

    nginx closes idle connections at once, even if a request is already sent: there, use one connection per request.
    """
    statuses: list[bytes] = []
    lost: list[str] = []

    def ask_until_closed() -> None:
        while True:
            answers = 0
            try:
                with connect(server) as connection:
                    closing = False
                    while not closing:
                        connection.sendall(REQUEST)
                        answer = read_answer(connection)
                        statuses.append(answer.split(b" ", 2)[1])
                        answers += 1
                        closing = variant == "flask-nginx" or b"\r\nconnection: close" in answer.lower()
            except OSError as error:
                if answers or not stopping.is_set():
                    lost.append(repr(error))
                return

    stopping = threading.Event()
    with Server(project, variant) as server:
        server.wait_until_ready()
        clients = [threading.Thread(target=ask_until_closed) for _ in range(8)]
        for client in clients:
            client.start()
        wait_for(lambda: len(statuses) > 200, "load")
        stopping.set()
        stopped = time.monotonic()
        server.terminate()
        for client in clients:
            client.join(TIMEOUT)
        assert server.wait() == 0
        assert time.monotonic() - stopped < 10
    assert {*statuses} == {b"200"}
    assert lost == []


def test_slow_clients_do_not_starve_others(server: Server) -> None:
    parts = [[b"P"], [HEAD % 99], [REQUEST[:-9]], [b"POST /invocations HTTP/1.1\r\n"]]
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connect(server, *parts[number % len(parts)])) for number in range(400)]
        for _ in range(5):
            started = time.monotonic()
            assert server.request("GET", "/ping").status == 200
            assert server.invoke(BODY).status == 200
            assert time.monotonic() - started < 2
        slow[2].sendall(REQUEST[-9:])
        assert b" 200 " in read_answer(slow[2])


@pytest.mark.parametrize(
    "header",
    [b"X: " + b"x" * 2**20, b"\r\n".join(b"X%d: %s" % (number, b"x" * 1000) for number in range(2000))],
    ids=["one", "many"],
)
def test_giant_headers_are_refused(server: Server, header: bytes) -> None:
    with connect(server) as connection:
        with contextlib.suppress(ConnectionError):  # closed before all of it was sent
            connection.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n" + header + b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert connection.recv(20)[9:12] in (b"", b"400", b"431")
    assert server.request("GET", "/ping").status == 200


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"\0" * 100_000,
        b"GET\r\n\r\n",
        b"POST /invocations HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET /ping HTTP/7.5\r\n\r\n",
        REQUEST.replace(b"Content-Length", b"Transfer-Encoding: zip\r\nX"),
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["tls", "zeros", "line", "length", "version", "encoding", "path"],
)
def test_invalid_http_is_refused_in_json_or_disconnected(server: Server, junk: bytes) -> None:
    answer = exchange(server, junk)
    assert b" 5" not in answer[:12]
    assert b"Traceback" not in answer
    assert server.request("GET", "/ping").status == 200


def test_pipelined_requests_are_all_answered(server: Server) -> None:
    with connect(server, b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n" + REQUEST * 3) as connection:
        answers = b""
        while answers.count(b'{"predictions"') < 3:
            answers += receive(connection)
    assert answers.count(b"HTTP/1.1 200 OK") == 4


def measure_memory(server: Server) -> int:
    """The memory of all processes of the server in bytes."""
    total = 0
    for pid in [server.process.pid, *list_descendants(server.process.pid)]:
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        total += 1024 * int(fields.get("VmRSS", "0 kB").split()[0])
    return total


@pytest.mark.soak
@pytest.mark.parametrize("variant", ["fastapi", "flask-nginx"], indirect=True)
def test_memory_does_not_grow_over_100_000_requests(server: Server) -> None:
    def ask(count: int) -> None:
        with connect(server) as connection:
            for _ in range(count // 20):
                connection.sendall(REQUEST * 20)  # pipelined, to save time
                answers = b""
                while answers.count(b'{"predictions"') < 20:
                    answers += receive(connection)
                assert answers.count(b"HTTP/1.1 200 OK") == 20

    def ask_all(count: int) -> None:
        with ThreadPoolExecutor(16) as clients:
            list(clients.map(ask, [count // 16] * 16))

    # Memory kept after the first requests, such as allocator arenas, is not a leak; a leak never stops growing.
    ask_all(80_000)
    for _ in range(5):
        before = measure_memory(server)
        ask_all(20_000)
        if measure_memory(server) - before < 2**20:
            return
    raise AssertionError("memory grows with every 20,000 requests")
