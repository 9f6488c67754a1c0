"""code/serve as a process: start, start errors, load, signals, dying processes."""

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from project import Reply, Server, assemble, list_children, list_descendants, wait_for

SLOW = """
import os, pathlib, time
HERE = pathlib.Path(__file__).parent
BATCHING = False
def load(model_dir): return "secret-state"
def predict(model, inputs):
    if inputs == ["bug"]: raise KeyError(model)
    if inputs == ["die"]: os._exit(7)
    if inputs == ["pid"]: return [os.getpid()]
    if inputs == ["wait"]:
        (HERE / "started").touch()
        while not (HERE / "go").exists(): time.sleep(0.01)
    return inputs
"""


@pytest.fixture
def slow(project: Path, variant: str) -> Iterator[Server]:
    """A server with one worker, whose handler waits, fails or dies on request."""
    (project / "code/model_handler.py").write_text(SLOW)
    with Server(project, variant, SM_WORKERS="1") as server:
        yield server.wait_until_ready()


def go(server: Server) -> None:
    (server.folder / "code/go").touch()


def start_waiting(server: Server, pool: ThreadPoolExecutor) -> "Future[Reply]":
    """Send a request that the handler works on until `go`."""
    request = pool.submit(server.invoke, ["wait"])
    wait_for((server.folder / "code/started").exists, "the handler to start")
    return request


def test_a_scikit_learn_model_is_served(variant: str, samples: dict[str, Path], tmp_path: Path) -> None:
    """In joblib format. Other formats and frameworks are in test/frameworks."""
    folder = assemble(tmp_path / "project", variant, samples["joblib"])
    with Server(folder, variant) as server:
        reply = server.wait_until_ready().invoke((folder / "test/sample_request.json").read_bytes())
        assert len(reply.json()["predictions"]) == 2
        server.terminate()
        assert server.wait() == 0


def break_model(model: Path) -> None:
    (model / "model.json").write_bytes(b"not a model")


def empty_model(model: Path) -> None:
    (model / "model.json").unlink()
    (model / ".gitkeep").touch()


def remove_model(model: Path) -> None:
    empty_model(model)
    (model / ".gitkeep").unlink()
    model.rmdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (break_model, "could not be loaded"),
        (empty_model, "There is no model in"),
        (remove_model, "There is no model in"),
    ],
)
def test_the_port_stays_closed_without_a_working_model(
    project: Path, variant: str, spoil: object, message: str
) -> None:
    spoil(project / "model")  # type: ignore[operator]
    with Server(project, variant) as server:
        while server.process.poll() is None:
            with pytest.raises(OSError), socket.create_connection(("127.0.0.1", server.port), timeout=1):
                pass
            time.sleep(0.01)
        assert server.wait() != 0
        assert message in server.last_line()


def test_a_taken_port_is_a_start_error(project: Path, variant: str) -> None:
    with Server(project, variant) as server, socket.create_server(("127.0.0.1", server.port)):
        assert server.wait() == 1
        assert server.last_line().startswith(f"Cannot open port {server.port}")


def test_an_invalid_setting_is_a_start_error(project: Path, variant: str) -> None:
    with Server(project, variant, SM_WORKERS="many") as server:
        assert server.wait() == 1
        assert server.last_line().startswith("SM_WORKERS is 'many'")


def test_a_bug_in_the_handler_is_reported_only_in_the_log(slow: Server) -> None:
    reply = slow.invoke(["bug"], X_Amzn_SageMaker_Inference_Id="id-42")
    assert (reply.status, list(reply.json())) == (500, ["error"])
    for secret in ("secret-state", "KeyError", "Traceback", ".py"):
        assert secret not in reply.body.decode()
    (error, line) = [json.loads(line) for line in slow.log().splitlines() if "id-42" in line]
    assert "secret-state" in error["exception"]
    assert (line["id"], line["status"]) == ("id-42", 500)


def test_a_request_without_an_id_gets_one_for_the_log(slow: Server) -> None:
    slow.invoke(["bug"])
    error, line = [json.loads(line) for line in slow.log().splitlines()][-2:]
    assert error["id"] == line["id"]


def test_sigterm_finishes_accepted_requests_and_exits_with_0(slow: Server) -> None:
    with ThreadPoolExecutor() as pool:
        request = start_waiting(slow, pool)
        slow.terminate()
        if slow.variant != "flask":  # gunicorn's workers keep the port open until they exit
            wait_for(lambda: refuses_connections(slow.port), "the port to close")
        go(slow)
        assert request.result().json() == {"predictions": ["wait"]}
    assert slow.wait() == 0
    assert list_descendants(slow.process.pid) == []


def refuses_connections(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return False
    return True


def test_ping_does_not_wait_for_predictions_and_overload_gets_503(slow: Server) -> None:
    capacity = 1 + 128
    with ThreadPoolExecutor(capacity + 10) as pool:
        try:
            start_waiting(slow, pool)
            requests = [pool.submit(slow.invoke, ["wait"]) for _ in range(capacity + 9)]
            refused = wait_for(lambda: [r.result() for r in requests if r.done()][9:], "the tenth refusal")
            started = time.monotonic()
            assert slow.request("GET", "/ping").status == 200
            assert time.monotonic() - started < 1
        finally:
            go(slow)
        statuses = sorted(request.result().status for request in requests)
    assert statuses == [200] * (capacity - 1) + [503] * 10
    assert [(reply.status, reply.headers["Retry-After"]) for reply in refused] == [(503, "1")]


def test_a_killed_worker_is_restarted(slow: Server) -> None:
    (killed,) = slow.invoke(["pid"]).json()["predictions"]
    os.kill(killed, signal.SIGKILL)

    def ask_another() -> bool:
        with contextlib.suppress(OSError):
            reply = slow.invoke(["pid"])
            return reply.status == 200 and reply.json()["predictions"] != [killed]
        return False

    wait_for(ask_another, "another worker")


@pytest.mark.parametrize("variant", ["flask", "flask-nginx"], indirect=True)
def test_the_server_stops_if_its_web_server_dies(slow: Server) -> None:
    """nginx and gunicorn's parent process cannot be restarted: if one dies, the container stops."""
    os.kill(list_children(slow.process.pid)[-1], signal.SIGKILL)
    assert slow.wait() == 1
    assert "ended (killed by SIGKILL), so the server stops" in slow.last_line()


def test_the_server_stops_if_workers_keep_dying(slow: Server) -> None:
    def kill_one() -> bool:
        with contextlib.suppress(OSError):
            slow.invoke(["die"])
        return slow.process.poll() is not None

    wait_for(kill_one, "the end")
    assert slow.wait() == 1
    assert "ended" in slow.last_line()
    assert list_descendants(slow.process.pid) == []


def test_sigterm_while_the_model_loads_stops_at_once(project: Path, variant: str) -> None:
    handler = "import pathlib, time\ndef load(d):\n  (d / 'loading').touch()\n  time.sleep(60)\ndef predict(m, i): pass"
    (project / "code/model_handler.py").write_text(handler)
    with Server(project, variant) as server:
        wait_for((project / "model/loading").exists, "the model to load")
        server.terminate()
        assert server.process.wait(2) == 0


def test_no_prediction_is_lost_when_the_server_stops_under_load(slow: Server) -> None:
    """Every answered request succeeded, until connections are refused."""
    statuses: list[int] = []

    def keep_asking() -> None:
        with contextlib.suppress(OSError):
            while True:
                statuses.append(slow.invoke([["x"]]).status)

    askers = [threading.Thread(target=keep_asking) for _ in range(4)]
    for asker in askers:
        asker.start()
    wait_for(lambda: len(statuses) > 20, "load")
    slow.terminate()
    for asker in askers:
        asker.join()
    assert slow.wait() == 0
    assert set(statuses) == {200}


BROKEN_FOR_GOOD = """
import os
from serving.errors import ProcessBroken
def load(model_dir): return None
def predict(model, inputs):
    if inputs == ["break"]:
        raise ProcessBroken("It can no longer predict.")
    return [os.getpid()] * len(inputs)
"""


def test_a_broken_process_is_restarted(project: Path, variant: str) -> None:
    (project / "code/model_handler.py").write_text(BROKEN_FOR_GOOD)
    with Server(project, variant, SM_WORKERS="1") as server:
        server.wait_until_ready()
        first = server.invoke(["x"]).json()["predictions"]

        def another() -> bool:
            with contextlib.suppress(OSError, http.client.HTTPException):
                reply = server.invoke(["x"])
                return reply.status == 200 and reply.json()["predictions"] != first
            return False

        with contextlib.suppress(OSError, http.client.HTTPException):
            assert server.invoke(["break"]).status >= 500
        wait_for(another, "another process")
    assert "It can no longer predict." in server.log()
